//! [`Peer`]: who is at the other end.

use crate::Addr;
use std::rc::Rc;

/// Who is at the other end of a connection: a snapshot, replaced when a layer learns more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The far end. Behind a proxy that tells it (PROXY protocol), the client itself.
    pub remote: Addr,
    /// This end.
    pub local: Addr,
    /// The proxy that the connection came through, when a layer said so.
    pub via: Option<Addr>,
    /// The protocol that the peers agreed on (ALPN).
    pub alpn: Option<Rc<str>>,
}

impl Peer {
    /// A peer of which only the addresses are known.
    pub fn new(remote: Addr, local: Addr) -> Self {
        Self { remote, local, via: None, alpn: None }
    }
}
