//! What the loop needs of a system, real or simulated: [`Driver`] and [`Host`].
//!
//! The abstraction is the *connection*: what the loop wants of it (read, send, close) and what
//! happened to it ([`Event`]). It is neither "this descriptor is readable" nor one object per
//! system call, so that readiness (epoll, kqueue), completion (io_uring) and simulation fit alike.
//!
//! ```text
//!            open read send close            next
//!   loop  ─────────────────────────▶ driver ──────▶ loop
//!            wait(until)                    Event
//! ```
//!
//! # Contracts
//!
//! 1. `close(Write)` and `close(Graceful)` come only when the connection's [`OutBuf`] is empty, lent
//!    bytes included. `close(Abort)` may come at any time.
//! 2. After `close(Graceful | Abort)` no event names the token again, at once. A driver may keep its
//!    slot longer, and gives the index out again only afterwards, with another generation.
//! 3. `wait` returns at once, without a new harvest, while events of the last one are left. It runs no code of the
//!    user's: bytes with an owner that have left are dropped in `next`. While a driver drops them, the [`Host`] answers.
//! 4. The bytes of [`Event::Received`] are the driver's again at the following `next`.
//! 5. After `Eof` or `Failed` reading is off. `Failed` on a listener is an accept error: the loop
//!    calls `read(token, true)` after a pause.
//! 6. [`Event::Sent`] carries 0 from a readiness driver ("room again"), and the number of lent bytes
//!    that left from a completion driver. Bytes that a driver sends within `send` it advances there,
//!    with no event. A driver tells `Sent` once after a `send` that left bytes queued or lent.
//! 7. A `Received`, `Eof` or `Accepted` may still come after `read(token, false)`; a reset may come as `Failed` instead of
//!    `Eof`; any split and any interleaving of connections is possible. The simulator does all of it.
//! 8. `send` takes nothing before `Connected`, after `Failed`, and while a `Sent` is owed.
//! 9. A new connection, accepted or connected, does not read until `read(token, true)`.

use crate::Addr;
use std::{
    io,
    net::SocketAddr,
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
    task::Waker,
    time::{Instant, SystemTime},
};
use trenza_wire::OutBuf;

/// Names a connection or listener of a driver. The index is small and dense, so that the loop's table is a
/// vector; the generation tells a late event for a former owner of the index apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// The place in the table.
    pub index: u32,
    /// How often the place was given out before. Drivers keep it within 24 bits.
    pub generation: u32,
}

/// What to open.
#[derive(Debug)]
#[non_exhaustive]
pub enum Open {
    /// Accepts connections on a socket that [`Host::bind`] made. Accepting starts with `read(token, true)`.
    Listen(Bound),
    /// Starts a connection; [`Event::Connected`] tells how it went.
    Connect {
        /// Where to.
        to: Addr,
        /// The local address to connect from, or the system's choice.
        from: Option<Addr>,
    },
    /// Takes over a connection that somebody else made. It is connected at once, without an event.
    Adopt(Established),
}

/// A listening socket that is bound but not served yet.
#[derive(Debug)]
pub struct Bound {
    /// The address it got.
    pub addr: Addr,
    /// The socket.
    pub socket: Socket,
}

/// A connection that somebody else made, and that nobody serves yet.
#[derive(Debug)]
pub struct Established {
    /// The far end's address.
    pub remote: Addr,
    /// This end's address.
    pub local: Addr,
    /// The socket, which does not block.
    pub socket: Socket,
}

/// Who holds a socket.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// The system.
    Descriptor(OwnedFd),
    /// A simulated network, by its own number.
    Simulated(u64),
}

/// How to bind a listening TCP socket.
#[derive(Debug, Clone)]
pub struct Bind {
    /// The address; port 0 takes any free one.
    pub addr: SocketAddr,
    /// With `addr` the IPv6 wildcard: accept IPv4 as well.
    pub dual_stack: bool,
    /// How many connections the system holds before they are accepted.
    pub backlog: i32,
}

