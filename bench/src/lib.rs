//! What the benches share. Each program in `src/bin` answers one question and prints the figures as Markdown.
//!
//! They look at the servers from outside, so threads, blocking sockets and the clock are allowed here.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod handshake;
mod load;
mod process;
mod sample;
mod server;

pub use handshake::{Group, Handshakes};
pub use load::{Load, wrk};
pub use process::{cpu, descriptors, machine, resident};
pub use sample::{median, quartiles, spread};
pub use server::{Server, beside, site};
