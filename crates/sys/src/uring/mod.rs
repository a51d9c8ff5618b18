//! [`UringDriver`]: the driver over io_uring, for TCP, UDP and UNIX streams; what else there is the driver over
//! readiness does beside it.
//!
//! ```text
//!                  ┌────────────── Ring ──────────────┐
//!  listen, connect │ accept, receive: one request for  │ completions
//!  TCP, UDP, UNIX ▶│ many completions; send: one in    │────────────▶ next
//!                  │ flight for each connection        │      ▲
//!                  │ "is the other one ready?" ────────┼──────┤
//!                  └──────────────────────────────────┘      │
//!  all else ──────▶ PollDriver ───────────────────────────────┘
//! ```
//!
//! What a new connection receives first is asked for once, and only what follows it for good, with the next wait: of
//! one that is closed after its first exchange the kernel has nothing left to cancel.
//!
//! Over a UNIX stream, which may bring descriptors, the ring tells that there is something, and a call receives it.
//!
//! Received bytes lie in [`Buffers`] that all connections share, and are lent to the loop from there. Bytes to be sent
//! are moved out of their [`OutBuf`] into a [`Flight`](flight::Flight) until the kernel has read them.

mod accept;
mod buffers;
mod datagram;
#[cfg(test)]
mod faulty;
mod flight;
mod ring;
mod send;
mod stream;
#[cfg(test)]
mod tests;
mod unix;

use crate::{
    PollDriver, SharedSockets, SystemHost,
    carried::Parcel,
    datagram::{Mail, Refused, set_option},
    listener::Reserve,
    poll,
    rest::Rests,
    slots::Slots,
    socket, stream as bytes,
    unix::SocketFile,
};
use accept::Accepting;
use buffers::{Buffers, Piece};
use datagram::Inbox;
#[cfg(test)]
use faulty::Ring;
use flight::Flights;
use io_uring::{opcode, squeue::Flags, types::Fd};
#[cfg(not(test))]
use ring::Ring;
use ring::{Completion, NOBODY, Purpose};
use rustix::io::Errno;
use std::{
    collections::{BTreeMap, VecDeque},
    io, mem,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    ptr,
    rc::Rc,
    sync::Arc,
    task::Waker,
    time::Instant,
};
use stream::{Doing, State, Stream};
use trenza_core::{
    Addr, Outbox, SocketOption, UdpOption,
    driver::{Close, Driver, Event, Host, Open, SECOND, Socket, Token},
};
use trenza_wire::OutBuf;

/// The kernel takes a buffer of a group.
const SELECT: Flags = Flags::BUFFER_SELECT;
/// How many that found no buffer are told to receive again in one turn, to begin with.
const STARVED_QUOTA: usize = 64;

/// Moves bytes by io_uring: the kernel is told once what to accept and receive, and tells what came of it in a queue that
/// is shared with it, so that a turn of the loop is one system call, however many connections it is about.
///
/// For TCP, UDP and UNIX streams; UNIX sockets for datagrams, pipes, terminals, watched descriptors and processes are the
/// business of a [`PollDriver`] beside it, whose descriptor the ring watches, and so are TCP connections that somebody else
/// has made.
///
/// - Sends are submitted with the next wait, all in one call; one that is alone in its turn is sent at once. One is in
///   flight for each connection, and takes up to 272 KiB.
/// - File ranges leave by `sendfile`.
/// - A connection that finds no free buffer waits until the loop has read what is in them.
/// - Datagrams are received as bytes are, and sent at once, many in one call.
/// - What comes over a UNIX stream is received by a call when the ring has told of it, and descriptors are sent at once.
#[derive(Debug)]
pub struct UringDriver {
    ring: Ring,
    buffers: Buffers,
    /// Where datagrams come in, once there is a socket for them; and what became of others.
    inbox: Option<Inbox>,
    mail: Mail,
    flights: Flights,
    /// Its end was told; what it has sent may be the user's, whose drop may panic, and is dropped next.
    landed: Option<u32>,
    streams: Slots<Stream>,
    /// By index of their token.
    listeners: BTreeMap<u32, Accepting>,
    /// The files of listeners that are bound to a path, by index: each is removed while its socket still listens.
    files: BTreeMap<u32, Arc<SocketFile>>,
    rest: PollDriver,
    /// What the ring was asked and was told of it.
    watch: Watch,
    /// Those that have received, or accepted, what they were armed for, and go on with the next wait if that is still wanted.
    done: Vec<Token>,
    /// Found no buffer, in order.
    starved: VecDeque<Token>,
    quota: usize,
    /// There was none since the last wait.
    dry: bool,
    /// Errors and ends found outside of completions.
    failures: VecDeque<(Token, io::Error)>,
    /// There is room again.
    room: VecDeque<Token>,
    rests: Rests,
    reserve: Reserve,
    /// The last wait brought more than one completion: sends are put together.
    busy: bool,
    /// The other driver's poller is broken.
    broken: Option<io::Error>,
    /// The other driver is asked first.
    rest_first: bool,
    parcel: Parcel,
    /// What was received over a UNIX stream; between events, the scratch space of sends.
    scratch: Box<[u8]>,
}

