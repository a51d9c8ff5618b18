//! [`PollDriver`]: the driver over readiness, on every system that the crate `polling` knows.

use crate::{
    SystemHost,
    listener::{self, ACCEPTS_MAX, Listener, Refusal, Reserve},
    slots::{self, Slots},
    socket::{self, Socket, State},
    stream,
};
use polling::{Events, Poller};
use rustix::net::Shutdown;
use socket2::SockRef;
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    os::fd::{AsFd, BorrowedFd},
    rc::Rc,
    sync::Arc,
    task::{Wake, Waker},
    time::{Duration, Instant},
};
use trenza_core::{
    Addr,
    driver::{self, Bound, Close, Driver, Established, Event, Host, Open, Token},
};
use trenza_wire::OutBuf;

/// What one receive can bring. The buffer is shared by all connections; one that is idle has none.
const BUFFER_BYTES: usize = 64 * 1024;

/// Moves bytes over the sockets of the operating system, told by its poller (epoll, kqueue and their kind, in
/// level mode) which of them are ready.
///
/// - A connection is received from once for each time it is ready, and then the others have their turn; sends
///   are tried at once, and the poller is asked for room only when one was short.
/// - The poller is told what changed once before each wait. A connection of which nothing is wanted, paused or
///   ended, is not in the poller at all: what happens to it is told when it is read or written again.
/// - File ranges leave by `sendfile` where there is one. Files that are not in memory block the loop while the
///   disk is read.
/// - Nothing is sent before [`Event::Connected`].
///
/// `sendfile` to a peer that is gone raises SIGPIPE unless the program ignores it. Rust's runtime does; where
/// `main` is not Rust's, the host program has to.
#[derive(Debug)]
pub struct PollDriver {
    poller: Arc<Poller>,
    waker: Waker,
    host: Rc<SystemHost>,
    sockets: Slots<Socket>,
    /// By index of their token.
    listeners: BTreeMap<u32, Listener>,
    /// Those that the poller may have to be told about.
    changed: Vec<Token>,
    events: Events,
    /// The last harvest, as far as it was not handed out.
    ready: VecDeque<Ready>,
    /// Errors found outside of `next`.
    failures: VecDeque<(Token, io::Error)>,
    /// What was received; between events, the scratch space of sends.
    buffer: Box<[u8]>,
    reserve: Reserve,
}

/// A harvested event.
#[derive(Debug)]
struct Ready {
    token: Token,
    write: bool,
    /// How many receives or accepts it is good for.
    reads: u32,
}

/// What a step came to: an event whose bytes, if any, are still in the buffer.
enum Step {
    Received(Token, usize),
    Event(Event<'static>),
}

struct Alarm(Arc<Poller>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The poller remembers that it was notified, so a second call is one atomic operation. It fails only
        // when its own descriptor is broken, and then the wait fails as well.
        let _ = self.0.notify();
    }
}

impl PollDriver {
    /// Makes a driver with nothing in it.
    ///
    /// # Errors
    /// The system has no descriptor left for the poller, or no poller.
    pub fn new() -> io::Result<Self> {
        let poller = Arc::new(Poller::new()?);
        Ok(Self {
            waker: Waker::from(Arc::new(Alarm(poller.clone()))),
            poller,
            host: Rc::new(SystemHost::new()),
            sockets: Slots::new(),
            listeners: BTreeMap::new(),
            changed: Vec::new(),
            events: Events::new(),
            ready: VecDeque::new(),
            failures: VecDeque::new(),
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            reserve: Reserve::new()?,
        })
    }

