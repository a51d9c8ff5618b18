//! The PROXY protocol: a proxy tells, before anything else, on whose behalf it connects (versions 1 and 2 of HAProxy's
//! `proxy-protocol.txt`).
//!
//! ```text
//!  client ──▶ proxy ── header, then the client's bytes ──▶ Reader ──▶ protocol: Peer::remote is the client,
//!                                                                              Peer::via the proxy
//! ```
//!
//! [`parse`] and [`Header::encode`] are the codec, [`Reader`] and [`Writer`] the layers around it. The endpoints
//! `haproxy:tcp:8080` and `haproxy:tcp:example.org:80` put them under every connection: see
//! [`register`](crate::register).
//!
//! ```
//! use trenza_proxy::header::{Header, Told, Version, parse};
//!
//! let told = Told::Ip { source: "192.0.2.1:5000".parse()?, destination: "192.0.2.2:80".parse()? };
//! let bytes = Header { version: Version::V1, told: told.clone() }.encode();
//! assert_eq!(bytes, b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n");
//! let (header, used) = parse(&bytes)?.ok_or("there is more to come")?;
//! assert_eq!((header.told, used), (told, bytes.len()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod kind;
mod layer;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

pub use layer::{Reader, Writer};
pub use v1::LINE_MAX;
pub use v2::BLOCK_MAX;

pub(crate) use kind::Haproxy;

use std::net::SocketAddr;
use trenza_wire::ProtocolError;

/// What is wrong with a header. It is the sender's fault always, and there is no answer to it.
pub type Error = ProtocolError<()>;

/// The two forms of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// A binary block, which can have more than addresses.
    V2,
}

/// What a proxy says at the beginning of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The form of it.
    pub version: Version,
    /// On whose behalf it connects.
    pub told: Told,
}

/// On whose behalf a proxy connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// On its own: to see whether the server is there. (`LOCAL`; version 1 cannot say it.)
    Local,
    /// It does not know, or may not say.
    Unknown,
    /// For a client with an IP address.
    Ip {
        /// The client.
        source: SocketAddr,
        /// What the client has connected to.
        destination: SocketAddr,
    },
    /// For a client on a UNIX socket; the paths as they are, without trailing zeros. (Version 2 only.)
    Unix {
        /// The client's; most have none.
        source: Vec<u8>,
        /// What the client has connected to.
        destination: Vec<u8>,
    },
}

/// Reads a header of either version at the beginning of `data`, and how long it is. None: more must come. What cannot
/// become a header any more is an error at its first wrong byte, so that nobody waits for the rest of something else.
///
/// Addresses are checked for what they are, versions and lengths strictly. Of the additional fields of version 2 the
/// checksum is verified, the others are skipped; nothing longer than [`BLOCK_MAX`] is taken.
///
/// # Errors
/// It is no header, or one that breaks the rules; the connection must be closed.
pub fn parse(data: &[u8]) -> Result<Option<(Header, usize)>, Error> {
    match data.first() {
        None => Ok(None),
        Some(b'P') => v1::parse(data),
        Some(_) => v2::parse(data),
    }
}

impl Header {
    /// The bytes to send before all else. What a version cannot say it calls unknown: addresses of two families, and in
    /// version 1 UNIX sockets and `LOCAL`. Paths longer than 108 bytes are cut off.
    pub fn encode(&self) -> Vec<u8> {
        match self.version {
            Version::V1 => v1::encode(&self.told),
            Version::V2 => v2::encode(&self.told),
        }
    }
}

fn wrong(what: &'static str) -> Error {
    ProtocolError::Remote { what, reply: () }
}
