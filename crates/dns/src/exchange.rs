//! One question to one server, over UDP and over TCP.

use crate::{Likeness, Question};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use trenza_core::{
    Addr, Datagram, DatagramProtocol, Limits, Reactor, Reason, Resolver, Result, UdpPort, timeout,
};

/// How many bytes an answer over UDP may have: what passes every network in one piece (DNS flag day 2020).
pub const UDP_BYTES: u16 = 1232;
/// After so many wrong answers somebody is guessing, and the question is asked over TCP.
pub const SPOOFS_MAX: usize = 32;
/// Which ports questions come from.
const PORTS: std::ops::RangeInclusive<u16> = 10_240..=u16::MAX;
/// How often a port is drawn that is free, until the system is asked for one.
const DRAWS: usize = 8;

/// What came of a question over UDP.
pub(crate) enum Reply {
    /// This came back.
    Answer(Vec<u8>),
    /// It must be asked over TCP: the answer is cut off, or may be forged.
    OverTcp,
}

/// Asks over UDP, from a port of its own, and waits for the answer.
///
/// # Errors
/// No port, no way to the server, [`TimedOut`](trenza_core::TimedOut).
pub(crate) async fn over_udp(
    reactor: &Reactor,
    server: SocketAddr,
    question: &Question,
    wait: Duration,
) -> Result<Reply> {
    let (deferred, resolver) = reactor.deferred();
    let listener = || Listener { server: server.into(), question: question.clone(), spoofs: 0, reply: None };
    let port = bind(reactor, server, listener)?;
    let end = port.clone();
    resolver.on_cancel(move || end.close());
    port.handle::<Listener>().call(move |listener, port| {
        listener.reply = Some(resolver);
        port.send_to(&listener.server, listener.question.bytes());
        Ok(())
    });
    timeout(wait, deferred).await
}

/// A port that nobody can guess.
fn bind(reactor: &Reactor, server: SocketAddr, listener: impl Fn() -> Listener) -> Result<UdpPort> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    for _ in 0..DRAWS {
        let mut drawn = [0; 2];
        reactor.random(&mut drawn);
        let drawn = u16::from_be_bytes(drawn);
        if !PORTS.contains(&drawn) {
            continue;
        }
        match reactor.udp(&endpoint(any, drawn), listener()) {
            Err(error) if is_taken(&error) => {}
            bound => return bound,
        }
    }
    reactor.udp(&endpoint(any, 0), listener())
}

fn endpoint(ip: IpAddr, port: u16) -> String {
    match ip {
        IpAddr::V4(ip) => format!("udp:{port}:interface={ip}"),
        IpAddr::V6(ip) => format!("udp:{port}:interface=[{ip}]"),
    }
}

fn is_taken(error: &trenza_core::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied))
}

/// A port that waits for one answer.
struct Listener {
    server: Addr,
    question: Question,
    spoofs: usize,
    reply: Option<Resolver<Reply>>,
}

impl Listener {
    fn end(&mut self, port: &UdpPort, result: Result<Reply>) {
        if let Some(reply) = self.reply.take() {
            reply.fire(result);
        }
        port.close();
    }
}

impl DatagramProtocol for Listener {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        let likeness = match *datagram.from == self.server {
            true => self.question.likeness(datagram.data),
            false => Likeness::Other,
        };
        // TC: the third octet's second bit.
        let cut = datagram.data.get(2).is_some_and(|flags| flags & 0x02 != 0);
        match likeness {
            Likeness::Same if !cut => self.end(port, Ok(Reply::Answer(datagram.data.to_vec()))),
            Likeness::Same | Likeness::Doubtful => self.end(port, Ok(Reply::OverTcp)),
            Likeness::Other => {
                self.spoofs += 1;
                if self.spoofs >= SPOOFS_MAX {
                    tracing::warn!(server = %self.server, "somebody guesses answers of a name server");
                    self.end(port, Ok(Reply::OverTcp));
                }
            }
        }
        Ok(())
    }

    fn failed(&mut self, port: &UdpPort, _to: Option<&Addr>, error: &io::Error) -> Result {
        self.end(port, Err(io::Error::new(error.kind(), error.to_string()).into()));
        Ok(())
    }

    /// What is under way ends by itself soon, and who waits for it needs it to finish.
    fn stopping(&mut self, _port: &UdpPort) -> Result {
        Ok(())
    }

    fn stopped(&mut self, _port: &UdpPort, _reason: &Reason) {
        // Who waits hears of it when the resolver is dropped.
        self.reply = None;
    }
}

/// Asks over TCP (RFC 7766), over a connection of its own.
///
/// # Errors
/// No connection, an end before the answer, an answer to something else, [`TimedOut`](trenza_core::TimedOut).
pub(crate) async fn over_tcp(
    reactor: &Reactor,
    server: SocketAddr,
    question: &Question,
    wait: Duration,
) -> Result<Vec<u8>> {
    let exchange = async {
        let mut stream = reactor.open(server).await?;
        // A turn's bytes may bring the whole of the longest answer at once.
        let unread = usize::from(u16::MAX) + 2;
        stream.transport().set_limits(Limits { unread, ..Limits::default() });
        stream.end_at_stop(false);
        let length = u16::try_from(question.bytes().len())?;
        stream.write_all(&[&length.to_be_bytes(), question.bytes()].concat()).await?;
        let ended = || io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed without an answer");
        let length = stream.read_exact(2).await?.ok_or_else(ended)?;
        let length = length.first_chunk().map_or(0, |length| u16::from_be_bytes(*length));
        let answer = stream.read_exact(length.into()).await?.ok_or_else(ended)?;
        stream.close_write();
        match question.likeness(&answer) {
            Likeness::Other => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "an answer to something else").into())
            }
            Likeness::Same | Likeness::Doubtful => Ok(answer),
        }
    };
    timeout(wait, exchange).await
}