/// What is known of the driver beside.
#[derive(Debug, Default)]
struct Watch {
    /// The ring looks at its descriptor.
    armed: bool,
    /// It has something to tell.
    ready: bool,
}

/// What a step came to.
enum Step {
    Received(Token, Piece),
    /// So many bytes over a UNIX stream.
    Fetched(Token, usize),
    /// The datagram that is at hand.
    Datagram(Token),
    Event(Event<'static>),
    Rest(poll::Step),
}

impl UringDriver {
    /// Makes a driver with nothing in it. It may be moved to another thread until its first wait, not after.
    ///
    /// # Errors
    /// The kernel has no io_uring, or not what is needed of it (Linux 6.1), or does not allow it; no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Self::beside(PollDriver::new)
    }

    /// Makes a driver for one of several loops, which listen on the same sockets.
    ///
    /// # Errors
    /// As [`UringDriver::new`].
    pub fn sharing(sockets: &SharedSockets) -> io::Result<Self> {
        Self::beside(|| PollDriver::with_host(SystemHost::sharing(sockets)))
    }

    fn beside(rest: impl FnOnce() -> io::Result<PollDriver>) -> io::Result<Self> {
        let ring = Ring::new()?;
        let buffers = Buffers::new(&ring.submitter())?;
        Self::of(ring, buffers, rest()?)
    }

    fn of(ring: Ring, buffers: Buffers, rest: PollDriver) -> io::Result<Self> {
        Ok(Self {
            ring,
            buffers,
            inbox: None,
            mail: Mail::default(),
            flights: Flights::default(),
            landed: None,
            streams: Slots::new(),
            listeners: BTreeMap::new(),
            files: BTreeMap::new(),
            rest,
            watch: Watch::default(),
            done: Vec::new(),
            starved: VecDeque::new(),
            quota: STARVED_QUOTA,
            dry: false,
            broken: None,
            failures: VecDeque::new(),
            room: VecDeque::new(),
            rests: Rests::default(),
            reserve: Reserve::new()?,
            busy: false,
            rest_first: false,
            parcel: Parcel::default(),
            scratch: vec![0; poll::BUFFER_BYTES].into_boxed_slice(),
        })
    }

    fn connect(&mut self, to: &Addr, from: Option<&Addr>) -> io::Result<Token> {
        let fd = bytes::connect(to, from)?;
        let token = self.streams.insert(Stream::to(to, fd, State::Connecting))?;
        self.await_room(token);
        Ok(token)
    }

    /// Asks to be told when there is room to write.
    fn await_room(&mut self, token: Token) {
        if let Some(stream) = self.streams.get_mut(token) {
            stream.doing = Doing::AwaitingRoom;
            let request = opcode::PollAdd::new(Fd(stream.fd.as_raw_fd()), libc::POLLOUT as u32).build();
            self.ring.push(request, Purpose::Room, token);
        }
    }

    /// Has the kernel receive or accept, if that is wanted and not under way.
    fn arm(&mut self, token: Token) {
        let Some(stream) = self.streams.get_mut(token) else { return };
        if stream.state == State::Listening {
            return self.accept_all(token);
        }
        if !stream.may_arm() {
            return;
        }
        match stream.purpose() {
            Purpose::Datagram => return self.receive_datagrams(token),
            Purpose::Bytes => return self.await_bytes(token),
            _ => {}
        }
        stream.armed = true;
        let fd = Fd(stream.fd.as_raw_fd());
        let receive = match stream.seasoned {
            true => opcode::RecvMulti::new(fd, buffers::GROUP).build(),
            // As many bytes as the buffer has room for.
            false => {
                opcode::Recv::new(fd, ptr::null_mut(), 0).buf_group(buffers::GROUP).build().flags(SELECT)
            }
        };
        self.ring.push(receive, Purpose::Receive, token);
    }

