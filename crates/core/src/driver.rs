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
//! 9. A new connection, accepted, connected or adopted, does not read until `read(token, true)`.
//! 10. An adopted connection ([`Open::Adopt`]) is connected from the beginning: no `Connected` is told. With [`Ends::Two`]
//!     `close(Write)` closes the writing end and nothing else. Where nothing can be read, or one descriptor cannot be
//!     closed in one direction only (a terminal), `Eof` follows `close(Write)`, so that nobody waits for more. What is
//!     sent where nothing can be written fails with `BrokenPipe`, as does writing where the reader has gone; that is
//!     told while reading is on, too, where nothing can be read. `close(Abort)` resets sockets only.
//! 11. [`OutBuf::first_descriptors`] leave with the next byte, and no byte beyond [`OutBuf::undivided`] leaves with
//!     them. A connection that carries none fails with `Unsupported`.
//! 12. A UDP socket is a token like the others, for `read` and `close(Abort)`. Nothing that the network says of a
//!     datagram ends it: that is [`Event::Undelivered`], and reading goes on. `Failed` means that the system cannot
//!     receive; reading is off, and the loop calls `read(token, true)` after a pause.
//! 13. `send_to` takes whole pieces from the front of the [`Outbox`], in order; one that the system refuses is taken
//!     too ([`Outbox::discard`]), and told as `Undelivered`. A driver that leaves some tells `Sent` once when there is
//!     room. A completion driver copies what it takes, bounds by itself how much is in flight, and counts as sent what
//!     it has taken.
//! 14. Datagrams may be lost, doubled and in any order; one comes whole or not at all, and those of one piece
//!     ([`Datagram::stride`]) have one sender, one destination and one ECN. Of UNIX sockets none is lost, doubled or
//!     overtaken. Where the receiver is full, a socket with a peer leaves them in the outbox until there is room; one
//!     without refuses them (`WouldBlock`), since whoever does not read must not hold up what is for others.
//! 15. [`Host::spawn`] starts a process, and the driver of the same machine sees to its end by itself: it tells
//!     [`Event::Exited`] once, and by then the process is reaped, so that its number may be used again. A readiness driver
//!     watches a descriptor of the process (pidfd, EVFILT_PROC), a completion driver has a poll of it or a `waitid` in
//!     flight from the next `wait` on. Until `Exited` was told [`Host::signal`] reaches this process and no other. The
//!     exit and the ends of the pipes come in any order. When a driver is dropped, what is left of its processes is
//!     killed, and reaped without anybody waiting.

pub use crate::process::spawn::{Child, Descriptor, Grouping, Spawn, TERMINAL, Window};
use crate::{Addr, Datagram, ExitStatus, Outbox, Signal, SocketOption, UdpOption};
use std::{
    fs::File,
    io,
    net::SocketAddr,
    ops::Range,
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
    task::Waker,
    time::{Instant, SystemTime},
};
use trenza_wire::OutBuf;

/// Names a connection, listener or UDP socket of a driver. The index is small and dense, so that the loop's table is a
/// vector; the generation tells a late event for a former owner of the index apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// The place in the table: dense from 0 on, and for a driver that is made of two also from [`SECOND`] on. From 2 to the
    /// 31st on are connections in memory.
    pub index: u32,
    /// How often the place was given out before. Drivers keep it within 24 bits.
    pub generation: u32,
}

/// Where the second range of indices begins, for a driver that has another one beside it: each counts its own places.
pub const SECOND: u32 = 1 << 30;

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
    /// Receives datagrams on a socket that [`Host::bind_udp`] made, and sends from it. Receiving starts with
    /// `read(token, true)`.
    Datagrams(Bound),
    /// Takes over what is connected already; see contract 10.
    Adopt(Ends),
    /// Takes over a connection that another loop has accepted and [released](Driver::release), with this end's address.
    Accepted(Socket, Addr),
    /// Watches a descriptor for somebody else, who reads and writes it. Watching starts with `read(token, true)`, ends
    /// with each [`Event::Ready`], and starts again with the next `read(token, true)`.
    Watch(Socket, Interest),
}

