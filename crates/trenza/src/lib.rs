//! Trenza: an event-driven network engine. One reactor, protocols as plain structs that are pushed bytes.
//!
//! ```
//! use trenza::prelude::*;
//!
//! struct Echo;
//!
//! impl Protocol for Echo {
//!     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
//!         transport.write(input.rest());
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> Result {
//!     run(|reactor| {
//!         reactor.listen("tcp:0:interface=127.0.0.1", |_| Echo)?;
//! #       reactor.stop();
//!         Ok(())
//!     })
//! }
//! ```
//!
//! Suites are features: `web` (HTTP), `ftp`, `mail`, `proxy` (SOCKS, forwarding), and beneath any of them `tls`, `auth`
//! (accounts), `storage` (trees of files) and `dns` (a resolver). Their crates are re-exported as modules. `sim` is the simulated network, and
//! `test` has `#[trenza::test]`; both are for dev-dependencies.

mod cores;
mod run;
#[cfg(feature = "test")]
pub mod testing;

pub use cores::{Cores, cores};
pub use run::{Interrupted, block_on, register, run, run_on};
#[cfg(feature = "auth")]
pub use trenza_auth as auth;
pub use trenza_core::{
    Abandoned, Addr, Addresses, AllFailed, Bucket, Certificate, Command, Conclusive, ConnectError,
    ConnectionId, Counts, Datagram, DatagramProtocol, Deferred, Endpoint, EndpointError, Engine, Error,
    ExitStatus, Factory, Flow, Get, Group, Guard, Handle, Home, Interface, IntoEndpoint, JobPanicked, Layer,
    Left, LeftKind, Leftover, Limit, Limits, Lines, Lock, LoopingCall, Loops, Lost, Outgoing, Output,
    OutputTooLong, Peer, Permit, Policy, Port, Printer, Process, ProcessProtocol, Protocol, Queue,
    QueueClosed, Rate, Reactor, ReadHalf, Reason, Recorder, Recording, Remote, RemoteResolver, Resolver,
    Result, Seat, Secured, Seen, Semaphore, Signal, Sleep, SocketOption, SpawnError, Spawner, Stream, Tap,
    TimedOut, Timeout, Timer, TooManyWaiters, Transport, UdpCounts, UdpOption, UdpPort, UnixAddr, Wait,
    Watch, WriteHalf, cooperate, driver, join, race, timeout, yield_now,
};
pub use trenza_core::{
    Backoff, ClientService, NotConnected, PortService, Retry, Service, Services, StartError, StopError,
    TimerService,
};
pub use trenza_core::{
    Choice, ConnectTo, Connecting, EndpointKind, Form, Given, Layers, ListenOn, Listening, MakeStream,
    Parsed, Prepare, Usage, Value,
};
#[cfg(feature = "dns")]
pub use trenza_dns as dns;
#[cfg(feature = "ftp")]
pub use trenza_ftp as ftp;
#[cfg(feature = "test")]
pub use trenza_macros::test;
#[cfg(feature = "mail")]
pub use trenza_mail as mail;
#[cfg(feature = "proxy")]
pub use trenza_proxy as proxy;
#[cfg(feature = "sim")]
pub use trenza_sim as sim;
#[cfg(feature = "storage")]
pub use trenza_storage as storage;
#[cfg(all(feature = "uring", target_os = "linux"))]
pub use trenza_sys::UringDriver;
pub use trenza_sys::{DRIVER, DriverKind, PollDriver, raise_descriptor_limit};
#[cfg(feature = "tls")]
pub use trenza_tls as tls;
#[cfg(feature = "web")]
pub use trenza_web as web;
pub use trenza_wire as wire;

/// What most programs use.
pub mod prelude {
    pub use crate::{
        Command, Datagram, DatagramProtocol, Deferred, Error, ExitStatus, Factory, Handle, Outgoing, Process,
        ProcessProtocol, Protocol, Queue, QueueClosed, Reactor, Reason, Result, Stream, Timer, Transport,
        UdpPort, block_on, run, timeout, wire::Input,
    };
}