    /// Ends what the kernel does for a socket.
    fn disarm(&mut self, token: Token) {
        let Some(stream) = self.streams.get_mut(token) else { return };
        if stream.armed && !mem::replace(&mut stream.cancelled, true) {
            self.ring.cancel(stream.purpose(), token);
        }
    }

    /// Has the kernel receive again.
    fn go_on(&mut self) {
        let mut done = mem::take(&mut self.done);
        done.drain(..).for_each(|token| self.arm(token));
        // Its memory is used again.
        self.done = done;
    }

    /// It found no buffer, and has its turn when others were given back.
    fn starve(&mut self, token: Token) {
        let Some(stream) = self.streams.get_mut(token) else { return };
        if !mem::replace(&mut stream.starved, true) {
            self.starved.push_back(token);
        }
    }

    /// The loop is done with what it was lent last.
    fn take_back(&mut self) {
        self.buffers.take_back();
        if let Some(inbox) = &mut self.inbox {
            inbox.buffers.take_back();
        }
    }

    /// Goes on with those that found no buffer: the loop has read what was in them. A quota keeps all of them from asking
    /// for few buffers at once.
    fn feed_starved(&mut self) {
        self.quota = match mem::take(&mut self.dry) {
            true => (self.quota / 2).max(self.buffers.count()),
            false => (self.quota * 2).min(STARVED_QUOTA),
        };
        let many = self.starved.len().min(self.quota);
        for token in self.starved.drain(..many).collect::<Vec<_>>() {
            if let Some(stream) = self.streams.get_mut(token) {
                stream.starved = false;
                self.arm(token);
            }
        }
    }

    /// Goes on with those that the system had no memory for.
    fn rouse(&mut self) {
        if self.rests.until().is_none() {
            return;
        }
        let now = Instant::now();
        while let Some(token) = self.rests.over(now) {
            // What was closed meanwhile sends nothing more, and is given up when the kernel is done with it.
            let Some(stream) = self.streams.get_mut(token).filter(|stream| stream.is_alive()) else {
                continue;
            };
            match stream.doing {
                Doing::Resting(Some(flight)) => match self.flights.sent(flight, 0, &stream.fd) {
                    Some(request) => {
                        stream.doing = Doing::Sending(flight);
                        self.ring.push(request, Purpose::Send, token);
                    }
                    None => stream.doing = Doing::Nothing,
                },
                Doing::Resting(None) if stream.state == State::Connecting => self.await_room(token),
                Doing::Resting(None) => self.room.push_back(token),
                _ => {}
            }
            self.arm(token);
        }
    }

    /// Gives the place of a socket back when it was closed and the kernel is done with it.
    fn bury(&mut self, token: Token) {
        let Some(stream) = self.streams.get_mut(token) else { return };
        let State::Closing { unread } = stream.state else { return };
        if stream.armed {
            return;
        }
        match stream.doing {
            Doing::Sending(_) | Doing::AwaitingRoom => return,
            Doing::Resting(Some(flight)) => self.flights.land(flight),
            Doing::Resting(None) | Doing::Nothing => {}
        }
        let Some(stream) = self.streams.remove(token) else { return };
        self.listeners.remove(&token.index);
        if unread {
            discard(&stream, &mut self.scratch);
        }
    }

    // ── events ──

