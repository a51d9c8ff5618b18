//! [`Transport`]: a connection seen from outside.

use crate::{
    Bucket, ConnectionId, Counts, Deferred, Handle, Layer, Limit, Limits, Peer, Protocol, Reactor, Reason,
    Result, SocketOption, Stream, Tap,
    connection::{Connection, Waiter, push_pruning},
    engine::command::Command,
    engine::edge::Change,
    flags::Flags,
    pipe,
    task::Task,
};
use bytes::Bytes;
use std::{
    fmt,
    fs::File,
    future::Future,
    hash::{Hash, Hasher},
    io::{self, Write},
    ops::Range,
    os::fd::OwnedFd,
    panic::Location,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use trenza_wire::OutBuf;

/// A connection seen from outside: one `Rc`, `Eq + Hash`, cheap to clone.
///
/// Every method only queues or reads; none calls a protocol. All are harmless on a connection that has ended.
///
/// A chat room keeps the transports of its members, and writes to all of them from any one's callback:
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
/// use trenza_core::{Input, Protocol, Reason, Result, Transport};
///
/// #[derive(Clone, Default)]
/// struct Room(Rc<RefCell<Vec<Transport>>>);
///
/// impl Protocol for Room {
///     fn connection_made(&mut self, transport: &Transport) -> Result {
///         self.0.borrow_mut().push(transport.clone());
///         Ok(())
///     }
///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
///         let said = input.rest();
///         let room = self.0.borrow();
///         room.iter().filter(|member| *member != transport).for_each(|member| member.write(said));
///         Ok(())
///     }
///     fn connection_lost(&mut self, transport: &Transport, _: &Reason) {
///         self.0.borrow_mut().retain(|member| member != transport);
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// let room = Room::default();
/// net.host("srv").listen("tcp:7007", move |_| room.clone());
/// let [ann, bob] = ["ann", "bob"].map(|name| net.host(name).probe("tcp:srv:7007"));
/// net.run();
/// ann.send("hello");
/// net.run();
/// assert_eq!((ann.received(), bob.received()), (vec![], b"hello".to_vec()));
/// ```
#[derive(Clone)]
pub struct Transport(pub(crate) Rc<Connection>);

impl Transport {
    /// Queues a copy of `data`, which leaves at the end of the turn. Never blocks, never fails.
    ///
    /// Beyond [`Limits::unsent`] the bytes are dropped and the connection ends with
    /// [`Reason::Overflow`]([`Limit::Unsent`]). After `close`, `close_write` or `abort` they are dropped.
    pub fn write(&self, data: &[u8]) {
        if self.accepts(data.len()) {
            self.0.out.borrow_mut().push_slice(data);
            self.wrote(data.len());
        }
    }

    /// Queues large or shared bytes without a copy; otherwise like [`Transport::write`].
    pub fn write_bytes(&self, data: Bytes) {
        let len = data.len();
        if self.accepts(len) {
            // A copy is kept until nothing is borrowed: small bytes are dropped at once, and their owner is the user's.
            let kept = data.clone();
            self.0.out.borrow_mut().push_bytes(data);
            drop(kept);
            self.wrote(len);
        }
    }

    /// Makes `write!(transport, ...)?` work.
    ///
    /// # Errors
    /// Only when a `Display` fails.
    pub fn write_fmt(&self, args: fmt::Arguments<'_>) -> Result {
        let mut text = Vec::new();
        text.write_fmt(args)?;
        self.write(&text);
        Ok(())
    }

    /// Queues a range of a file, in bytes from its start, by `sendfile` where no layer transforms it.
    ///
    /// It is read when it is sent, so it does not count against [`Limits::unsent`]. A file that is shorter than
    /// its range then aborts the connection with [`Reason::Io`] (`UnexpectedEof`).
    pub fn send_file(&self, file: impl Into<Arc<File>>, range: Range<u64>) {
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let file = file.into();
        if self.accepts(0) {
            self.0.out.borrow_mut().push_file(file, range);
            self.wrote(len);
        }
    }

    /// Queues everything in `out`, in order; the rest is like [`Transport::write`].
    pub fn send(&self, out: &mut OutBuf) {
        let (len, in_memory) = (out.queued(), out.in_memory());
        if self.accepts(in_memory) {
            self.0.out.borrow_mut().append(out);
            self.wrote(len);
        }
    }

    /// Has `write` append to what waits to be sent, where it is: a codec that puts many small pieces together saves a copy.
    /// The rest is like [`Transport::write`], but what is too much is noticed when it is there.
    pub fn compose<T>(&self, write: impl FnOnce(&mut OutBuf) -> T) -> T {
        if !self.accepts(0) {
            return write(&mut OutBuf::new());
        }
        // Taken, not borrowed: pieces that were copied are dropped meanwhile, and may be the user's.
        let mut out = self.0.out.take();
        let before = out.queued();
        let result = write(&mut out);
        let len = out.queued().saturating_sub(before);
        let mut meanwhile = self.0.out.replace(out);
        self.0.out.borrow_mut().append(&mut meanwhile);
        if self.accepts(0) {
            self.wrote(len);
        }
        result
    }

    /// Sends a descriptor over a UNIX socket: a copy, which the peer owns. It goes with the next byte that is written,
    /// and not before there is one; the peer gets it not later than that byte. Under layers it goes with the next byte
    /// that they send.
    ///
    /// # Errors
    /// The connection is not over a UNIX socket (`Unsupported`); it takes nothing more (`NotConnected`); or
    /// [`Limits::descriptors`] wait already ([`Limit::Descriptors`]). The descriptor is closed then.
    ///
    /// ```
    /// use std::{fs::File, os::fd::OwnedFd};
    /// use trenza_core::{Input, Protocol, Result, Transport};
    ///
    /// struct Gives;
    /// impl Protocol for Gives {
    ///     fn connection_made(&mut self, transport: &Transport) -> Result {
    ///         transport.send_descriptor(File::open("/dev/null")?)?;
    ///         transport.write(b"here");
    ///         transport.close();
    ///         Ok(())
    ///     }
    ///     fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let net = trenza_sim::Net::new(1);
    /// let host = net.host("here");
    /// host.listen("unix:@files", |_| Gives);
    /// let file = net.block_on(&host, async {
    ///     let mut stream = trenza_core::Reactor::current().open("unix:@files").await?;
    ///     stream.read_exact(4).await?;
    ///     stream.take_descriptor().ok_or_else(|| "no descriptor came".into())
    /// });
    /// assert!(file.is_ok());
    /// ```
    pub fn send_descriptor(&self, descriptor: impl Into<OwnedFd>) -> Result {
        let descriptor = descriptor.into();
        let peer = self.peer();
        if peer.remote.unix().is_none() && peer.local.unix().is_none() {
            let what = format!("no descriptor can be sent to {}: only UNIX sockets carry them", peer.remote);
            return Err(io::Error::new(io::ErrorKind::Unsupported, what).into());
        }
        if !self.accepts(0) {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        }
        if self.0.out.borrow().descriptors() >= self.0.limits.borrow().descriptors {
            return Err(Limit::Descriptors.into());
        }
        self.0.out.borrow_mut().push_descriptor(descriptor);
        Ok(())
    }

    /// Sets an option of the socket. The result fires with an error that names the option where the connection has
    /// none such (`NoDelay` of a UNIX socket, any of a pipe) or the system refuses; [`detach`](Deferred::detach) logs
    /// it.
    pub fn set_option(&self, option: SocketOption) -> Deferred<()> {
        let (deferred, resolver) = self.0.reactor.deferred();
        self.0.reactor.0.command(Command::SetOption(self.clone(), option, resolver));
        deferred
    }

    /// Sends what was written, then FIN; reads and discards until the peer's FIN (see [`Limits::linger`]), then
    /// closes. Without this a reply to a peer that is still sending is cut short by a reset.
    pub fn close(&self) {
        let flags = &self.0.flags;
        if self.0.is_over() {
            return;
        }
        flags.set(Flags::CLOSING);
        self.0.frozen.set(true);
        let reason = if flags.any(Flags::EOF_TOLD) { Reason::PeerClosed } else { Reason::Closed };
        self.0.with_extra(|extra| {
            extra.reason.get_or_insert(reason);
        });
        self.0.change_times(|times| {
            times.phase = None;
            times.active = self.0.reactor.0.now();
        });
        self.arm();
        self.mark_dirty();
    }

    /// Sends what was written, then closes without waiting for the peer's FIN, and reads nothing meanwhile: for a peer
    /// that has said that it sends nothing more. If it does so all the same it is answered with a reset, which on some systems takes from it what it
    /// was sent and has not read; [`Transport::close`] is for all others.
    pub fn hang_up(&self) {
        if !self.0.is_over() {
            self.0.flags.set(Flags::UNLINGERING | Flags::PEER_SILENT);
            self.close();
        }
    }

    /// Writes the last bytes, then closes.
    pub fn finish(&self, data: &[u8]) {
        self.write(data);
        self.close();
    }

    /// Sends what was written, then FIN; receiving goes on.
    pub fn close_write(&self) {
        if !self.0.is_over() && !self.0.flags.any(Flags::HALF) {
            self.0.flags.set(Flags::HALF);
            self.mark_dirty();
        }
    }

    /// Has the protocol finish what it is at and then close: it hears [`Protocol::stopping`], once, as when its port
    /// stops. A connection whose layers are not ready ends at once.
    pub fn stop(&self) {
        self.0.reactor.0.command(Command::Stop(self.clone()));
    }

    /// Ends the connection at once, by RST; what was not sent is dropped.
    pub fn abort(&self) {
        self.condemn(Reason::Aborted);
    }

    /// Stops reading; the input that is being read finds nothing more. Bytes that come all the same are kept.
    pub fn pause(&self) {
        self.0.frozen.set(true);
        if !self.0.flags.any(Flags::PAUSED) {
            self.0.flags.set(Flags::PAUSED);
            self.mark_dirty();
        }
    }

    /// Reads again, and offers unread bytes again, also when nothing was paused ("I can take more now").
    pub fn resume(&self) {
        if self.0.is_over() {
            return;
        }
        self.0.flags.clear(Flags::PAUSED);
        self.mark_dirty();
        self.0.reactor.0.command(Command::Offer(self.clone()));
    }

    /// True from the moment that unsent bytes exceed [`Limits::high`] until they are down to [`Limits::low`].
    pub fn is_full(&self) -> bool {
        self.0.flags.any(Flags::FULL)
    }

    /// True until the connection was closed, aborted or lost.
    pub fn is_open(&self) -> bool {
        !self.0.is_over()
    }

    /// Fires when all bytes written so far were taken by the system; an error when the connection ends first. After an
    /// end by [`Reason::Closed`] or [`Reason::PeerClosed`] they were.
    pub fn flushed(&self) -> Deferred<()> {
        let (deferred, resolver) = self.0.reactor.deferred();
        let end = self.0.extra.borrow().as_ref().and_then(|extra| extra.end.clone());
        if matches!(end.as_deref(), Some(Reason::Closed | Reason::PeerClosed)) {
            resolver.fire(Ok(()));
        } else if self.0.flags.any(Flags::LOST | Flags::CONDEMNED) {
            resolver.fire(Err("the connection has ended".into()));
        } else if self.0.unsent() == 0 {
            resolver.fire(Ok(()));
        } else {
            let waiter = Waiter { written: self.0.written.get(), wire: None, resolver };
            // One that was cancelled holds nothing of anybody's, so it may be dropped here.
            self.0.with_extra(|extra| {
                push_pruning(&mut extra.flushed, waiter, |waiter| !waiter.resolver.is_cancelled());
            });
        }
        deferred
    }

    /// Fires when the connection has ended, with how. Protocols that it changes between do not matter.
    ///
    /// ```
    /// use trenza_core::{Input, Protocol, Reason, Result, Transport};
    ///
    /// struct Once;
    ///
    /// impl Protocol for Once {
    ///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
    ///         transport.finish(input.rest());
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let net = trenza_sim::Net::gentle(1);
    /// net.host("srv").listen("tcp:7", |_| Once);
    /// let asked = net.host("cli").run(|reactor| {
    ///     let reactor = reactor.clone();
    ///     reactor.clone().spawn(async move {
    ///         let far = reactor.connect("tcp:srv:7", |_| Once).await?;
    ///         far.write(b"hello");
    ///         let reason = far.ended().await?;
    ///         assert!(matches!(*reason, Reason::Closed), "{reason}");
    ///         Ok(())
    ///     })
    /// });
    /// net.run();
    /// # asked.detach();
    /// ```
    pub fn ended(&self) -> Deferred<Rc<Reason>> {
        let (deferred, resolver) = self.0.reactor.deferred();
        self.0.with_extra(|extra| match &extra.end {
            Some(reason) => resolver.fire(Ok(reason.clone())),
            None => push_pruning(&mut extra.ended, resolver, |resolver| !resolver.is_cancelled()),
        });
        deferred
    }

    /// What the connection has moved and what it holds.
    pub fn counts(&self) -> Counts {
        let unsent = self.0.unsent();
        let out = self.0.out.borrow().len() as u64;
        Counts {
            held: self.0.held(),
            received: self.0.received.get(),
            sent: self.0.written.get().saturating_sub(out),
            unread: self.0.unread_len.get(),
            unsent,
        }
    }

    /// While this connection is full, `source` does not read. Ends with either connection.
    ///
    /// For pipes: `far.throttle(&near); near.throttle(&far)`. Who holds others back is itself read while it is full
    /// (as with [`Limits::read_while_full`]), since the two directions of a pipe have nothing to do with each other.
    pub fn throttle(&self, source: &Self) {
        let reactor = &self.0.reactor;
        self.0.with_extra(|extra| {
            push_pruning(&mut extra.sources, source.id(), |id| reactor.connection(*id).is_some());
        });
        if self.is_full() {
            source.hold_back(true);
            self.mark_dirty();
        }
    }

    /// Undoes one [`Transport::throttle`].
    pub fn unthrottle(&self, source: &Self) {
        let held = self.0.with_extra(|extra| {
            let place = extra.sources.iter().position(|id| *id == source.id());
            place.map(|place| extra.sources.swap_remove(place)).is_some()
        });
        if held && self.is_full() {
            source.hold_back(false);
            self.mark_dirty();
        }
    }

    /// Replaces the limits.
    pub fn set_limits(&self, limits: Limits) {
        *self.0.limits.borrow_mut() = Rc::new(limits);
        self.arm();
        self.mark_dirty();
    }

    /// The limits in force.
    pub fn limits(&self) -> Rc<Limits> {
        self.0.limits()
    }

    /// Calls [`Protocol::timed_out`] when no byte has moved in either direction for so long. Bytes that the peer takes
    /// from the system's buffers move, too, as far as the driver can tell. To call it often is cheap.
    pub fn set_timeout(&self, idle: Option<Duration>) {
        self.0.change_times(|times| {
            times.idle = idle;
            times.active = self.0.reactor.0.now();
        });
        self.arm();
    }

    /// Calls [`Protocol::timed_out`] after so long, whatever moves. It holds also while what was written before
    /// `close()` leaves, since [`Limits::drain`] is content with any progress.
    pub fn set_deadline(&self, after: Option<Duration>) {
        let deadline = after.and_then(|after| self.0.reactor.0.now().checked_add(after));
        self.0.change_times(|times| times.deadline = deadline);
        self.arm();
    }

    /// Puts a layer between the connection and its protocol (STARTTLS): what was written so far leaves as it is;
    /// what was received but not read goes to the layer.
    pub fn push_layer(&self, layer: impl Layer) {
        if self.0.is_over() {
            return;
        }
        self.0.frozen.set(true);
        self.0.changing.set(self.0.changing.get() + 1);
        let before = self.0.out.borrow_mut().take_queued();
        self.0.below.set(self.0.below.get() + before.len());
        let files = before.len().saturating_sub(before.in_memory());
        if files > 0 {
            self.0.with_extra(|extra| extra.below_files += files);
        }
        self.0.reactor.0.command(Command::Push(self.clone(), Box::new(layer), before));
    }

    /// Gives the connection to another protocol: the old one is lost with [`Reason::Switched`]; the new one is
    /// made, then gets the unread bytes, and hears of the end of the stream. It begins unpaused and without timeouts.
    /// Before its layers are ready a connection has no protocol: `next` is dropped.
    pub fn switch_to(&self, next: impl Protocol) {
        if self.0.is_over() {
            return;
        }
        self.0.frozen.set(true);
        self.0.changing.set(self.0.changing.get() + 1);
        self.0.reactor.0.command(Command::Switch(self.clone(), Box::new(next)));
    }

    /// Passes on to `far` what comes here and the other way round, until both directions have ended: a proxy in one
    /// call. Nothing is read faster than the other side takes it; the end of a stream becomes the end of the one it is
    /// passed on to; when one connection ends otherwise, the other is aborted.
    ///
    /// Both change over as with [`Transport::switch_to`], and unread bytes go along.
    ///
    /// ```
    /// use trenza_core::{Result, Stream};
    ///
    /// async fn pass_on(near: Stream) -> Result {
    ///     let far = near.transport().reactor().open("tcp:srv:7").await?;
    ///     near.join(far);
    ///     Ok(())
    /// }
    ///
    /// let net = trenza_sim::Net::gentle(1);
    /// let srv = net.host("srv").probe_listen("tcp:7");
    /// net.host("mid").run(|reactor| reactor.serve("tcp:7", pass_on).map(drop))?;
    /// let cli = net.host("cli").probe("tcp:mid:7");
    /// cli.send("question");
    /// cli.close_write();
    /// net.run();
    /// let srv = srv.accept().ok_or("nobody came")?;
    /// assert_eq!(srv.received(), b"question");
    /// assert!(srv.eof());
    /// srv.send("answer");
    /// srv.close_write();
    /// net.run();
    /// assert_eq!(cli.received(), b"answer");
    /// assert!(cli.eof());
    /// # Ok::<(), trenza_core::Error>(())
    /// ```
    pub fn join(&self, far: &Self) {
        pipe::join(self, far);
    }

    /// Gives the connection to a coroutine: the old protocol is lost with [`Reason::Switched`].
    pub fn switch_to_stream(&self) -> Stream {
        let (stream, end) = Stream::pair(self);
        self.switch_to(end);
        stream
    }

    /// The typed way back into the protocol.
    pub fn handle<P: Protocol>(&self) -> Handle<P> {
        Handle::new(self.clone())
    }

    /// Keeps `guard` until the connection ends, then drops it.
    pub fn attach<T: 'static>(&self, guard: T) {
        self.0.reactor.0.command(Command::Attach(self.clone(), Box::new(guard)));
    }

    /// Starts a task that ends with the connection. Its error or panic ends the connection.
    #[track_caller]
    pub fn spawn(&self, task: impl Future<Output = Result> + 'static) {
        self.spawn_from(Location::caller(), task);
    }

    /// Like `spawn`, for a task that was asked for elsewhere.
    pub(crate) fn spawn_from(
        &self,
        made: &'static Location<'static>,
        task: impl Future<Output = Result> + 'static,
    ) {
        self.0.reactor.0.command(Command::Spawn(Task::of_connection(made, self, task)));
    }

    /// Has somebody see the bytes of this connection at the driver's edge, from now on.
    pub fn tap(&self, tap: impl Tap) {
        self.0.reactor.0.command(Command::Edge(self.clone(), Change::Tap(Box::new(tap))));
    }

    /// Has the connection receive no faster than `bucket` fills, alone or with others; None: as fast as it can. In place
    /// of what a [`Policy`](crate::Policy) said, for instance when its user is known.
    pub fn set_rate_in(&self, bucket: Option<&Bucket>) {
        self.0.reactor.0.command(Command::Edge(self.clone(), Change::Input(bucket.cloned())));
    }

    /// Has the connection send no faster than `bucket` fills, like [`Transport::set_rate_in`].
    pub fn set_rate_out(&self, bucket: Option<&Bucket>) {
        self.0.reactor.0.command(Command::Edge(self.clone(), Change::Output(bucket.cloned())));
    }

    /// Who is at the other end: a snapshot, replaced when a layer learns more.
    pub fn peer(&self) -> Rc<Peer> {
        self.0.peer.get()
    }

    /// The connection's name.
    pub fn id(&self) -> ConnectionId {
        self.0.id()
    }

    /// The reactor that the connection belongs to.
    pub fn reactor(&self) -> &Reactor {
        &self.0.reactor
    }

    /// Ends the connection with a reason of its own; the first one counts.
    pub(crate) fn condemn(&self, reason: Reason) {
        if self.0.flags.any(Flags::CONDEMNED | Flags::LOST) {
            return drop(reason);
        }
        self.0.flags.set(Flags::CONDEMNED);
        self.0.frozen.set(true);
        self.0.reactor.0.doom(self.clone());
        // Last: the drop of a reason that does not count may panic.
        self.blame(reason);
    }

    /// Notes why the connection will end. The first reason counts, except that a clean one gives way.
    pub(crate) fn blame(&self, reason: Reason) {
        let other = self.0.with_extra(|extra| match &extra.reason {
            Some(first) if !first.is_clean() => Some(reason),
            _ => extra.reason.replace(reason),
        });
        drop(other);
    }

    pub(crate) fn mark_dirty(&self) {
        if !self.0.flags.any(Flags::DIRTY | Flags::LOST) {
            self.0.flags.set(Flags::DIRTY);
            self.0.reactor.0.mark_dirty(self.clone());
        }
    }

    /// Counts one full connection more or less that holds this one back.
    pub(crate) fn hold_back(&self, on: bool) {
        if crate::broken("ignore-throttle", 1) {
            return;
        }
        let count = self.0.throttled.get();
        self.0.throttled.set(if on { count.saturating_add(1) } else { count.saturating_sub(1) });
        self.mark_dirty();
    }

    /// Holds back or releases everybody who is throttled by this connection.
    pub(crate) fn hold_back_sources(&self, on: bool) {
        let sources = self.0.extra.borrow().as_ref().map(|extra| extra.sources.clone()).unwrap_or_default();
        for source in sources.into_iter().filter_map(|id| self.0.reactor.connection(id)) {
            source.hold_back(on);
        }
    }

    fn accepts(&self, in_memory: usize) -> bool {
        if self.0.is_over() || self.0.flags.any(Flags::HALF) {
            return false;
        }
        let limit = self.0.limits.borrow().unsent;
        let below = || self.0.below.get().saturating_sub(self.0.below_files());
        let held = || self.0.out.borrow().in_memory() + below();
        if self.0.unsent().saturating_add(in_memory) > limit && held().saturating_add(in_memory) > limit {
            if crate::broken("exceed-unsent", 1) {
                return true;
            }
            self.condemn(Reason::Overflow(Limit::Unsent));
            return false;
        }
        true
    }

    fn wrote(&self, len: usize) {
        self.0.written.set(self.0.written.get().saturating_add(len as u64));
        self.look_whether_full();
    }

    /// Something was put into the buffers: looks at the high mark, and has it sent.
    pub(crate) fn look_whether_full(&self) {
        if !self.is_full() && self.0.unsent() > self.0.limits.borrow().high {
            self.0.flags.set(Flags::FULL);
            self.hold_back_sources(true);
        }
        self.mark_dirty();
    }
}

impl PartialEq for Transport {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Transport {}

impl Hash for Transport {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport({} to {})", self.id(), self.peer().remote)
    }
}
