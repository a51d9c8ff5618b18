//! Trenza on real systems: the portable driver over readiness ([`PollDriver`]), that over io_uring (`UringDriver`), and what
//! stands around them.
//!
//! This crate alone makes system calls, and nothing else in the workspace may contain `unsafe`. The engine
//! sees it through the traits of [`trenza_core::driver`] only.
//!
//! ```text
//!   UringDriver ── uring   TCP, UDP and UNIX streams by io_uring, and beside it:
//!   PollDriver ── slots    tokens ↔ sockets
//!       │      ── socket   what the loop wants of a socket
//!       │      ── poller   which descriptors are ready: epoll, and what other systems have
//!       │      ── stream   receive, send, send files, connect
//!       │      ── datagram UDP: many datagrams in one system call
//!       │      ── unix     UNIX sockets: addresses, files that nobody listens on
//!       │      ── adopted  descriptors that others have opened
//!       │      ── inherited  those that the program was started with, standard input and output
//!       │      ── listener accept, and what to do when descriptors run out
//!       │      ── rest     what to do when memory runs out
//!   SystemHost ── clocks, randomness, bind, names
//!              ── pool     threads for what blocks
//!              ── process  child processes
//!              ── activation  sockets that a service manager has opened
//!   Signals, raise_descriptor_limit: for programs
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "clocks, threads and sockets come from this crate: the fence of clippy.toml is around it"
)]

mod activation;
mod adopted;
mod carried;
mod datagram;
mod host;
mod inherited;
mod kind;
mod limits;
mod listener;
mod pinned;
mod poll;
mod poller;
mod pool;
mod process;
mod rest;
mod shared;
mod signals;
mod slots;
mod socket;
mod stream;
mod unix;
#[cfg(all(feature = "uring", target_os = "linux"))]
mod uring;

pub use host::SystemHost;
pub use kind::{DRIVER, DriverKind};
pub use limits::raise_descriptor_limit;
pub use pinned::Pinned;
pub use poll::PollDriver;
pub use shared::SharedSockets;
pub use signals::Signals;
#[cfg(all(feature = "uring", target_os = "linux"))]
pub use uring::UringDriver;