    /// Goes on until there is an event.
    fn step(&mut self) -> Option<Step> {
        self.take_back();
        if let Some(flight) = self.landed.take() {
            self.flights.land(flight);
        }
        loop {
            if let Some((token, error)) = self.failures.pop_front() {
                match self.fail(token, error) {
                    Some(event) => return Some(Step::Event(event)),
                    None => continue,
                }
            }
            if let Some(token) = self.room.pop_front() {
                // It may have had two reasons to rest, and was told already.
                let rests = |stream: &&mut Stream| stream.is_alive() && stream.doing == Doing::Resting(None);
                if let Some(stream) = self.streams.get_mut(token).filter(rests) {
                    stream.doing = Doing::Nothing;
                    return Some(Step::Event(Event::Sent { token: outer(token), bytes: 0 }));
                }
                continue;
            }
            if let Some((token, Refused { to, error })) = self.mail.refused.pop_front() {
                return Some(Step::Event(Event::Undelivered { token: outer(token), to, error }));
            }
            if self.parcel.is_waiting() {
                match self.step_of_parcel() {
                    Some(step) => return Some(step),
                    None => continue,
                }
            }
            self.rest_first = !self.rest_first;
            if self.rest_first
                && let Some(step) = self.step_of_rest()
            {
                return Some(step);
            }
            let Some(completion) = self.ring.next() else { return self.step_of_rest() };
            if let Some(step) = self.complete(completion) {
                return Some(step);
            }
        }
    }

    fn step_of_rest(&mut self) -> Option<Step> {
        if !self.watch.ready {
            return None;
        }
        let step = self.rest.step();
        self.watch.ready = step.is_some();
        step.map(Step::Rest)
    }

    fn complete(&mut self, completion: Completion) -> Option<Step> {
        match completion.purpose {
            Purpose::Receive => self.received(&completion),
            Purpose::Datagram => self.datagram(&completion),
            Purpose::Bytes => self.has_bytes(&completion),
            Purpose::Send => self.sent(&completion).map(Step::Event),
            Purpose::Accept => self.accepted(&completion).map(Step::Event),
            Purpose::Room => self.has_room(&completion).map(Step::Event),
            Purpose::Rest => {
                self.watch.armed = false;
                // It looks at once, and tells until nothing is left.
                match self.rest.look() {
                    Ok(()) => self.watch.ready = true,
                    Err(error) => self.broken = Some(error),
                }
                None
            }
            Purpose::Cancel => None,
        }
    }

    fn received(&mut self, completion: &Completion) -> Option<Step> {
        // For every one: where the next piece begins depends on it.
        let piece = self.buffers.received(completion);
        let token = completion.token;
        let stream = self.streams.get_mut(token)?;
        if !completion.goes_on() {
            (stream.armed, stream.cancelled) = (false, false);
        }
        match (completion.result, piece) {
            _ if !stream.is_alive() => {
                self.bury(token);
                None
            }
            (Ok(1..), Some(piece)) => {
                stream.seasoned = true;
                if !stream.armed {
                    self.done.push(token);
                }
                Some(Step::Received(outer(token), piece))
            }
            (Ok(_), _) => {
                stream.state = State::Ended;
                Some(Step::Event(Event::Eof { token: outer(token) }))
            }
            (Err(Errno::CANCELED | Errno::INTR | Errno::AGAIN), _) => {
                self.arm(token);
                None
            }
            (Err(Errno::NOBUFS), _) => {
                self.dry = true;
                self.starve(token);
                None
            }
            (Err(Errno::NOMEM), _) => {
                self.rests.add(token, Instant::now());
                None
            }
            (Err(errno), _) => self.fail(token, errno.into()).map(Step::Event),
        }
    }

    /// There is room to write, or a connect has ended.
    fn has_room(&mut self, completion: &Completion) -> Option<Event<'static>> {
        let token = completion.token;
        let stream = self.streams.get_mut(token)?;
        stream.doing = Doing::Nothing;
        match completion.result {
            Err(Errno::CANCELED | Errno::INTR | Errno::AGAIN) if stream.is_alive() => {
                self.await_room(token);
                return None;
            }
            Err(_) if stream.is_alive() => {
                stream.doing = Doing::Resting(None);
                self.rests.add(token, Instant::now());
                return None;
            }
            _ => {}
        }
        match stream.state {
            State::Connecting => match bytes::connected(&stream.fd) {
                Ok(local) => {
                    stream.state = State::Open;
                    Some(Event::Connected { token: outer(token), result: Ok(local) })
                }
                Err(error) => self.fail(token, error),
            },
            State::Open | State::Ended | State::Datagrams(_) => {
                Some(Event::Sent { token: outer(token), bytes: 0 })
            }
            _ => {
                self.bury(token);
                None
            }
        }
    }

    /// The event that tells of an error, once. A listener and a socket for datagrams are only turned off; a connection is
    /// over.
    fn fail(&mut self, token: Token, error: io::Error) -> Option<Event<'static>> {
        let stream = self.streams.get_mut(token)?;
        match stream.state {
            State::Listening | State::Datagrams(_) => {
                stream.reading = false;
                self.disarm(token);
            }
            State::Connecting => {
                self.streams.remove(token);
                return Some(Event::Connected { token: outer(token), result: Err(error) });
            }
            State::Open | State::Ended => {
                stream.state = State::Broken;
                self.disarm(token);
            }
            State::Broken | State::Closing { .. } => return None,
        }
        Some(Event::Failed { token: outer(token), error })
    }
}

