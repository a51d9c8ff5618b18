//! What tests and benches share: the built program and a blocking client for it, and layers to test the engine with.
//!
//! The program and its client run outside of the engine on purpose: threads, blocking sockets and the clock are the
//! outside world.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod client;
mod header;
mod program;
mod xor;

pub use client::{Answer, Client};
pub use header::Header;
pub use program::{PATIENCE, Program};
pub use xor::{Xor, XorError, sealed};

/// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
