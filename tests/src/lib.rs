//! What the tests and benches of the built program share: starting it, and talking to it over a socket.
//!
//! These run outside of the engine on purpose: threads, blocking sockets and the clock are the outside world.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod client;
mod program;

pub use client::{Answer, Client};
pub use program::{PATIENCE, Program};

/// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