/// Unread bytes would make a reset of the close.
fn discard(stream: &Stream, scratch: &mut [u8]) {
    let _ = bytes::receive(stream.fd.as_fd(), stream.kind, scratch);
}

/// Whether streams between such addresses are this driver's.
fn has_streams(addr: &Addr) -> bool {
    addr.ip().is_some() || addr.unix().is_some()
}

/// The token as the loop knows it: this driver's have a range of their own.
fn outer(token: Token) -> Token {
    Token { index: token.index | SECOND, ..token }
}

/// The token in this driver's table; None if it is the other one's.
fn inner(token: Token) -> Option<Token> {
    Some(Token { index: token.index.checked_sub(SECOND)?, ..token })
}

impl Driver for UringDriver {
    fn host(&self) -> Rc<dyn Host> {
        self.rest.host()
    }

    fn open(&mut self, what: Open) -> io::Result<Token> {
        match what {
            Open::Listen(bound) if has_streams(&bound.addr) => self.listen(bound).map(outer),
            Open::Datagrams(bound) if bound.addr.ip().is_some() && self.has_inbox() => {
                self.open_datagrams(bound).map(outer)
            }
            Open::Connect { to, from } if has_streams(&to) => self.connect(&to, from.as_ref()).map(outer),
            Open::Accepted(socket, local) if has_streams(&local) => {
                let fd = poll::descriptor(socket)?;
                self.streams.insert(Stream::to(&local, fd, State::Open)).map(outer)
            }
            Open::Adopt(ends) => self.adopt(ends),
            other => self.rest.open(other),
        }
    }

    fn read(&mut self, token: Token, on: bool) {
        let Some(inner) = inner(token) else { return self.rest.read(token, on) };
        let Some(stream) = self.streams.get_mut(inner).filter(|stream| stream.is_alive()) else { return };
        stream.reading = on;
        match on {
            true if stream.state == State::Listening && stream.armed => self.look_again(inner),
            true => self.arm(inner),
            false => self.disarm(inner),
        }
    }

    fn release(&mut self, token: Token) -> Option<Socket> {
        let Some(inner) = inner(token) else { return self.rest.release(token) };
        let stream = self.streams.get_mut(inner)?;
        let is_new = stream.state == State::Open && stream.doing == Doing::Nothing;
        if !is_new || stream.reading || stream.armed {
            return None;
        }
        Some(Socket::Descriptor(self.streams.remove(inner)?.fd))
    }

    fn send(&mut self, token: Token, out: &mut OutBuf) {
        let Some(inner) = inner(token) else { return self.rest.send(token, out) };
        if out.queued() == 0 || !self.streams.get_mut(inner).is_some_and(|stream| stream.may_send()) {
            return;
        }
        match self.busy && out.file_after_bytes().is_none() && out.descriptors() == 0 {
            true => self.take_off(inner, out),
            false => self.send_now(inner, out),
        }
    }

    fn send_to(&mut self, token: Token, out: &mut Outbox) {
        let Some(inner) = inner(token) else { return self.rest.send_to(token, out) };
        self.send_datagrams(inner, out);
    }

    fn set_option(&mut self, token: Token, option: SocketOption) -> io::Result<()> {
        let Some(inner) = inner(token) else { return self.rest.set_option(token, option) };
        let stream = self.streams.get_mut(inner).ok_or(io::ErrorKind::NotConnected)?;
        socket::set(&stream.fd, stream.kind, option)
    }

    fn set_udp_option(&mut self, token: Token, option: &UdpOption) -> io::Result<()> {
        let Some(inner) = inner(token) else { return self.rest.set_udp_option(token, option) };
        let stream = self.streams.get_mut(inner).ok_or(io::ErrorKind::NotConnected)?;
        set_option(&stream.fd, option)
    }

