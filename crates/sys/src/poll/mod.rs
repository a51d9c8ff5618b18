//! [`PollDriver`]: the driver over readiness, on every system that has a poller.

mod step;

pub(crate) use step::Step;

use crate::{
    SystemHost,
    adopted::{Adopted, Writer},
    carried::Parcel,
    datagram::{self, Family, Mail},
    listener::{Listener, Reserve},
    poller::{Interest, Poller, Readiness, is_never_polled},
    rest::{REST, Rests, is_short_of_memory},
    slots::Slots,
    socket::{self, Kind, Socket, State, Ways},
    stream,
    unix::SocketFile,
};
use socket2::SockRef;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    rc::Rc,
    sync::Arc,
    task::Waker,
    thread,
    time::{Duration, Instant},
};
use step::Ready;
use trenza_core::{
    Addr, ExitStatus, Outbox, SocketOption, UdpOption,
    driver::{self, Bound, Close, Driver, Event, Host, Open, Token},
};
use trenza_wire::OutBuf;

/// What one receive can bring, as over io_uring. The buffer is shared by all connections; one that is idle has none, and
/// what no receive has filled takes no memory.
pub(crate) const BUFFER_BYTES: usize = 256 * 1024;

/// How many bytes are received for a turn. What the loop writes in answer is still in the processor's cache when it is sent
/// at the turn's end: 1000 connections that echo 64 KiB each took 1.4 times as long where a turn was all of them.
const TURN_BYTES: usize = 256 * 1024;

/// Moves bytes over the sockets of the operating system, told by its poller (epoll, kqueue and their kind, in
/// level mode) which of them are ready.
///
/// - A connection is received from once for each time it is ready, and then the others have their turn; sends
///   are tried at once, and the poller is asked for room only when one was short.
/// - After 256 KiB the others wait for the next turn, which begins at once.
/// - The poller is told what changed once before each wait. A connection of which nothing is wanted, paused or
///   ended, is not in the poller at all: what happens to it is told when it is read or written again.
/// - File ranges leave by `sendfile` where there is one. Files that are not in memory block the loop while the
///   disk is read.
/// - Nothing is sent before [`Event::Connected`].
/// - A connection for which the system has no memory (ENOBUFS, ENOMEM) is not over: it is left alone for 10 ms and
///   then tried again.
///
/// What is adopted ([`Open::Adopt`]) is used by what it is; see [`Ends`](driver::Ends).
///
/// `sendfile` to a peer that is gone raises SIGPIPE unless the program ignores it. Rust's runtime does; where
/// `main` is not Rust's, the host program has to.
#[derive(Debug)]
pub struct PollDriver {
    poller: Poller,
    waker: Waker,
    host: Rc<SystemHost>,
    sockets: Slots<Socket>,
    /// By index of their token.
    listeners: BTreeMap<u32, Listener>,
    /// The files of sockets that are bound to a path, by index: each is removed while its socket is still bound.
    files: BTreeMap<u32, Arc<SocketFile>>,
    /// Writing ends apart from what is read, by index of their token.
    writers: BTreeMap<u32, Writer>,
    /// Those that no poller takes and that are always ready, by index.
    always: BTreeMap<u32, Token>,
    /// Those that were not made here, of whose descriptors there may be copies, by index.
    foreign: BTreeSet<u32>,
    /// Child processes that are watched, by index.
    processes: BTreeMap<u32, u32>,
    /// Child processes that a thread has seen exit.
    exited: VecDeque<(u32, ExitStatus)>,
    /// Those that nothing more can be read from, of which the loop has not heard.
    ended: VecDeque<Token>,
    parcel: Parcel,
    /// Those that the poller may have to be told about.
    changed: Vec<Token>,
    harvests: u64,
    /// The last harvest, as far as it was not handed out.
    ready: VecDeque<Ready>,
    /// How many bytes were received since the last wait.
    received: usize,
    /// Errors found outside of `next`.
    failures: VecDeque<(Token, io::Error)>,
    /// What was received; between events, the scratch space of sends.
    buffer: Box<[u8]>,
    /// What UDP sockets have received and heard.
    mail: Mail,
    reserve: Reserve,
    rests: Rests,
}

impl PollDriver {
    /// Makes a driver with nothing in it.
    ///
    /// # Errors
    /// The system has no descriptor left for the poller, or no poller.
    pub fn new() -> io::Result<Self> {
        Self::with_host(SystemHost::new())
    }