/// What somebody wants to know of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interest {
    /// When it can be read, or has ended or failed.
    pub read: bool,
    /// When it can be written, or has failed.
    pub write: bool,
}

impl Interest {
    /// Reading.
    pub const READ: Self = Self { read: true, write: false };
    /// Writing.
    pub const WRITE: Self = Self { read: false, write: true };
    /// Both.
    pub const BOTH: Self = Self { read: true, write: true };
}

/// What a watched descriptor is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ready {
    /// Reading does not block.
    pub read: bool,
    /// Writing does not block.
    pub write: bool,
}

/// The descriptors of a stream that is connected already: a socket, pipes, a terminal, files.
///
/// The system's driver uses each by what it is. Sockets are received from and sent to, and closed with FIN or RST; all
/// else is read and written. Regular files, and devices that no poller takes, count as always ready, and have their turn
/// like others; while the disk is read or written the loop waits.
///
/// To be used by a loop a descriptor must not block, and that property is shared with every copy of it, in other
/// processes too. Sockets are made so. Of pipes and terminals Linux gives an opening of our own, so that the shell
/// whose terminal it is notices nothing; where it does not (other systems, a terminal that belongs to another user, the
/// control end of a pseudo terminal) the descriptor itself is changed.
#[derive(Debug)]
pub enum Ends {
    /// One descriptor for both directions.
    One(Socket),
    /// A descriptor for each direction, one of which may be missing.
    Two {
        /// Where bytes come from.
        read: Option<Socket>,
        /// Where bytes go.
        write: Option<Socket>,
    },
}

impl Ends {
    /// One descriptor for both directions: a connected socket, a terminal.
    pub fn one(descriptor: impl Into<OwnedFd>) -> Self {
        Self::One(Socket::Descriptor(descriptor.into()))
    }

    /// A descriptor for each direction.
    pub fn two(read: impl Into<OwnedFd>, write: impl Into<OwnedFd>) -> Self {
        let [read, write] = [read.into(), write.into()].map(Socket::Descriptor).map(Some);
        Self::Two { read, write }
    }

    /// A descriptor that is only read. The connection can write nothing.
    pub fn reading(descriptor: impl Into<OwnedFd>) -> Self {
        Self::Two { read: Some(Socket::Descriptor(descriptor.into())), write: None }
    }

    /// A descriptor that is only written. The connection receives nothing; that the reader has gone ends it with
    /// `BrokenPipe`.
    pub fn writing(descriptor: impl Into<OwnedFd>) -> Self {
        Self::Two { read: None, write: Some(Socket::Descriptor(descriptor.into())) }
    }
}

impl<D: Into<OwnedFd>> From<D> for Ends {
    /// As [`Ends::one`].
    fn from(descriptor: D) -> Self {
        Self::one(descriptor)
    }
}

/// A socket that is bound but not served yet.
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
    /// What carries it.
    pub ends: Ends,
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

/// Which of the sockets that a service manager has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedOver<'a> {
    /// By its number, from 0 on.
    Index(usize),
    /// The first of that name which was not taken yet.
    Name(&'a str),
}

/// How to bind a listening stream socket.
#[derive(Debug, Clone)]
pub struct Bind {
    /// The address, of TCP or UNIX; port 0 takes any free one.
    pub addr: Addr,
    /// With `addr` the IPv6 wildcard: accept IPv4 as well.
    pub dual_stack: bool,
    /// With `addr` a path: the permissions of its file, or what the process's umask leaves of all.
    pub mode: Option<u32>,
    /// How many connections the system holds before they are accepted.
    pub backlog: i32,
}

