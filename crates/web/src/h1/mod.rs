//! HTTP/1.1 without a socket and without a clock: bytes in, events out, and back (RFC 9112).
//!
//! [`Connection`] is a server's end of one connection. The parts below it (framing, chunks, the body reader
//! and writer) do not know which end they are at, so that a client shares them.

pub mod chunked;
mod connection;
mod error;
mod find;
mod framing;
mod head;
mod limits;
mod name;
mod reader;
mod section;
mod spare;
mod target;
mod writer;

pub use connection::{Connection, Event};
pub use error::Error;
pub use framing::Framing;
pub use limits::Limits;
pub(crate) use spare::give;