    fn listen(&mut self, bound: Bound) -> io::Result<Token> {
        let driver::Socket::Descriptor(fd) = bound.socket else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a simulated socket on a real system"));
        };
        socket::tune(&fd)?;
        let token = self.sockets.insert(Socket::new(fd, State::Listening))?;
        self.listeners.insert(token.index, Listener::new(bound.addr));
        Ok(token)
    }

    /// Changes a socket, and remembers it for the poller if something else is wanted of it now.
    fn change(&mut self, token: Token, change: impl FnOnce(&mut Socket)) {
        let Some(socket) = self.sockets.get_mut(token) else { return };
        change(socket);
        if socket.is_stale() && !socket.listed {
            socket.listed = true;
            self.changed.push(token);
        }
    }

    /// Tells the poller of all changes since the last wait.
    fn settle(&mut self) {
        for token in self.changed.drain(..) {
            let Some(socket) = self.sockets.get_mut(token) else { continue };
            socket.listed = false;
            if let Err(error) = socket.show(&self.poller, token) {
                socket.hide(&self.poller);
                self.failures.push_back((token, error));
            }
        }
    }

    fn harvest(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.events.clear();
        match until {
            Some(until) => self.poller.wait_deadline(&mut self.events, until)?,
            None => self.poller.wait(&mut self.events, None::<Duration>)?,
        };
        for event in self.events.iter() {
            let token = slots::token(event.key);
            let listens = self.sockets.get_mut(token).is_some_and(|socket| socket.state == State::Listening);
            let reads = if listens { ACCEPTS_MAX } else { u32::from(event.readable) };
            self.ready.push_back(Ready { token, write: event.writable, reads });
        }
        Ok(())
    }

    /// Goes on until there is an event. Each readiness is good for one event, and then what is left of it goes
    /// behind the others.
    fn step(&mut self) -> Option<Step> {
        while let Some((token, error)) = self.failures.pop_front() {
            if let Some(event) = self.fail(token, error) {
                return Some(Step::Event(event));
            }
        }
        while let Some(Ready { token, write, reads }) = self.ready.pop_front() {
            if write && let Some(event) = self.writable(token) {
                if reads > 0 {
                    self.ready.push_back(Ready { token, write: false, reads });
                }
                return Some(Step::Event(event));
            }
            if reads > 0
                && let Some(step) = self.readable(token, reads)
            {
                return Some(step);
            }
        }
        None
    }

    fn writable(&mut self, token: Token) -> Option<Event<'static>> {
        let socket = self.sockets.get_mut(token)?;
        if socket.state == State::Connecting {
            return match stream::connected(&socket.fd) {
                Ok(local) => {
                    self.change(token, |socket| socket.state = State::Open);
                    Some(Event::Connected { token, result: Ok(local) })
                }
                Err(error) => self.fail(token, error),
            };
        }
        if !socket.writing || socket.state == State::Broken {
            return None;
        }
        self.change(token, |socket| socket.writing = false);
        Some(Event::Sent { token, bytes: 0 })
    }

    fn readable(&mut self, token: Token, reads: u32) -> Option<Step> {
        let socket = self.sockets.get_mut(token)?;
        if !socket.reading {
            return None;
        }
        match socket.state {
            State::Listening => return self.accept(token, reads).map(Step::Event),
            State::Open => {}
            State::Connecting | State::Ended | State::Broken => return None,
        }
        match stream::receive(socket.fd.as_fd(), &mut self.buffer) {
            Ok(None) => None,
            Ok(Some(0)) => {
                self.change(token, |socket| socket.state = State::Ended);
                Some(Step::Event(Event::Eof { token }))
            }
            Ok(Some(received)) => Some(Step::Received(token, received)),
            Err(error) => self.fail(token, error).map(Step::Event),
        }
    }

    fn accept(&mut self, on: Token, reads: u32) -> Option<Event<'static>> {
        for left in (0..reads).rev() {
            let socket = self.sockets.get_mut(on)?;
            let error = match listener::accept(socket.fd.as_fd()) {
                Ok((fd, remote)) => {
                    let local = self.listeners.get(&on.index)?.local(&fd);
                    match self.sockets.insert(Socket::new(fd, State::Open)) {
                        Ok(new) => {
                            self.ready.push_back(Ready { token: on, write: false, reads: left });
                            return Some(Event::Accepted { on, new, remote: remote.into(), local });
                        }
                        Err(error) => error,
                    }
                }
                Err(Refusal::Gone) => continue,
                Err(Refusal::Empty) => return None,
                Err(Refusal::Descriptors(error)) => {
                    self.reserve.shed(&socket.fd);
                    error
                }
                Err(Refusal::Other(error)) => error,
            };
            return self.fail(on, error);
        }
        None
    }

    /// The event that tells of an error, once. A listener is only turned off; a connection is over.
    fn fail(&mut self, token: Token, error: io::Error) -> Option<Event<'static>> {
        match self.sockets.get_mut(token)?.state {
            State::Listening => self.change(token, |socket| socket.reading = false),
            State::Connecting => {
                self.remove(token);
                return Some(Event::Connected { token, result: Err(error) });
            }
            State::Open | State::Ended => self.change(token, |socket| socket.state = State::Broken),
            State::Broken => return None,
        }
        Some(Event::Failed { token, error })
    }

    /// Takes a socket out of everything; it is closed when it is dropped.
    fn remove(&mut self, token: Token) -> Option<Socket> {
        let mut socket = self.sockets.remove(token)?;
        socket.hide(&self.poller);
        if socket.state == State::Listening {
            self.listeners.remove(&token.index);
        }
        Some(socket)
    }
}