/// How to bind a datagram socket.
#[derive(Debug, Clone)]
pub struct BindUdp {
    /// The address, of UDP or UNIX; port 0 takes any free one, [`UnixAddr::Unnamed`](crate::UnixAddr::Unnamed) none.
    pub addr: Addr,
    /// With `addr` the IPv6 wildcard: IPv4 as well.
    pub dual_stack: bool,
    /// Others that say so too may bind the same address.
    pub reuse: bool,
    /// With `addr` a path: the permissions of its file, or what the process's umask leaves of all.
    pub mode: Option<u32>,
    /// The only peer, of a socket that has one.
    pub to: Option<Addr>,
}

impl BindUdp {
    /// Nothing but an address.
    pub fn at(addr: impl Into<Addr>) -> Self {
        Self { addr: addr.into(), dual_stack: false, reuse: false, mode: None, to: None }
    }
}

/// How to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Sends FIN; reading goes on.
    Write,
    /// Closes both directions and gives the token back. Unread bytes are thrown away first, since they would make a reset
    /// of it.
    Graceful,
    /// Like that, but nobody looks for unread bytes: the far end has ended, or has said that it sends no more.
    Drained,
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
    /// A process that [`Host::spawn`] has started has exited, and was reaped.
    Exited {
        /// The process.
        pid: u32,
        /// How it has exited.
        status: ExitStatus,
    },
    /// The connection is broken, a listener could not accept, or a UDP socket not receive.
    Failed {
        /// The connection, listener or UDP socket.
        token: Token,
        /// Why.
        error: io::Error,
    },
    /// A descriptor came over a UNIX socket. It is told before the byte that it was sent with.
    Descriptor {
        /// The connection.
        token: Token,
        /// It is closed in programs that are started.
        descriptor: OwnedFd,
    },
    /// A watched descriptor is ready. It is told once after each `read(token, true)`.
    Ready {
        /// The watch.
        token: Token,
        /// For what.
        ready: Ready,
    },
    /// A datagram came.
    Datagram {
        /// The UDP socket.
        token: Token,
        /// What came; the bytes are the driver's again at the following `next`.
        datagram: Datagram<'a>,
    },
    /// The system or the network refused a datagram.
    Undelivered {
        /// The UDP socket.
        token: Token,
        /// Where it was sent to, if that is known.
        to: Option<Addr>,
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
    /// Turns receiving (of a listener: accepting) on or off. A listener that accepts already and is told so again looks
    /// whether anybody waits: where several loops share it, the system may have told one that did not take them.
    fn read(&mut self, token: Token, on: bool);
    /// Takes what it can from `out`. Errors come as [`Event::Failed`].
    fn send(&mut self, token: Token, out: &mut OutBuf);
    /// Takes what it can from `out`, the datagrams of a UDP socket. Errors come as [`Event::Undelivered`].
    fn send_to(&mut self, token: Token, out: &mut Outbox);
    /// Sets an option of a UDP socket.
    ///
    /// # Errors
    /// What the system says; `Unsupported` where it has no such option.
    fn set_udp_option(&mut self, token: Token, option: &UdpOption) -> io::Result<()>;
    /// Sets an option of a connection.
    ///
    /// # Errors
    /// `Unsupported` where it has no such option, or what the system says.
    fn set_option(&mut self, token: Token, option: SocketOption) -> io::Result<()>;
    /// Closes; see [`Close`].
    fn close(&mut self, token: Token, how: Close);
    /// Gives up a connection that was accepted and of which the loop has asked nothing yet, so that another loop can open
    /// it with [`Open::Accepted`]. The token is gone. None: nothing has changed, since it is not as new, or there are no
    /// other loops for such a driver.
    fn release(&mut self, _token: Token) -> Option<Socket> {
        None
    }
    /// How many of the bytes that have left the [`OutBuf`] the system still holds because the peer did not take them;
    /// 0 where a driver cannot tell. The loop asks when a send left bytes behind and when a time is over: a peer that
    /// reads slowly makes this smaller long before there is room again.
    fn held(&mut self, token: Token) -> usize;
    /// Waits for events until the given time (None: without end), or until woken.
    ///
    /// # Errors
    /// The system's poller is broken; the loop ends.
    fn wait(&mut self, until: Option<Instant>) -> io::Result<()>;
    /// The next event of the last wait.
    fn next(&mut self) -> Option<Event<'_>>;
    /// When a `wait` ends for the driver's own sake, with or without an event; whoever waits on
    /// [`Driver::descriptor`] calls by then. None: not for its own sake.
    fn until(&self) -> Option<Instant>;
    /// Ends a `wait` from any thread, also one that begins later.
    fn waker(&self) -> Waker;
    /// A descriptor that is readable while a `wait` would return at once, as far as that was so after the last `wait`
    /// or because of the system or the waker since. None: there is none.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
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
    /// Binds a listening stream socket.
    ///
    /// # Errors
    /// What the system says: the address is taken, not ours, or not permitted.
    fn bind(&self, how: &Bind) -> io::Result<Bound>;
    /// Binds a datagram socket, of UDP or UNIX.
    ///
    /// # Errors
    /// What the system says: the address is taken, not ours, or not permitted; there is no way to its peer; nobody is
    /// bound to its peer's UNIX address.
    fn bind_udp(&self, how: &BindUdp) -> io::Result<Bound>;
    /// Tells the address of a socket that somebody else bound, and makes it ready to be served.
    ///
    /// # Errors
    /// It is not a listening stream socket.
    fn adopt(&self, socket: OwnedFd) -> io::Result<Bound>;
    /// Takes a listening socket that a service manager has opened for this process (socket activation). Each can be
    /// taken once.
    ///
    /// # Errors
    /// `NotFound`: nothing was handed over, or not that; the error says what was. `ResourceBusy`: it was taken before.
    fn handed_over(&self, which: HandedOver<'_>) -> io::Result<Bound> {
        let _ = which;
        Err(io::Error::new(io::ErrorKind::NotFound, "no socket was handed over"))
    }
    /// The far end's and this end's address of a connected stream socket; None where it is none, or has no addresses.
    fn addresses(&self, _socket: &Socket) -> Option<(Addr, Addr)> {
        None
    }
    /// Takes over a descriptor that the program was started with.
    ///
    /// # Errors
    /// There is none of that number that may be taken: it is not open, was taken before, or is the program's own.
    fn inherited(&self, _number: i32) -> io::Result<OwnedFd> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there are no descriptors here"))
    }
    /// Takes over standard input and output. From then on what else reads the one finds its end, and what else is
    /// written to the other is dropped, so that it does not get into the connection.
    ///
    /// # Errors
    /// They were taken before, or cannot be copied.
    fn stdio(&self) -> io::Result<Ends>;
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
    /// Starts a program. Its pipes are ours to open, as [`Open::Adopt`]; all our ends are closed in every other program
    /// that is started, and the child has what [`Spawn::descriptors`] says and nothing else.
    ///
    /// # Errors
    /// There is no such program or directory, it may not be run, or not so, or there is no room for one more. Nothing
    /// was started then.
    fn spawn(&self, how: Spawn) -> io::Result<Child> {
        let _ = how;
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system starts no programs"))
    }
    /// Sends a signal to a process that was started here, or to the whole group that it leads.
    ///
    /// # Errors
    /// `NotFound`: it has exited. The system does not permit it, or has no such signal.
    fn signal(&self, pid: u32, signal: Signal, group: bool) -> io::Result<()> {
        let _ = (pid, signal, group);
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system starts no programs"))
    }
    /// Reads a range of a file, all of it, if nobody has to wait for a disk meanwhile. None: somebody would, or the
    /// system cannot tell, or the file is shorter; then it is read on the thread pool.
    fn read_cached(&self, _file: &File, _range: &Range<u64>) -> Option<Vec<u8>> {
        None
    }
    /// The name service.
    fn resolver(&self) -> Resolve;
}
