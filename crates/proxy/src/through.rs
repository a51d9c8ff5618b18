//! [`Through`]: a connection that a proxy makes for us.

use crate::{Host, Target, http, socks};
use std::{cell::Cell, fmt, io, net::SocketAddr, sync::Arc};
use trenza_core::{Addr, Buf, Conclusive, Flow, Input, Layer, OutBuf, Peer, Result, Wire};

/// What is said to the proxy.
#[derive(Debug, Clone)]
pub(crate) enum Dialogue {
    Socks(socks::Client),
    Http(http::Client),
}

/// The client's side of a proxy, as a layer: it asks, and when the proxy says yes it is done, so that the bytes pass it
/// by. Until then nobody is told of the connection.
pub(crate) struct Through {
    dialogue: Dialogue,
    proxy: Arc<str>,
    target: Target,
    granted: bool,
}

/// A proxy did not connect to a target: it said no, or spoke something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyError {
    /// The proxy, as in `the SOCKS 5 proxy localhost:1080`.
    pub proxy: Arc<str>,
    /// Where it was to connect to.
    pub target: Target,
    /// Why it did not.
    pub cause: ProxyCause,
}

/// Why a proxy did not connect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyCause {
    /// A SOCKS proxy said no.
    Socks(socks::Refusal),
    /// An HTTP proxy said no.
    Http(http::Refusal),
    /// It does not speak the protocol, or not right.
    Protocol(&'static str),
}

impl ProxyError {
    /// The kind of [`io::Error`] that says the same as the proxy, as far as there is one.
    pub fn kind(&self) -> io::ErrorKind {
        match &self.cause {
            ProxyCause::Socks(refusal) => refusal.kind(),
            ProxyCause::Http(refusal) => refusal.kind(),
            ProxyCause::Protocol(_) => io::ErrorKind::InvalidData,
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} did not connect to {}: ", self.proxy, self.target)?;
        match &self.cause {
            ProxyCause::Socks(refusal) => refusal.fmt(f),
            ProxyCause::Http(refusal) => refusal.fmt(f),
            ProxyCause::Protocol(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ProxyError {}

/// The proxy ended the connection before it had answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proxy ended the connection before it had answered")]
struct Unanswered;

impl Through {
    pub(crate) fn new(dialogue: Dialogue, proxy: Arc<str>, target: Target) -> Self {
        Self { dialogue, proxy, target, granted: false }
    }

    /// Reads what the proxy says. True: it has said yes.
    fn read(&mut self, input: &mut Input<'_>, down: &mut OutBuf) -> Result<bool, ProxyCause> {
        match &mut self.dialogue {
            Dialogue::Socks(client) => match client.next(input, down).map_err(fault)? {
                None => Ok(false),
                Some(socks::Answer::Granted(_)) => Ok(true),
                Some(socks::Answer::Refused(refusal)) => Err(ProxyCause::Socks(refusal)),
            },
            Dialogue::Http(client) => match client.next(input).map_err(fault)? {
                None => Ok(false),
                Some(http::Answer::Granted) => Ok(true),
                Some(http::Answer::Refused(refusal)) => Err(ProxyCause::Http(refusal)),
            },
        }
    }
}

/// What a codec found wrong.
fn fault(error: socks::Error) -> ProxyCause {
    ProxyCause::Protocol(error.what())
}

impl Layer for Through {
    fn decode(&mut self, wire: &mut Wire<'_>, _: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        let frozen = Cell::new(false);
        let mut input = Input::new(wire.bytes(), &frozen, http::HEAD_MAX);
        let read = self.read(&mut input, down);
        let taken = input.taken();
        wire.consume(taken);
        match read {
            Ok(true) => {
                self.granted = true;
                Ok(Flow::Done)
            }
            Ok(false) => Ok(Flow::More),
            Err(cause) => {
                let (proxy, target) = (self.proxy.clone(), self.target.clone());
                // Its other addresses would say the same, and a wrong password would be shown twice.
                Err(Conclusive(ProxyError { proxy, target, cause }.into()).into())
            }
        }
    }

    fn encode(&mut self, _: &mut OutBuf, down: &mut OutBuf) -> Result {
        match &mut self.dialogue {
            Dialogue::Socks(client) => client.start(down),
            Dialogue::Http(client) => client.start(down),
        }
        Ok(())
    }

    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        if self.granted { Ok(()) } else { Err(Unanswered.into()) }
    }

    fn ready(&self) -> bool {
        self.granted
    }

    fn describe(&self, peer: &mut Peer) {
        let proxy = peer.remote.clone();
        peer.via.get_or_insert(proxy);
        if let Host::Ip(ip) = self.target.host {
            peer.remote = Addr::from(SocketAddr::new(ip, self.target.port));
        }
    }
}