impl Driver for PollDriver {
    fn host(&self) -> Rc<dyn Host> {
        self.host.clone()
    }

    fn open(&mut self, what: Open) -> io::Result<Token> {
        match what {
            Open::Listen(bound) => self.listen(bound),
            Open::Connect { to: Addr::Ip(to), from } => {
                let from = match from {
                    Some(Addr::Ip(from)) => Some(from),
                    Some(_) => return Err(io::ErrorKind::InvalidInput.into()),
                    None => None,
                };
                let fd = stream::connect(to, from)?;
                let token = self.sockets.insert(Socket::new(fd, State::Connecting))?;
                self.change(token, |_| ());
                Ok(token)
            }
            Open::Adopt(Established { socket: driver::Socket::Descriptor(fd), .. }) => {
                self.sockets.insert(Socket::new(fd, State::Open))
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn read(&mut self, token: Token, on: bool) {
        self.change(token, |socket| socket.reading = on);
    }

    fn send(&mut self, token: Token, out: &mut OutBuf) {
        let Some(socket) = self.sockets.get_mut(token) else { return };
        if !socket.may_send() {
            return;
        }
        match stream::send(socket.fd.as_fd(), out, &mut self.buffer) {
            Ok(true) => {}
            Ok(false) => self.change(token, |socket| socket.writing = true),
            Err(error) => self.failures.push_back((token, error)),
        }
    }

    fn close(&mut self, token: Token, how: Close) {
        if how == Close::Write {
            let Some(socket) = self.sockets.get_mut(token) else { return };
            // It fails when the peer has reset the connection, which the next read or send tells.
            let _ = rustix::net::shutdown(&socket.fd, Shutdown::Write);
            return;
        }
        let Some(socket) = self.remove(token) else { return };
        if how == Close::Abort && socket.state != State::Listening {
            // Without it the system still tries to deliver what it was given, which does no harm.
            let _ = SockRef::from(&socket.fd).set_linger(Some(Duration::ZERO));
        }
    }

    fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.settle();
        if !self.failures.is_empty() {
            // Nobody may wait on the descriptor until they were told.
            self.waker.wake_by_ref();
            return Ok(());
        }
        if !self.ready.is_empty() {
            return Ok(());
        }
        self.harvest(until)
    }

    fn next(&mut self) -> Option<Event<'_>> {
        match self.step()? {
            Step::Received(token, received) => {
                let data = self.buffer.get_mut(..received)?;
                Some(Event::Received { token, data })
            }
            Step::Event(event) => Some(event),
        }
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.poller.as_fd())
    }
}

impl Drop for PollDriver {
    fn drop(&mut self) {
        for socket in self.sockets.values_mut() {
            socket.hide(&self.poller);
        }
    }
}
