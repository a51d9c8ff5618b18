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
