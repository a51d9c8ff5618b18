//! [`Shared`]: what handles and the loop have in common.
//!
//! What bounds each of the queues and lists of the engine:
//!
//! | what waits | bounded by |
//! |---|---|
//! | bytes: unread, unsent, in layers | [`Limits`], for each connection |
//! | addresses of a connect | 64 are tried |
//! | connections | [`Reactor::set_connections_max`], of all loops together; those that the program makes by the system's descriptors, pairs not at all |
//! | bytes on their way within a pair | 64 KiB in each direction |
//! | child processes | the system's processes and descriptors: each is the program's own doing; a process's output by [`Limits`] |
//! | the dirty, those to end | each connection and UDP port is in there once |
//! | datagrams | [`Limits::unsent`], for each UDP port; what comes is not kept |
//! | woken tasks | each task is in there once |
//! | commands | while more wait than a turn runs, the loop takes no event; the rest is the program's own doing |
//! | calls of other threads | a million; answers to remote resolvers by how many the loop has asked for |
//! | timers | one for each connection, one for each sleep; the rest is the program's own doing |
//! | tasks, guards, `flushed`, `then_in`, throttles | one for each call of the program; what is over leaves the list |
//! | those who wait for a lock, a semaphore, a queue | 10,000 each, unless told otherwise |
//! | blocking jobs, lookups | the queue of their pool |

use crate::{
    ConnectionId, Limits, Map, Reactor, Service, UdpPort,
    connection::{Connection, LoopId, push_pruning},
    driver::{Host, Resolve, Token},
    endpoint::registry::Kinds,
    engine::command::Command,
    engine::table::Table,
    loops::Joined,
    memory::Tokens,
    race::Race,
    remote::{Awaited, Outside},
    room::Room,
    timer::Timers,
    times,
    transport::Transport,
};
use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::VecDeque,
    panic::Location,
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant},
};

/// How many connections a loop holds unless told otherwise.
const CONNECTIONS_MAX: usize = 10_000;
/// How long protocols have to finish after `stop()` unless told otherwise.
const GRACE: Duration = Duration::from_secs(10);

/// What delays that overflow the clock are taken for: 100 years.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How far the loop has come with stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Running,
    Asked,
    /// Services are being stopped.
    Services,
    /// They have stopped.
    Ready,
    Begun,
}

/// Queues, clock and limits: everything a handle may reach. Nothing in here reaches a protocol, and no cell is
/// borrowed while user code runs or anything of the user's is dropped.
pub(crate) struct Shared {
    pub(crate) host: Rc<dyn Host>,
    pub(crate) outside: Arc<Outside>,
    pub(crate) timers: RefCell<Timers>,
    /// Of connections in memory.
    pub(crate) tokens: Rc<Tokens>,
    /// Remote resolvers by number, until their answer comes.
    pub(crate) waiting: RefCell<Map<u64, Awaited>>,
    /// The loops that belong together; none: it is alone.
    pub(crate) joined: OnceCell<Joined>,
    pub(crate) stop: Cell<Stop>,
    /// The loop is gone: what handles that outlive it queue is dropped at once, else it would hold them for ever.
    pub(crate) ended: Cell<bool>,
    pub(crate) grace: Cell<Duration>,
    /// That time is over: what is made now ends at once.
    pub(crate) late: Cell<bool>,
    pub(crate) connections_max: Cell<usize>,
    pub(crate) limits: RefCell<Rc<Limits>>,
    /// The kinds of endpoint that are known.
    pub(crate) kinds: RefCell<Kinds>,
    /// Looks names up, on a thread.
    pub(crate) resolver: RefCell<Resolve>,
    /// The code that connects, while an endpoint makes a stream for it.
    pub(crate) asked: Cell<Option<&'static Location<'static>>>,
    /// The connection whose user code runs.
    pub(crate) running: Cell<Option<Token>>,
    now: Cell<Instant>,
    /// When the loop was made, and how long ago that is, in nanoseconds.
    began: Instant,
    age: Cell<u64>,
    loop_id: LoopId,
    serial: Cell<u64>,
    commands: RefCell<VecDeque<Command>>,
    doomed: RefCell<VecDeque<Transport>>,
    dirty: RefCell<Vec<Transport>>,
    dirty_udp: RefCell<VecDeque<UdpPort>>,
    connections: RefCell<Table<Option<Transport>>>,
    /// Connects on their way.
    races: RefCell<Vec<Weak<Race>>>,
    count: Cell<usize>,
    /// UDP ports that are served.
    pub(crate) udp_ports: RefCell<Vec<UdpPort>>,
}