    pub(crate) fn with_host(host: SystemHost) -> io::Result<Self> {
        let poller = Poller::new()?;
        let waker = poller.waker();
        host.children().set_waker(waker.clone());
        Ok(Self {
            waker,
            poller,
            host: Rc::new(host),
            sockets: Slots::new(),
            listeners: BTreeMap::new(),
            files: BTreeMap::new(),
            writers: BTreeMap::new(),
            always: BTreeMap::new(),
            foreign: BTreeSet::new(),
            processes: BTreeMap::new(),
            exited: VecDeque::new(),
            ended: VecDeque::new(),
            parcel: Parcel::default(),
            changed: Vec::new(),
            harvests: 0,
            ready: VecDeque::new(),
            received: 0,
            failures: VecDeque::new(),
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            mail: Mail::default(),
            reserve: Reserve::new()?,
            rests: Rests::default(),
        })
    }

    fn listen(&mut self, bound: Bound) -> io::Result<Token> {
        let fd = descriptor(bound.socket)?;
        socket::tune_listener(&fd, &bound.addr)?;
        let token = self.sockets.insert(Socket::new(fd, State::Listening))?;
        self.own_file(token, &bound.addr);
        self.listeners.insert(token.index, Listener::new(bound.addr));
        Ok(token)
    }

    fn open_datagrams(&mut self, bound: Bound) -> io::Result<Token> {
        let fd = descriptor(bound.socket)?;
        let family = Family::of(&bound.addr, &fd);
        let token = self.sockets.insert(Socket::new(fd, State::Datagrams(family)))?;
        self.own_file(token, &bound.addr);
        Ok(token)
    }

    /// The file of a socket goes with it.
    fn own_file(&mut self, token: Token, addr: &Addr) {
        if let Some(file) = self.take_file(addr) {
            self.files.insert(token.index, file);
        }
    }

    /// The file that goes with a socket that was bound to a path by this driver's host.
    pub(crate) fn take_file(&self, addr: &Addr) -> Option<Arc<SocketFile>> {
        self.host.take_file(addr)
    }

    pub(crate) fn adopt(&mut self, adopted: Adopted) -> io::Result<Token> {
        let Adopted { fd, kind, ways, writer } = adopted;
        let token = self.sockets.insert(Socket::of_kind(fd, State::Open, kind, ways))?;
        self.foreign.insert(token.index);
        let always = kind == Kind::File || writer.as_ref().is_some_and(|writer| writer.kind == Kind::File);
        if always {
            self.always.insert(token.index, token);
        }
        if let Some(writer) = writer {
            self.writers.insert(token.index, writer);
        }
        Ok(token)
    }

    /// Watches those that were started since the last wait.
    fn watch_newborn(&mut self) {
        let host = self.host.clone();
        for (pid, fd) in host.children().take_newborn() {
            match self.sockets.insert(Socket::new(fd, State::Process)) {
                Ok(token) => {
                    self.processes.insert(token.index, pid);
                    self.change(token, |_| ());
                }
                Err(_) => host.children().wait_otherwise(pid),
            }
        }
    }

