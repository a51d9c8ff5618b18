//! SOCKS without a socket and without a clock: versions 4, 4a and 5 (RFC 1928), user and password (RFC 1929).
//!
//! [`Server`] and [`Client`] are the two ends of one connection, until the proxy has said yes; from then on its bytes
//! are the program's. [`udp`] is what stands before each datagram of an association.
//!
//! Version 4 is a single request; 4a is 4 with a name behind it. In version 5 the client first says which methods of
//! authentication it has.
//!
//! ```
//! use std::cell::Cell;
//! use trenza_proxy::{Target, socks::{Answer, Auth, Client, Command, Event, Reply, Server, Version}};
//! use trenza_wire::{Input, OutBuf};
//!
//! let frozen = Cell::new(false);
//! let (mut up, mut down) = (OutBuf::new(), OutBuf::new());
//! let target = Target::new("example.org", 80)?;
//! let mut client = Client::new(Version::V5, Command::Connect, target.clone(), None)?;
//! let mut server = Server::new(Auth::None);
//!
//! client.start(&mut up);
//! let bytes = up.take_queued().to_vec()?;
//! assert_eq!(server.next(&mut Input::new(&bytes, &frozen, 1024), &mut down)?, None);
//! let bytes = down.take_queued().to_vec()?; // "no authentication"
//! assert_eq!(client.next(&mut Input::new(&bytes, &frozen, 1024), &mut up)?, None);
//!
//! let bytes = up.take_queued().to_vec()?;
//! let asked = server.next(&mut Input::new(&bytes, &frozen, 1024), &mut down)?;
//! let Some(Event::Request(request)) = asked else { panic!("{asked:?}") };
//! assert_eq!((request.command, request.target), (Command::Connect, target));
//!
//! let bound = "192.0.2.1:5000".parse()?;
//! server.reply(Reply::Granted, Some(bound), &mut down)?;
//! let bytes = down.to_vec()?;
//! let answer = client.next(&mut Input::new(&bytes, &frozen, 1024), &mut up)?;
//! assert_eq!(answer, Some(Answer::Granted(bound.into())));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod field;
mod reply;
mod server;
#[cfg(test)]
mod tests;
pub mod udp;

pub use client::{Answer, Client, Refusal};
pub use reply::Reply;
pub use server::{Auth, Event, Request, Server};

/// What can be wrong: ours, when the caller asks for what the protocol cannot say or does not allow now; else the
/// peer's. Where the peer is to be told, the answer is in the codec's output already: send it, then close.
pub type Error = trenza_wire::ProtocolError<()>;

/// The longest name of a user and the longest password, in bytes (RFC 1929 section 2). Version 4 has no such limit; it
/// has it here.
pub const USER_MAX: usize = 255;

/// The most that either end holds unread at any time, in bytes: the longest message, which is a request of version 4a.
pub const MESSAGE_MAX: usize = 8 + USER_MAX + 1 + crate::NAME_MAX + 1;

/// A version of the protocol, as a client asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// IPv4 addresses only; a server sees 4a, too, as this.
    V4,
    /// Version 4 with names that the server looks up.
    V4a,
    /// Names, IPv6, UDP, authentication (RFC 1928).
    V5,
}

/// What the proxy is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Connect to the target.
    Connect,
    /// Listen for one connection from the target. Two replies: where it listens, and who came.
    Bind,
    /// Pass datagrams on, version 5 only. The target is where the client will send them from, if it knows.
    Associate,
}

impl Command {
    fn code(self) -> u8 {
        match self {
            Self::Connect => 1,
            Self::Bind => 2,
            Self::Associate => 3,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Connect, Self::Bind, Self::Associate].into_iter().find(|command| command.code() == code)
    }
}

/// The peer's fault.
fn fault<T>(what: &'static str) -> Result<T, Error> {
    Err(Error::Remote { what, reply: () })
}