impl Shared {
    pub(crate) fn new(host: Rc<dyn Host>, outside: Arc<Outside>) -> Self {
        let now = host.now();
        Self {
            now: Cell::new(now),
            began: now,
            age: Cell::new(0),
            resolver: RefCell::new(host.resolver()),
            host,
            kinds: RefCell::default(),
            outside,
            timers: RefCell::default(),
            tokens: Rc::default(),
            waiting: RefCell::default(),
            joined: OnceCell::new(),
            stop: Cell::new(Stop::Running),
            ended: Cell::new(false),
            grace: Cell::new(GRACE),
            late: Cell::new(false),
            connections_max: Cell::new(CONNECTIONS_MAX),
            limits: RefCell::default(),
            asked: Cell::new(None),
            running: Cell::new(None),
            loop_id: LoopId::next(),
            serial: Cell::new(0),
            commands: RefCell::default(),
            doomed: RefCell::default(),
            dirty: RefCell::default(),
            dirty_udp: RefCell::default(),
            connections: RefCell::default(),
            races: RefCell::default(),
            count: Cell::new(0),
            udp_ports: RefCell::default(),
        }
    }

    /// The loop's time: read once a turn.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    /// The time so far from now; one that no clock can show is in the far future.
    pub(crate) fn after(&self, delay: Duration) -> Instant {
        let now = self.now();
        now.checked_add(delay).unwrap_or_else(|| now + FAR)
    }

    pub(crate) fn read_clock(&self) {
        self.now.set(self.host.now());
        self.age.set(times::since(self.began, self.now()));
    }

    /// When the loop was made.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// The loop's time, in nanoseconds since it was made.
    pub(crate) fn now_since_began(&self) -> u64 {
        self.age.get()
    }

    pub(crate) fn next_serial(&self) -> u64 {
        let serial = self.serial.get();
        self.serial.set(serial + 1);
        serial
    }

    pub(crate) fn loop_id(&self) -> LoopId {
        self.loop_id
    }

    pub(crate) fn command(&self, command: Command) {
        if self.ended.get() {
            return drop(command);
        }
        self.commands.borrow_mut().push_back(command);
    }

    pub(crate) fn commands_waiting(&self) -> usize {
        self.commands.borrow().len()
    }

    pub(crate) fn next_command(&self) -> Option<Command> {
        self.commands.borrow_mut().pop_front()
    }

    /// Takes the services out of the queue that were started in this turn.
    pub(crate) fn take_kept(&self) -> Vec<Box<dyn Service>> {
        let mut kept = Vec::new();
        let commands = std::mem::take(&mut *self.commands.borrow_mut());
        for command in commands {
            match command {
                Command::Keep(service) => kept.push(service),
                other => self.commands.borrow_mut().push_back(other),
            }
        }
        kept
    }

    /// Queues a connection that is to end.
    pub(crate) fn doom(&self, transport: Transport) {
        self.doomed.borrow_mut().push_back(transport);
    }

    pub(crate) fn next_doomed(&self) -> Option<Transport> {
        self.doomed.borrow_mut().pop_front()
    }

    pub(crate) fn mark_dirty(&self, transport: Transport) {
        self.dirty.borrow_mut().push(transport);
    }

    /// Exchanges the queue of dirty connections for `other`, whose capacity is used again.
    pub(crate) fn swap_dirty(&self, other: &mut Vec<Transport>) {
        std::mem::swap(&mut *self.dirty.borrow_mut(), other);
    }

    pub(crate) fn mark_dirty_udp(&self, port: UdpPort) {
        if !self.ended.get() {
            self.dirty_udp.borrow_mut().push_back(port);
        }
    }

    /// How many UDP ports have something to send, or are to be closed.
    pub(crate) fn dirty_udp(&self) -> usize {
        self.dirty_udp.borrow().len()
    }

    pub(crate) fn next_dirty_udp(&self) -> Option<UdpPort> {
        self.dirty_udp.borrow_mut().pop_front()
    }

    /// True when `dispatch` would find something to do without any event.
    pub(crate) fn has_work(&self) -> bool {
        self.is_queued() || matches!(self.stop.get(), Stop::Asked | Stop::Ready) || self.outside.has_work()
    }

    fn is_queued(&self) -> bool {
        !(self.commands.borrow().is_empty()
            && self.doomed.borrow().is_empty()
            && self.dirty.borrow().is_empty()
            && self.dirty_udp.borrow().is_empty())
    }