    /// The process that a token stands for may have exited.
    fn process_exited(&mut self, token: Token) -> Option<Event<'static>> {
        let pid = *self.processes.get(&token.index)?;
        let status = self.host.children().reap(pid)?;
        drop(self.remove(token));
        Some(Event::Exited { pid, status })
    }

    /// Changes a socket, and remembers it for the poller if something else is wanted of it now.
    fn change(&mut self, token: Token, change: impl FnOnce(&mut Socket)) {
        let Some(socket) = self.sockets.get_mut(token) else { return };
        change(socket);
        let writer = socket.ways == Ways::Apart;
        if (socket.is_stale() || writer) && !socket.listed {
            socket.listed = true;
            self.changed.push(token);
        }
    }

    /// Tells the poller of all changes since the last wait.
    fn settle(&mut self) {
        self.watch_newborn();
        let mut changed = std::mem::take(&mut self.changed);
        for token in changed.drain(..) {
            let Some(socket) = self.sockets.get_mut(token) else { continue };
            socket.listed = false;
            if let Err(error) = socket.show(&self.poller, token) {
                let is_device = socket.kind == Kind::Device;
                if is_never_polled(&error) && is_device {
                    socket.kind = Kind::File;
                    self.always.insert(token.index, token);
                } else {
                    socket.hide(&self.poller);
                    self.unshown(token, error);
                }
            }
            self.show_writer(token);
        }
        // Its memory is used again.
        changed.append(&mut self.changed);
        self.changed = changed;
    }

    /// Tells the poller what is wanted of a writing end of its own.
    fn show_writer(&mut self, token: Token) {
        let Some(socket) = self.sockets.get_mut(token).filter(|socket| socket.ways == Ways::Apart) else {
            return;
        };
        let Some(writer) = self.writers.get_mut(&token.index) else { return };
        let wants = socket.writing && !socket.resting && socket.state != State::Broken;
        let wanted = Interest::new(false, wants && writer.kind != Kind::File);
        let Err(error) = writer.watched.show(&writer.fd, wanted, &self.poller, token) else { return };
        if is_never_polled(&error) && writer.kind == Kind::Device {
            writer.kind = Kind::File;
            self.always.insert(token.index, token);
        } else {
            writer.watched.hide(&writer.fd, &self.poller);
            self.unshown(token, error);
        }
    }

    /// The poller could not be told what is wanted of a socket.
    fn unshown(&mut self, token: Token, error: io::Error) {
        if is_short_of_memory(&error) {
            self.rest(token);
        } else {
            self.failures.push_back((token, error));
        }
    }

    /// What is always ready has its turn at each wait, behind what the poller tells.
    fn always_ready(&mut self) -> Vec<Ready> {
        let mut all = Vec::new();
        for token in self.always.values().copied() {
            let Some(socket) = self.sockets.get_mut(token) else { continue };
            let writes = match socket.ways {
                Ways::Apart => self.writers.get(&token.index).is_some_and(|writer| writer.kind == Kind::File),
                _ => socket.kind == Kind::File,
            };
            let reads = socket.kind == Kind::File && !matches!(socket.ways, Ways::Write | Ways::Closed);
            let (read, write) = match socket.state {
                State::Watched => (socket.reading, socket.reading),
                State::Open => (reads && socket.reading, writes && socket.writing),
                _ => (false, writes && socket.writing && socket.state != State::Broken),
            };
            if read || write {
                all.push(Ready { token, write, reads: u32::from(read) });
            }
        }
        all
    }

    /// True when there is something that no poller tells of.
    pub(crate) fn is_always_ready(&mut self) -> bool {
        !self.always.is_empty() && !self.always_ready().is_empty()
    }

    /// Leaves a socket alone for a while, since the system has no memory for it.
    fn rest(&mut self, token: Token) {
        let resting = self.sockets.get_mut(token).is_none_or(|socket| socket.resting);
        if !resting {
            self.rests.add(token, Instant::now());
            self.change(token, |socket| socket.resting = true);
        }
    }

    /// Goes on with those that have rested.
    fn rouse(&mut self) {
        if self.rests.until().is_none() {
            return;
        }
        let now = Instant::now();
        while let Some(token) = self.rests.over(now) {
            self.change(token, |socket| socket.resting = false);
        }
    }

    fn harvest(&mut self, until: Option<Instant>) -> io::Result<()> {
        let always = if self.always.is_empty() { Vec::new() } else { self.always_ready() };
        let mut until = if always.is_empty() { until } else { Some(Instant::now()) };
        loop {
            match self.poller.wait(until) {
                Err(error) if is_short_of_memory(&error) => {}
                waited => break waited?,
            }
            // A waker may have been told meanwhile, which the poller forgets when it fails: the next wait ends at once.
            thread::sleep(REST);
            until = Some(Instant::now());
        }
        while let Some(exit) = self.host.children().next_exit() {
            self.exited.push_back(exit);
        }
        self.harvests += 1;
        for Readiness { token, read, write } in self.poller.ready() {
            let listens = self.sockets.get_mut(token).is_some_and(|socket| socket.state == State::Listening);
            let listener = if listens { self.listeners.get_mut(&token.index) } else { None };
            let reads = listener.map_or_else(|| u32::from(read), |listener| listener.accepts(self.harvests));
            self.ready.push_back(Ready { token, write, reads });
        }
        if !always.is_empty() {
            self.ready.extend(always);
            // They are ready again at the next wait.
            self.waker.wake_by_ref();
        }
        Ok(())
    }

    /// Tells the poller what has changed. True when there is something to tell without a look at it.
    pub(crate) fn prepare(&mut self) -> bool {
        self.received = 0;
        self.rouse();
        self.settle();
        let unseen = !self.failures.is_empty()
            || !self.ended.is_empty()
            || self.mail.is_waiting()
            || self.parcel.is_waiting();
        if unseen {
            // Nobody may wait on the descriptor until they were told.
            self.waker.wake_by_ref();
        }
        unseen || !self.ready.is_empty() || !self.exited.is_empty()
    }

    /// Looks what is ready, without waiting.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        self.harvest(Some(Instant::now()))
    }

    /// Takes a socket out of everything, to be closed.
    fn remove(&mut self, token: Token) -> Option<Socket> {
        let mut socket = self.sockets.remove(token)?;
        let is_sole = socket.is_connection() && !self.foreign.remove(&token.index);
        if !is_sole || !self.poller.forgets_closed() {
            socket.hide(&self.poller);
        }
        self.listeners.remove(&token.index);
        self.files.remove(&token.index);
        self.processes.remove(&token.index);
        self.always.remove(&token.index);
        self.drop_writer(token);
        Some(socket)
    }

    fn drop_writer(&mut self, token: Token) {
        if let Some(mut writer) = self.writers.remove(&token.index) {
            writer.watched.hide(&writer.fd, &self.poller);
        }
    }

    /// Ends the writing direction, as far as the descriptor has one that can be ended for itself.
    fn close_write(&mut self, token: Token) {
        let Some(socket) = self.sockets.get_mut(token) else { return };
        match (socket.ways, socket.kind) {
            (Ways::Both, Kind::Socket | Kind::Unix) => {
                if let Err(error) = stream::end_writing(socket.fd.as_fd()) {
                    self.failures.push_back((token, error));
                }
            }
            (Ways::Both, _) => self.ended.push_back(token),
            (Ways::Read | Ways::Closed, _) => {}
            (Ways::Write, _) => {
                socket.ways = Ways::Closed;
                socket.hide(&self.poller);
                // Closed by putting something else in its place, which needs no free descriptor.
                let _ = socket::put_in_place(self.poller.as_fd(), &mut socket.fd);
                self.ended.push_back(token);
            }
            (Ways::Apart, _) => {
                socket.ways = Ways::Read;
                let writer = self.writers.get(&token.index).filter(|end| end.kind.is_socket());
                let ended = writer.map(|writer| stream::end_writing(writer.fd.as_fd()));
                self.failures.extend(ended.and_then(Result::err).map(|error| (token, error)));
                self.drop_writer(token);
            }
        }
    }
}

