//! `trenza echo`: what comes goes back.

use crate::{
    lines::Lines,
    passing::{listen, shown},
    room::Room,
    terminal::say,
};
use std::num::NonZeroUsize;
use trenza::{Factory, Policy, Protocol, Reactor, Result, Transport, wire::Input};

const EXAMPLES: &str = "\
Examples:
  trenza echo --listen tcp:7007:interface=127.0.0.1
      For this machine only; then: nc 127.0.0.1 7007

Ctrl-C (or SIGTERM) stops: what has come is sent back first. A second one stops at once.
Exit codes: 0 after a graceful stop, 1 error, 2 wrong usage, 130 or 143 when a second signal cut it short.";

/// What it says when it stops.
const STOPPING: &str = "Stopping: what has come is sent back first. Ctrl-C again stops at once.";

/// Sends back what it gets (RFC 862): something to try clients and proxies with.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen: tcp:PORT for all addresses of this machine, tcp:PORT:interface=ADDRESS for one; port 0 is
    /// any that is free. May be repeated
    #[arg(short, long, value_name = "ENDPOINT", required = true)]
    listen: Vec<String>,

    /// Connections at once; more of them wait [default: 10000, or what the limit of open files allows]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_connections: Option<NonZeroUsize>,
}

/// Serves until it is told to stop.
pub(crate) fn run(args: &Args, descriptors: u64) -> Result {
    let lines = Lines::new();
    let ended = trenza::run(|reactor| args.serve(reactor, &lines, descriptors));
    lines.finish();
    ended
}

impl Args {
    fn serve(&self, reactor: &Reactor, lines: &Lines, descriptors: u64) -> Result {
        let room = Room { descriptors, reserved: 0, each: 1 };
        let policy = Policy::new().connections(room.clients(self.max_connections));
        let addresses = listen(reactor, &self.listen, &policy, &Echoes, lines, STOPPING)?;
        say("Echoing");
        for address in &addresses {
            say(&shown("", address));
        }
        say("Ctrl-C stops.");
        Ok(())
    }
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
