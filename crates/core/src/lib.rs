//! The engine of Trenza: one loop that owns protocols and pushes received bytes to them.
//!
//! Programs use it through the crate `trenza`; suites use it directly. It makes no system call: a
//! [`driver`] does, of the operating system or of the simulator.

mod addr;
mod adopt;
#[cfg(feature = "canaries")]
pub mod canary;
#[cfg(not(feature = "canaries"))]
mod canary;
mod connect;
mod connection;
mod datagram;
mod deferred;
pub mod driver;
mod endpoint;
mod engine;
mod error;
mod flags;
mod handle;
mod job;
mod layer;
mod limits;
mod lookup;
mod loops;
mod memory;
mod option;
mod peer;
mod pipe;
mod policy;
mod port;
mod process;
mod protocol;
mod race;
mod reactor;
mod reason;
mod remote;
mod room;
mod service;
mod shared;
mod stream;
mod task;
mod timer;
mod times;
mod transport;
mod watch;
mod watched;

pub use addr::{Addr, UnixAddr};
pub use connect::{Conclusive, ConnectError};
pub use connection::ConnectionId;
pub use datagram::option::{Interface, UdpOption};
pub use datagram::outbox::Outbox;
pub use datagram::port::{UdpCounts, UdpPort};
pub use datagram::{Datagram, DatagramProtocol, Outgoing};
pub use deferred::{Abandoned, Deferred, Resolver, Wait};
pub use endpoint::connecting::{ConnectTo, Connecting, MakeStream, Prepare};
pub use endpoint::error::EndpointError;
pub use endpoint::given::{Given, Value};
pub use endpoint::kind::{Choice, EndpointKind, Form, Usage};
pub use endpoint::layers::Layers;
pub use endpoint::listening::{ListenOn, Listening};
pub use endpoint::parsed::Parsed;
pub use endpoint::{Endpoint, IntoEndpoint};
pub use engine::Engine;
pub use engine::left::{Left, LeftKind, Leftover};
pub use error::{Error, Result};
pub use handle::{Handle, Home};
pub use job::JobPanicked;
pub use layer::{Flow, Layer};
pub use limits::{Counts, Limit, Limits};
pub use loops::Loops;
pub use option::SocketOption;
pub use peer::{Certificate, Peer, Secured};
pub use policy::Policy;
pub use policy::addresses::{Addresses, Seat};
pub use policy::bucket::{Bucket, Rate};
pub use policy::printer::Printer;
pub use policy::recorder::{Recorder, Recording};
pub use policy::tap::{Seen, Tap};
pub use port::Port;
pub use process::{Command, ExitStatus, Output, OutputTooLong, Process, ProcessProtocol, Signal, SpawnError};
pub use protocol::{Factory, Protocol};
pub use reactor::Reactor;
pub use reason::{Reason, Timeout};
pub use remote::{Remote, RemoteResolver};
pub use service::Service;
pub use service::backoff::{Backoff, Retry};
pub use service::client::{ClientService, NotConnected};
pub use service::group::{Services, StartError, StopError};
pub use service::port::PortService;
pub use service::timer::TimerService;
pub use stream::{Lines, Lost, ReadHalf, Stream, WriteHalf};
pub use task::cooperate::{cooperate, yield_now};
pub use task::group::{Group, Spawner};
pub use task::join::{AllFailed, join, race};
pub use task::line::TooManyWaiters;
pub use task::lock::{Guard, Lock};
pub use task::looping::LoopingCall;
pub use task::queue::{Get, Queue, QueueClosed};
pub use task::semaphore::{Permit, Semaphore};
pub use task::{Sleep, TimedOut, timeout};
pub use timer::Timer;
pub use transport::Transport;
pub use trenza_wire::{Buf, Input, OutBuf, Wire};
pub use watch::Watch;

pub(crate) use canary::broken;
pub(crate) use connection::Connection;

/// A hash map whose order is the same in every run.
pub type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;