impl Driver for PollDriver {
    fn host(&self) -> Rc<dyn Host> {
        self.host.clone()
    }

    fn open(&mut self, what: Open) -> io::Result<Token> {
        match what {
            Open::Listen(bound) => self.listen(bound),
            Open::Connect { to, from } => {
                let fd = stream::connect(&to, from.as_ref())?;
                let token = self.sockets.insert(Socket::to(&to, fd, State::Connecting))?;
                self.change(token, |_| ());
                Ok(token)
            }
            Open::Datagrams(bound) => self.open_datagrams(bound),
            Open::Adopt(ends) => self.adopt(Adopted::new(ends)?),
            Open::Accepted(it, local) => {
                self.sockets.insert(Socket::to(&local, descriptor(it)?, State::Open))
            }
            Open::Watch(socket, interest) => {
                let (fd, ways) = (descriptor(socket)?, Ways::of(interest));
                self.sockets.insert(Socket::of_kind(fd, State::Watched, Kind::Device, ways))
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn read(&mut self, token: Token, on: bool) {
        if let Some(socket) = self.sockets.get_mut(token) {
            socket.look_again(&self.poller);
        }
        self.change(token, |socket| socket.reading = on);
    }

    fn send(&mut self, token: Token, out: &mut OutBuf) {
        let Some(socket) = self.sockets.get_mut(token) else { return };
        if !socket.may_send() {
            return;
        }
        let (fd, kind) = match socket.ways {
            Ways::Both | Ways::Write => (socket.fd.as_fd(), socket.kind),
            Ways::Apart => match self.writers.get(&token.index) {
                Some(writer) => (writer.fd.as_fd(), writer.kind),
                None => return,
            },
            Ways::Read | Ways::Closed => {
                let error = io::Error::new(io::ErrorKind::BrokenPipe, "nothing can be written to it");
                return self.failures.push_back((token, error));
            }
        };
        match stream::send(fd, kind, out, &mut self.buffer) {
            Ok(true) => {}
            Ok(false) => self.change(token, |socket| socket.writing = true),
            Err(error) if is_short_of_memory(&error) => {
                self.rest(token);
                self.change(token, |socket| socket.writing = true);
            }
            Err(error) => self.failures.push_back((token, error)),
        }
    }

    fn send_to(&mut self, token: Token, out: &mut Outbox) {
        let Some(socket) = self.sockets.get_mut(token) else { return };
        let State::Datagrams(family) = socket.state else { return };
        if socket.writing {
            return;
        }
        let all = self.mail.send(token, socket.fd.as_fd(), family, out);
        if all.is_err() {
            self.rest(token);
        }
        if !matches!(all, Ok(true)) {
            self.change(token, |socket| socket.writing = true);
        }
    }

    fn set_option(&mut self, token: Token, option: SocketOption) -> io::Result<()> {
        let socket = self.sockets.get_mut(token).ok_or(io::ErrorKind::NotConnected)?;
        socket::set(&socket.fd, socket.kind, option)
    }

    fn set_udp_option(&mut self, token: Token, option: &UdpOption) -> io::Result<()> {
        let socket = self.sockets.get_mut(token).ok_or(io::ErrorKind::NotConnected)?;
        datagram::set_option(&socket.fd, option)
    }

    fn release(&mut self, token: Token) -> Option<driver::Socket> {
        let socket = self.sockets.get_mut(token).filter(|socket| socket.is_new())?;
        // Who gets it does not close it.
        socket.hide(&self.poller);
        self.remove(token).map(|socket| driver::Socket::Descriptor(socket.fd))
    }

    fn close(&mut self, token: Token, how: Close) {
        if how == Close::Write {
            return self.close_write(token);
        }
        let Some(socket) = self.remove(token) else { return };
        if how == Close::Graceful && socket.state == State::Open && socket.kind.is_socket() {
            // Unread bytes would make a reset of the close.
            let _ = stream::receive(socket.fd.as_fd(), socket.kind, &mut self.buffer);
        }
        if matches!(socket.state, State::Datagrams(_)) {
            return self.mail.forget(token);
        }
        if how == Close::Abort && socket.state != State::Listening && socket.kind.is_socket() {
            // Without it the system still tries to deliver what it was given, which does no harm.
            let _ = SockRef::from(&socket.fd).set_linger(Some(Duration::ZERO));
        }
    }

    fn held(&mut self, token: Token) -> usize {
        match (self.sockets.get_mut(token), self.writers.get(&token.index)) {
            (Some(socket), Some(writer)) if socket.ways == Ways::Apart => stream::held(writer.fd.as_fd()),
            (Some(socket), _) => stream::held(socket.fd.as_fd()),
            (None, _) => 0,
        }
    }

    fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        if self.prepare() {
            return Ok(());
        }
        let until = until.into_iter().chain(self.until()).min();
        self.harvest(until)
    }

    fn until(&self) -> Option<Instant> {
        self.rests.until()
    }

    fn next(&mut self) -> Option<Event<'_>> {
        let step = self.step()?;
        self.told(step)
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.poller.as_fd())
    }
}

pub(crate) fn descriptor(socket: driver::Socket) -> io::Result<OwnedFd> {
    match socket {
        driver::Socket::Descriptor(fd) => Ok(fd),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "a simulated socket on a real system")),
    }
}

impl AsRawFd for PollDriver {
    /// Readable while something is ready.
    fn as_raw_fd(&self) -> RawFd {
        self.poller.as_fd().as_raw_fd()
    }
}

impl Drop for PollDriver {
    fn drop(&mut self) {
        self.host.children().end();
        for socket in self.sockets.values_mut() {
            socket.hide(&self.poller);
        }
        for writer in self.writers.values_mut() {
            writer.watched.hide(&writer.fd, &self.poller);
        }
        // While they are bound.
        self.files.clear();
    }
}