    fn close(&mut self, token: Token, how: Close) {
        let Some(inner) = inner(token) else { return self.rest.close(token, how) };
        let Some(stream) = self.streams.get_mut(inner) else { return };
        if how == Close::Write {
            let ended = bytes::end_writing(stream.fd.as_fd());
            self.failures.extend(ended.err().map(|error| (inner, error)));
            return;
        }
        self.disarm(inner);
        let Some(stream) = self.streams.get_mut(inner) else { return };
        match stream.doing {
            Doing::Sending(_) => self.ring.cancel(Purpose::Send, inner),
            Doing::AwaitingRoom => self.ring.cancel(Purpose::Room, inner),
            Doing::Nothing | Doing::Resting(_) => {}
        }
        let is_bound = matches!(stream.state, State::Listening | State::Datagrams(_));
        if how == Close::Abort && !is_bound {
            stream.reset_at_close();
        }
        stream.state = State::Closing { unread: how == Close::Graceful && stream.state == State::Open };
        if is_bound {
            // While it listens.
            self.files.remove(&inner.index);
            self.mail.forget(inner);
        }
        self.bury(inner);
        if is_bound && self.streams.get_mut(inner).is_some() {
            self.unbind(inner);
        }
    }

    fn held(&mut self, token: Token) -> usize {
        let Some(inner) = inner(token) else { return self.rest.held(token) };
        self.streams.get_mut(inner).map_or(0, |stream| bytes::held(stream.fd.as_fd()))
    }

    fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.take_back();
        self.rouse();
        self.watch.ready |= self.rest.prepare();
        if self.rest.is_always_ready() {
            // It has its turn with whatever else is there: the poll below ends at once.
            self.rest.waker().wake_by_ref();
        }
        if !mem::replace(&mut self.watch.armed, true) {
            let fd = Fd(self.rest.as_raw_fd());
            let request = opcode::PollAdd::new(fd, libc::POLLIN as u32).build();
            self.ring.push(request, Purpose::Rest, NOBODY);
        }
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        self.go_on();
        self.feed_starved();
        let untold = !self.failures.is_empty()
            || !self.room.is_empty()
            || self.mail.is_waiting()
            || self.parcel.is_waiting();
        if self.watch.ready || untold {
            // Nobody may wait on the descriptor until they were told.
            self.rest.waker().wake_by_ref();
            return self.ring.submit();
        }
        if self.ring.waiting() > 0 {
            return self.ring.submit();
        }
        let until = until.into_iter().chain(self.until()).min();
        self.ring.wait(until)?;
        self.busy = self.ring.waiting() > 1;
        Ok(())
    }

    fn until(&self) -> Option<Instant> {
        let starved = (!self.starved.is_empty()).then(Instant::now);
        starved.into_iter().chain(self.rests.until()).chain(self.rest.until()).min()
    }

    fn next(&mut self) -> Option<Event<'_>> {
        match self.step()? {
            Step::Received(token, piece) => Some(Event::Received { token, data: self.buffers.bytes(piece) }),
            Step::Fetched(token, len) => Some(Event::Received { token, data: self.scratch.get_mut(..len)? }),
            Step::Datagram(token) => {
                let datagram = self.inbox.as_mut()?.current()?;
                Some(Event::Datagram { token, datagram })
            }
            Step::Event(event) => Some(event),
            Step::Rest(step) => self.rest.told(step),
        }
    }

    fn waker(&self) -> Waker {
        self.rest.waker()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.ring.descriptor()
    }
}

impl Drop for UringDriver {
    /// Waits until the kernel is done with all memory that it was given, and with what was closed.
    fn drop(&mut self) {
        // While they are bound.
        self.files.clear();
        let done = self.ring.end(|completion| {
            if completion.purpose == Purpose::Accept {
                drop(accept::connection(&completion));
            }
        });
        if !done {
            // It may still read and write there.
            self.buffers.leak();
            self.inbox.take().into_iter().for_each(Inbox::leak);
            mem::forget(mem::take(&mut self.flights));
        }
        for stream in self.streams.values_mut() {
            match (stream.state, stream.doing) {
                (State::Closing { unread: true }, _) => discard(stream, &mut self.scratch),
                (State::Closing { unread: false }, _) | (_, Doing::Nothing) => {}
                // The peer must not take a part for the whole.
                _ => stream.reset_at_close(),
            }
        }
    }
}
