//! What the programs of this package share: what Linux tells of a process.
//!
//! They look at servers from outside, so threads, blocking sockets and the clock are allowed here.

mod process;

pub use process::{cpu, descriptors, resident};
