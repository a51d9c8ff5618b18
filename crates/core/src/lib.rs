//! The engine of Trenza: one loop that owns protocols and pushes received bytes to them.
//!
//! Programs use it through the crate `trenza`; suites use it directly. It makes no system call: a
//! [`driver`] does, of the operating system or of the simulator.

mod addr;
#[cfg(feature = "canaries")]
pub mod canary;
#[cfg(not(feature = "canaries"))]
mod canary;
mod command;
mod connect;
mod connection;
mod cooperate;
mod deferred;
pub mod driver;
mod endpoint;
mod engine;
mod entry;
mod error;
mod flags;
mod flush;
mod group;
mod handle;
mod job;
mod join;
mod layer;
mod left;
mod limits;
mod line;
mod lock;
mod lookup;
mod looping;
mod lost;
mod peer;
mod port;
mod protocol;
mod queue;
mod race;
mod reactor;
mod reason;
mod remote;
mod semaphore;
mod shared;
mod stack;
mod stream;
mod task;
mod timer;
mod transport;
mod turn;
mod watched;

pub use addr::Addr;
pub use connect::ConnectError;
pub use connection::ConnectionId;
pub use cooperate::{cooperate, yield_now};
pub use deferred::{Abandoned, Deferred, Resolver, Wait};
pub use endpoint::{Endpoint, EndpointError, IntoEndpoint};
pub use engine::Engine;
pub use error::{Error, Result};
pub use group::{Group, Spawner};
pub use handle::Handle;
pub use job::JobPanicked;
pub use join::{AllFailed, join, race};
pub use layer::{Flow, Layer};
pub use left::{Left, LeftKind, Leftover};
pub use limits::{Counts, Limit, Limits};
pub use line::TooManyWaiters;
pub use lock::{Guard, Lock};
pub use looping::LoopingCall;
pub use peer::Peer;
pub use port::Port;
pub use protocol::{Factory, Protocol};
pub use queue::{Get, Queue, QueueClosed};
pub use reactor::Reactor;
pub use reason::{Reason, Timeout};
pub use remote::{Remote, RemoteResolver};
pub use semaphore::{Permit, Semaphore};
pub use stream::{Lost, Stream};
pub use task::{Sleep, TimedOut, timeout};
pub use timer::Timer;
pub use transport::Transport;
pub use trenza_wire::{Buf, Input, OutBuf, Wire};

pub(crate) use canary::broken;
pub(crate) use connection::Connection;

/// A hash map whose order is the same in every run.
pub type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;
