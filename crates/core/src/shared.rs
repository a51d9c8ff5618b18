//! [`Shared`]: what handles and the loop have in common.

use crate::{
    ConnectionId, Limits, Map, Reactor,
    command::Command,
    connection::Connection,
    driver::{Host, Token},
    remote::Outside,
    timer::Timers,
    transport::Transport,
};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

/// How many connections a loop holds unless told otherwise.
const CONNECTIONS_MAX: usize = 10_000;
/// How long protocols have to finish after `stop()` unless told otherwise.
const GRACE: Duration = Duration::from_secs(10);

/// How far the loop has come with stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Running,
    Asked,
    Begun,
}

/// Queues, clock and limits: everything a handle may reach. Nothing in here reaches a protocol, and no cell is
/// borrowed while user code runs or anything of the user's is dropped.
pub(crate) struct Shared {
    pub(crate) host: Rc<dyn Host>,
    pub(crate) outside: Arc<Outside>,
    pub(crate) timers: RefCell<Timers>,
    /// Remote resolvers by number, until their answer comes.
    pub(crate) waiting: RefCell<Map<u64, Box<dyn Any>>>,
    pub(crate) stop: Cell<Stop>,
    pub(crate) grace: Cell<Duration>,
    pub(crate) connections_max: Cell<usize>,
    pub(crate) limits: RefCell<Rc<Limits>>,
    /// The connection whose user code runs.
    pub(crate) running: Cell<Option<Token>>,
    now: Cell<Instant>,
    loop_id: u16,
    serial: Cell<u64>,
    commands: RefCell<VecDeque<Command>>,
    doomed: RefCell<VecDeque<Transport>>,
    dirty: RefCell<Vec<Transport>>,
    connections: RefCell<Vec<Option<Transport>>>,
    count: Cell<usize>,
}

impl Shared {
    pub(crate) fn new(host: Rc<dyn Host>, outside: Arc<Outside>) -> Self {
        /// Loops of one process are told apart in connection ids.
        static LOOPS: AtomicU16 = AtomicU16::new(0);
        Self {
            now: Cell::new(host.now()),
            host,
            outside,
            timers: RefCell::default(),
            waiting: RefCell::default(),
            stop: Cell::new(Stop::Running),
            grace: Cell::new(GRACE),
            connections_max: Cell::new(CONNECTIONS_MAX),
            limits: RefCell::default(),
            running: Cell::new(None),
            loop_id: LOOPS.fetch_add(1, Ordering::Relaxed),
            serial: Cell::new(0),
            commands: RefCell::default(),
            doomed: RefCell::default(),
            dirty: RefCell::default(),
            connections: RefCell::default(),
            count: Cell::new(0),
        }
    }

    /// The loop's time: read once a turn.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    pub(crate) fn read_clock(&self) {
        self.now.set(self.host.now());
    }

    pub(crate) fn next_serial(&self) -> u64 {
        let serial = self.serial.get();
        self.serial.set(serial + 1);
        serial
    }

    pub(crate) fn loop_id(&self) -> u16 {
        self.loop_id
    }

    pub(crate) fn command(&self, command: Command) {
        self.commands.borrow_mut().push_back(command);
    }

    pub(crate) fn next_command(&self) -> Option<Command> {
        self.commands.borrow_mut().pop_front()
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

    /// True when `dispatch` would find something to do without any event.
    pub(crate) fn has_work(&self) -> bool {
        self.is_queued() || self.stop.get() == Stop::Asked || self.outside.has_work()
    }

    fn is_queued(&self) -> bool {
        !(self.commands.borrow().is_empty()
            && self.doomed.borrow().is_empty()
            && self.dirty.borrow().is_empty())
    }

    pub(crate) fn enroll(&self, transport: &Transport) {
        let index = transport.0.token.index as usize;
        let mut connections = self.connections.borrow_mut();
        if connections.len() <= index {
            connections.resize(index + 1, None);
        }
        if let Some(place) = connections.get_mut(index) {
            let former = place.replace(transport.clone());
            debug_assert!(former.is_none(), "the driver gave an index out twice");
            self.count.set(self.count.get() + 1);
        }
    }

    pub(crate) fn strike(&self, connection: &Connection) {
        let struck =
            self.connections.borrow_mut().get_mut(connection.token.index as usize).and_then(Option::take);
        if struck.is_some() {
            self.count.set(self.count.get() - 1);
        }
    }

    /// How many connections are enrolled.
    pub(crate) fn connection_count(&self) -> usize {
        self.count.get()
    }

    pub(crate) fn connection(&self, id: ConnectionId) -> Option<Transport> {
        if id.loop_id() != self.loop_id {
            return None;
        }
        let connections = self.connections.borrow();
        connections.get(id.index() as usize)?.as_ref().filter(|transport| transport.id() == id).cloned()
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
        let connections = std::mem::take(&mut *self.connections.borrow_mut());
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        let timers = self.timers.borrow_mut().drain();
        self.count.set(0);
        Some((commands, doomed, dirty, connections, waiting, timers))
    }
}

thread_local! {
    static CURRENT: RefCell<Vec<Reactor>> = const { RefCell::new(Vec::new()) };
}

/// The reactor whose callback runs on this thread.
pub(crate) fn current() -> Option<Reactor> {
    CURRENT.with_borrow(|stack| stack.last().cloned())
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
        CURRENT.with_borrow_mut(|stack| stack.push(reactor.clone()));
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let former = CURRENT.with_borrow_mut(Vec::pop);
        drop(former);
    }
}