/// How to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Sends FIN; reading goes on.
    Write,
    /// Closes both directions and gives the token back.
    Graceful,
    /// Sends RST, drops what was lent and gives the token back.
    Abort,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A listener has a new connection.
    Accepted {
        /// The listener.
        on: Token,
        /// The connection.
        new: Token,
        /// The far end's address.
        remote: Addr,
        /// This end's address.
        local: Addr,
    },
    /// A connect has ended. After an error the token is gone.
    Connected {
        /// The connection.
        token: Token,
        /// This end's address.
        result: io::Result<Addr>,
    },
    /// Bytes came. They may be changed in place.
    Received {
        /// The connection.
        token: Token,
        /// At least one byte.
        data: &'a mut [u8],
    },
    /// The peer has sent FIN.
    Eof {
        /// The connection.
        token: Token,
    },
    /// Bytes have left, or there is room again.
    Sent {
        /// The connection.
        token: Token,
        /// Of the lent ones; 0 from a readiness driver.
        bytes: usize,
    },
    /// The connection is broken, or a listener could not accept.
    Failed {
        /// The connection or listener.
        token: Token,
        /// Why.
        error: io::Error,
    },
}

/// A system that moves bytes: the operating system's or a simulated one. Used by one loop, on one thread.
pub trait Driver {
    /// The part that handles may ask at any time.
    fn host(&self) -> std::rc::Rc<dyn Host>;
    /// Opens a connection or listener.
    ///
    /// # Errors
    /// The system refused at once (out of descriptors, no route). No token was given out.
    fn open(&mut self, what: Open) -> io::Result<Token>;
    /// Turns receiving (of a listener: accepting) on or off.
    fn read(&mut self, token: Token, on: bool);
    /// Takes what it can from `out`. Errors come as [`Event::Failed`].
    fn send(&mut self, token: Token, out: &mut OutBuf);
    /// Closes; see [`Close`].
    fn close(&mut self, token: Token, how: Close);
    /// Waits for events until the given time (None: without end), or until woken.
    ///
    /// # Errors
    /// The system's poller is broken; the loop ends.
    fn wait(&mut self, until: Option<Instant>) -> io::Result<()>;
    /// The next event of the last wait.
    fn next(&mut self) -> Option<Event<'_>>;
    /// Ends a `wait` from any thread, also one that begins later.
    fn waker(&self) -> Waker;
    /// A descriptor that is readable while a `wait` would return at once, as far as that was so after the last `wait`
    /// or because of the system or the waker since. None: there is none.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A blocking piece of work for the thread pool.
pub type Job = Box<dyn FnOnce() + Send>;

/// As many jobs wait for a thread of the pool as may: what [`Reactor::in_thread`](crate::Reactor::in_thread) and
/// [`Reactor::lookup`](crate::Reactor::lookup) answer then. Nothing was begun; later there may be room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the thread pool is full: {waiting} jobs wait for a thread already")]
pub struct PoolFull {
    /// How many wait.
    pub waiting: usize,
}

impl From<PoolFull> for io::Error {
    fn from(full: PoolFull) -> Self {
        Self::new(io::ErrorKind::QuotaExceeded, full)
    }
}

/// Looks names up; it may block, so it is called on the pool.
pub type Resolve = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// What the loop and all handles may ask of the machine at any time: it answers at once and calls nobody back.
pub trait Host {
    /// Monotonic time.
    fn now(&self) -> Instant;
    /// The wall clock.
    fn wall(&self) -> SystemTime;
    /// Fills `into` with random bytes, fit for secrets on a real system.
    fn random(&self, into: &mut [u8]);
    /// Binds a listening TCP socket.
    ///
    /// # Errors
    /// What the system says: the address is taken, not ours, or not permitted.
    fn bind(&self, how: &Bind) -> io::Result<Bound>;
    /// Tells the address of a socket that somebody else bound, and makes it ready to be served.
    ///
    /// # Errors
    /// It is not a listening stream socket.
    fn adopt(&self, socket: OwnedFd) -> io::Result<Bound>;
    /// Runs a job on the thread pool.
    ///
    /// # Errors
    /// `QuotaExceeded` with a [`PoolFull`] in it: the pool's queue is full. Or no thread can be started. The job is
    /// dropped.
    fn run(&self, job: Job) -> io::Result<()>;
    /// Runs a job that asks the name service. Where name servers are slow it needs threads of its own: neither waits
    /// behind the other.
    ///
    /// # Errors
    /// Those of [`Host::run`].
    fn run_lookup(&self, job: Job) -> io::Result<()> {
        self.run(job)
    }
    /// The name service.
    fn resolver(&self) -> Resolve;
}
