//! `trenza echo`: what comes goes back.

use crate::{
    complaint::Complaint,
    lines::{self, Lines},
    passing::{Clients, listen, shown},
    room::{Room, count},
    terminal::say,
    workers::Workers,
};
use std::num::NonZeroUsize;
use trenza::{
    Addr, Datagram, DatagramProtocol, Factory, Protocol, Reactor, Result, Transport, UdpPort, wire::Input,
};

const EXAMPLES: &str = "\
Examples:
  trenza echo --listen tcp:7007:interface=127.0.0.1
      For this machine only; then: nc 127.0.0.1 7007
  trenza echo --listen tcp:7007 --udp
      For every machine that reaches this one, by TCP and by UDP
  trenza echo --listen udp:7007 --listen unix:/tmp/echo.sock
      By UDP only, and over a UNIX socket
  trenza echo --listen tls:7443:cert=localhost.pem
      Over TLS; then: openssl s_client -quiet -connect localhost:7443
      (`trenza cert self` makes the certificate)

Datagrams from ports below 1024 and from this program's own port get no answer, or two such services \
could keep each other busy for ever.

Ctrl-C (or SIGTERM) stops: what has come is sent back first. A second one stops at once.
Exit codes: 0 after a graceful stop, 1 error, 2 wrong usage, 130 or 143 when a second signal cut it short.";

/// What it says when it stops.
const STOPPING: &str = "Stopping: what has come is sent back first. Ctrl-C again stops at once.";

/// Sends back what it gets (RFC 862): something to try clients and proxies with.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen: tcp:PORT for all addresses of this machine, tcp:PORT:interface=ADDRESS for one, unix:PATH,
    /// tls:PORT:cert=FILE, udp:PORT for datagrams; port 0 is any that is free. May be repeated
    #[arg(short, long, value_name = "ENDPOINT", required = true)]
    listen: Vec<String>,

    /// Listen for datagrams, too, on the port and address of each tcp: and tls: endpoint
    #[arg(short, long)]
    udp: bool,

    /// Connections at once; more of them wait [default: 10000, or what the limit of open files allows]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Limits")]
    max_connections: Option<NonZeroUsize>,

    #[command(flatten)]
    workers: Workers,
}

/// Serves until it is told to stop.
pub(crate) fn run(args: &Args, descriptors: u64) -> Result {
    lines::run(&args.workers, |reactor, lines| args.serve(reactor, lines, descriptors))
}

impl Args {
    fn serve(&self, reactor: &Reactor, lines: &Lines, descriptors: u64) -> Result {
        let room = Room { descriptors, reserved: 0, each: 1 };
        let clients = Clients { all: room.clients(self.max_connections, reactor), per_address: None };
        let (datagrams, streams): (Vec<_>, Vec<_>) =
            self.listen.iter().cloned().partition(|endpoint| endpoint.starts_with("udp:"));
        let mut told = Vec::new();
        for bound in listen(reactor, &streams, clients, &Echoes, lines, STOPPING)? {
            told.push(bound.shown(""));
            if let Some(same) = Some(&bound.addr).filter(|_| self.udp).and_then(same_udp) {
                told.push(echo_udp(reactor, &same)?);
            }
        }
        for endpoint in &datagrams {
            told.push(echo_udp(reactor, endpoint)?);
        }
        if reactor.loop_index() > 0 {
            return Ok(());
        }
        say("Echoing");
        told.iter().for_each(|line| say(line));
        self.workers.started();
        Ok(())
    }
}

/// The same port and address, for datagrams.
fn same_udp(address: &Addr) -> Option<String> {
    let (ip, port) = (address.ip()?, address.port()?);
    Some(if ip.is_unspecified() { format!("udp:{port}") } else { format!("udp:{port}:interface=[{ip}]") })
}

/// Echoes datagrams; gives the line that says where.
fn echo_udp(reactor: &Reactor, endpoint: &str) -> Result<String> {
    let port = reactor.udp(endpoint, Echo).map_err(|error| Complaint::listen(endpoint, &*error))?;
    Ok(shown("", &port.addr(), " (UDP)"))
}

/// Makes an echo for each connection.
#[derive(Clone)]
struct Echoes;

impl Factory for Echoes {
    fn build(&mut self, _: &Transport) -> Option<Box<dyn Protocol>> {
        Some(Box::new(Echo))
    }
}

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
}

impl DatagramProtocol for Echo {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        // Others that answer whatever comes are there, and the sender's address may be a lie.
        let from = datagram.from.port().filter(|from| *from >= 1024 && Some(*from) != port.addr().port());
        if from.is_some() {
            port.send(datagram.answer(datagram.data));
        }
        Ok(())
    }
}
