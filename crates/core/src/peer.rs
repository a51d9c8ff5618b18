//! [`Peer`]: who is at the other end.

use crate::Addr;
use std::{
    cell::Cell,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    rc::Rc,
};

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
    /// What a layer that encrypts (TLS) says of the connection; None: anybody on the way can read it.
    pub secured: Option<Rc<Secured>>,
}

/// How a connection is encrypted, and who is at its far end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Secured {
    /// The protocol's version, as in `TLS 1.3`.
    pub version: &'static str,
    /// The cipher suite by its registered name.
    pub cipher: &'static str,
    /// The name that the client asked for (SNI); None on clients, and for clients that ask for none.
    pub server_name: Option<Rc<str>>,
    /// The certificate that the far end has shown and proved to own; its chain was verified as the configuration says.
    pub certificate: Option<Rc<Certificate>>,
    /// The peers have met before, and continued their session.
    pub resumed: bool,
}

impl Secured {
    /// An encrypted connection to somebody who has shown no certificate.
    pub fn new(version: &'static str, cipher: &'static str) -> Self {
        Self { version, cipher, server_name: None, certificate: None, resumed: false }
    }
}

/// A certificate of the far end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// Whom it was made for, as in `CN=ann, O=Example`.
    pub subject: String,
    /// The SHA-256 of it.
    pub fingerprint: [u8; 32],
    /// The whole, in DER.
    pub der: Vec<u8>,
}

impl Certificate {
    /// A certificate, as the layer that has verified it says.
    pub fn new(subject: String, fingerprint: [u8; 32], der: Vec<u8>) -> Self {
        Self { subject, fingerprint, der }
    }
}

impl Peer {
    /// A peer of which only the addresses are known.
    pub fn new(remote: Addr, local: Addr) -> Self {
        Self { remote, local, via: None, alpn: None, secured: None }
    }
}

/// The peer of a connection. Nobody asks who is at the other end of most of them: while nobody has, two addresses of IPv4
/// are all that is kept.
pub(crate) struct PeerCell(Cell<Kept>);

enum Kept {
    V4 { remote: SocketAddrV4, local: SocketAddrV4 },
    Asked(Rc<Peer>),
}

impl Default for Kept {
    fn default() -> Self {
        let nobody = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        Self::V4 { remote: nobody, local: nobody }
    }
}

impl From<Peer> for PeerCell {
    fn from(peer: Peer) -> Self {
        Self(Cell::new(match peer {
            Peer {
                remote: Addr::Ip(SocketAddr::V4(remote)),
                local: Addr::Ip(SocketAddr::V4(local)),
                via: None,
                alpn: None,
                secured: None,
            } => Kept::V4 { remote, local },
            peer => Kept::Asked(Rc::new(peer)),
        }))
    }
}

impl PeerCell {
    pub(crate) fn get(&self) -> Rc<Peer> {
        let peer = match self.0.take() {
            Kept::V4 { remote, local } => Rc::new(Peer::new(Addr::Ip(remote.into()), Addr::Ip(local.into()))),
            Kept::Asked(peer) => peer,
        };
        self.0.set(Kept::Asked(peer.clone()));
        peer
    }

    pub(crate) fn set(&self, peer: Rc<Peer>) {
        drop(self.0.replace(Kept::Asked(peer)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_who_it_was() {
        let [v4, v6] = ["192.0.2.1:7", "[2001:db8::1]:7"].map(|addr| Addr::Ip(addr.parse().unwrap()));
        for (remote, local) in [(&v4, &v4), (&v4, &v6), (&v6, &v4), (&v6, &v6)] {
            let peer = Peer::new(remote.clone(), local.clone());
            let via = Peer { via: Some(v4.clone()), ..peer.clone() };
            for peer in [peer, via] {
                let cell = PeerCell::from(peer.clone());
                let first = cell.get();
                assert_eq!(*first, peer);
                assert!(Rc::ptr_eq(&first, &cell.get()), "it is made once");
            }
        }
        assert_eq!(size_of::<PeerCell>(), 16);
    }
}