    pub(crate) fn add_race(&self, race: &Rc<Race>) {
        let alive = |race: &Weak<Race>| race.strong_count() > 0;
        push_pruning(&mut self.races.borrow_mut(), Rc::downgrade(race), alive);
    }

    pub(crate) fn take_races(&self) -> Vec<Rc<Race>> {
        self.races.take().iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn enroll(&self, transport: &Transport) {
        let former = self.connections.borrow_mut().place(transport.0.token, Some(transport.clone()));
        debug_assert!(former.is_none(), "the driver gave an index out twice");
        self.count.set(self.count.get() + 1);
        if let Some(joined) = self.joined.get() {
            joined.connections().enter();
        }
    }

    pub(crate) fn strike(&self, connection: &Connection) {
        let struck = self.connections.borrow_mut().get_mut(connection.token.index).and_then(Option::take);
        if struck.is_some() {
            self.count.set(self.count.get() - 1);
            if let Some(joined) = self.joined.get() {
                joined.connections().leave();
            }
        }
    }

    /// How many connections are enrolled.
    pub(crate) fn connection_count(&self) -> usize {
        self.count.get()
    }

    /// A connection is on its way between loops, and counts meanwhile; or it is not any more.
    pub(crate) fn count_elsewhere(&self, on_its_way: bool) {
        let all = self.joined.get().map(|joined| joined.connections());
        match on_its_way {
            true => all.into_iter().for_each(Room::enter),
            false => all.into_iter().for_each(Room::leave),
        }
    }

    /// There are as many connections as may be, on this loop or all that it belongs to.
    pub(crate) fn is_full(&self) -> bool {
        let all = self.joined.get().map_or(0, |joined| joined.connections().live());
        self.connection_count().max(all) >= self.connections_max.get()
    }

    pub(crate) fn connection(&self, id: ConnectionId) -> Option<Transport> {
        if id.loop_id() != self.loop_id {
            return None;
        }
        let connections = self.connections.borrow();
        connections.get(id.index())?.as_ref().filter(|transport| transport.id() == id).cloned()
    }

    pub(crate) fn connections(&self) -> Vec<Transport> {
        self.connections.borrow().iter().flatten().cloned().collect()
    }

    /// Takes everything that is left, for the end of the loop, unless nothing is. The caller drops it while nothing
    /// is borrowed.
    pub(crate) fn drain(&self) -> Option<impl Sized + use<>> {
        if !self.is_queued() && self.waiting.borrow().is_empty() && self.timers.borrow().len() == 0 {
            return None;
        }
        let commands = std::mem::take(&mut *self.commands.borrow_mut());
        let doomed = std::mem::take(&mut *self.doomed.borrow_mut());
        let dirty = std::mem::take(&mut *self.dirty.borrow_mut());
        let dirty_udp = std::mem::take(&mut *self.dirty_udp.borrow_mut());
        let connections = std::mem::take(&mut *self.connections.borrow_mut());
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        let timers = self.timers.borrow_mut().drain();
        let left = self.count.replace(0);
        if let Some(joined) = self.joined.get() {
            (0..left).for_each(|_| joined.connections().leave());
        }
        Some((commands, doomed, dirty, dirty_udp, connections, waiting, timers))
    }
}

thread_local! {
    static CURRENT: RefCell<Vec<Reactor>> = const { RefCell::new(Vec::new()) };
}

/// The reactor whose callback runs on this thread; none while the thread's locals are being dropped.
pub(crate) fn current() -> Option<Reactor> {
    CURRENT.try_with(|stack| stack.borrow().last().cloned()).ok().flatten()
}

/// True when code of this loop runs on this thread.
pub(crate) fn is_current(outside: &Arc<Outside>) -> bool {
    CURRENT.try_with(|stack| {
        stack
            .try_borrow()
            .is_ok_and(|stack| stack.last().is_some_and(|top| Arc::ptr_eq(&top.0.outside, outside)))
    }) == Ok(true)
}

/// Makes a reactor the current one until it is dropped.
pub(crate) struct Entered;

impl Entered {
    pub(crate) fn new(reactor: &Reactor) -> Self {
        // An engine that is a local of its thread may be dropped after this one.
        let _ = CURRENT.try_with(|stack| stack.borrow_mut().push(reactor.clone()));
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let former = CURRENT.try_with(|stack| stack.borrow_mut().pop());
        drop(former);
    }
}
