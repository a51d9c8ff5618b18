//! [`Connection`]: what a [`Transport`] points at.

use crate::{
    Limits, Peer, Reactor, Reason, Resolver, Transport,
    driver::Token,
    flags::Flags,
    handle::sealed::Cancels,
    memory,
    peer::PeerCell,
    timer::{Due, Key},
    times::{Times, TimesCell},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    os::fd::OwnedFd,
    panic::Location,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};
use trenza_wire::OutBuf;

/// Names a connection across loops and threads: `Copy + Send`. It is never given out again, by no loop of the process
/// (until one place in a loop's table has been used 16 million times).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    of: LoopId,
    token: Token,
}

/// Tells the loops of a process apart. There will not be so many that they run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LoopId(u64);

impl LoopId {
    pub(crate) fn next() -> Self {
        static LOOPS: AtomicU64 = AtomicU64::new(0);
        Self(LOOPS.fetch_add(1, Ordering::Relaxed))
    }
}

impl ConnectionId {
    pub(crate) fn new(of: LoopId, token: Token) -> Self {
        Self { of, token }
    }

    pub(crate) fn loop_id(self) -> LoopId {
        self.of
    }

    pub(crate) fn index(self) -> u32 {
        self.token.index
    }
}

impl std::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match memory::place(self.token.index) {
            Some(place) => write!(f, "m{place}.{}", self.token.generation),
            None => write!(f, "{}.{}", self.token.index, self.token.generation),
        }
    }
}

/// How a connection's first protocol is made, and who is told.
pub(crate) enum Origin {
    /// By a port's factory.
    Port(Rc<crate::port::PortState>),
    /// By the factory of a port that has no other connection.
    Only(Box<Only>),
    /// By `connect`.
    Connect(Rc<crate::race::Race>),
    /// By `connect` in that place, and who asked was told.
    Told(&'static Location<'static>),
}

/// The port of a connection that was there already, and what serves it.
pub(crate) struct Only {
    pub(crate) port: Rc<crate::port::PortState>,
    pub(crate) factory: Box<dyn crate::Factory>,
}

impl Origin {
    /// The port that it came through.
    pub(crate) fn port(&self) -> Option<&Rc<crate::port::PortState>> {
        match self {
            Self::Port(port) => Some(port),
            Self::Only(only) => Some(&only.port),
            Self::Connect(_) | Self::Told(_) => None,
        }
    }

    /// The code that listened or connected.
    pub(crate) fn made(&self) -> &'static Location<'static> {
        match self {
            Self::Port(port) => port.made,
            Self::Only(only) => only.port.made,
            Self::Connect(race) => race.asked,
            Self::Told(made) => made,
        }
    }
}

/// Somebody who waits until bytes have left.
pub(crate) struct Waiter {
    /// How many had been written in all.
    pub(crate) written: u64,
    /// Where they end on the wire below layers, once those have encoded them.
    pub(crate) wire: Option<u64>,
    pub(crate) resolver: Resolver<()>,
}

/// What few connections have.
#[derive(Default)]
pub(crate) struct Extra {
    /// Why it will end.
    pub(crate) reason: Option<Reason>,
    /// Those who do not read while this one is full.
    pub(crate) sources: Vec<ConnectionId>,
    /// Those who wait until bytes have left.
    pub(crate) flushed: Vec<Waiter>,
    /// How many bytes came after `close()`.
    pub(crate) discarded: u64,
    /// How many bytes the system held for the peer when the loop last looked; None after any have left since.
    pub(crate) held: Option<usize>,
    /// Descriptors that came and wait for the protocol.
    pub(crate) descriptors: VecDeque<OwnedFd>,
    /// Those who wait for the end.
    pub(crate) ended: Vec<Resolver<Rc<Reason>>>,
    /// How it has ended.
    pub(crate) end: Option<Rc<Reason>>,
    /// What is cancelled with the connection.
    pub(crate) cancels: Cancels,
    /// Unsent bytes of files beneath the layers: they were written before a layer was pushed, and take no memory.
    pub(crate) below_files: usize,
}

/// Puts `new` into a list that few look after: before it grows, what is of no use any more leaves it. Its memory is
/// bounded by what is alive, at no cost that counts.
pub(crate) fn push_pruning<T>(list: &mut Vec<T>, new: T, is_alive: impl FnMut(&T) -> bool) {
    if list.len() == list.capacity() {
        list.retain(is_alive);
    }
    list.push(new);
}

/// The state of a connection that its handles share with the loop: buffers and flags, never the protocol.
pub(crate) struct Connection {
    pub(crate) reactor: Reactor,
    pub(crate) token: Token,
    pub(crate) flags: Flags,
    /// Shared with the [`Input`](trenza_wire::Input) that is being read.
    pub(crate) frozen: Cell<bool>,
    /// How many full connections hold this one back.
    pub(crate) throttled: Cell<u16>,
    /// How many switches and pushes wait in the queue: bytes are held for the next owner.
    pub(crate) changing: Cell<u16>,
    pub(crate) out: RefCell<OutBuf>,
    /// Unsent bytes in the layers, and of files beneath them.
    pub(crate) below: Cell<usize>,
    pub(crate) unread: Cell<Vec<u8>>,
    pub(crate) unread_len: Cell<usize>,
    pub(crate) received: Cell<u64>,
    pub(crate) written: Cell<u64>,
    pub(crate) limits: RefCell<Rc<Limits>>,
    pub(crate) peer: PeerCell,
    times: TimesCell,
    pub(crate) timer: Cell<Key>,
    pub(crate) extra: RefCell<Option<Box<Extra>>>,
}

impl Connection {
    pub(crate) fn new(reactor: Reactor, token: Token, peer: Peer, limits: Rc<Limits>) -> Self {
        let now = reactor.0.now_since_began();
        Self {
            reactor,
            token,
            flags: Flags::default(),
            frozen: Cell::new(false),
            throttled: Cell::new(0),
            changing: Cell::new(0),
            out: RefCell::default(),
            below: Cell::new(0),
            unread: Cell::default(),
            unread_len: Cell::new(0),
            received: Cell::new(0),
            written: Cell::new(0),
            limits: RefCell::new(limits),
            peer: peer.into(),
            times: TimesCell::new(now),
            timer: Cell::new(Key::NONE),
            extra: RefCell::default(),
        }
    }

    /// Its name.
    pub(crate) fn id(&self) -> ConnectionId {
        ConnectionId::new(self.reactor.0.loop_id(), self.token)
    }

    /// Bytes that have not left: plain ones and those in layers.
    pub(crate) fn unsent(&self) -> usize {
        self.out.borrow().len() + self.below.get()
    }

    /// It is an end of a pair.
    pub(crate) fn is_in_memory(&self) -> bool {
        memory::place(self.token.index).is_some()
    }

    /// So many bytes of files that were beneath the layers are not there any more.
    pub(crate) fn less_files(&self, bytes: usize) {
        if let Some(extra) = &mut *self.extra.borrow_mut() {
            extra.below_files = extra.below_files.saturating_sub(bytes);
        }
    }

    /// Unsent bytes of files beneath the layers.
    pub(crate) fn below_files(&self) -> usize {
        self.extra.borrow().as_ref().map_or(0, |extra| extra.below_files)
    }

    pub(crate) fn limits(&self) -> Rc<Limits> {
        self.limits.borrow().clone()
    }

    /// Notes what few connections have.
    pub(crate) fn with_extra<T>(&self, f: impl FnOnce(&mut Extra) -> T) -> T {
        f(self.extra.borrow_mut().get_or_insert_default())
    }

    /// Bytes wait for the next owner, or nobody may be told yet.
    pub(crate) fn holds(&self) -> bool {
        self.changing.get() > 0
            || !self.flags.any(Flags::TOLD)
            || self.flags.any(Flags::PAUSED) && !crate::broken("offer-while-paused", 1)
    }

    /// Closed, condemned or gone: nothing is offered any more.
    pub(crate) fn is_over(&self) -> bool {
        self.flags.any(Flags::CLOSING | Flags::CONDEMNED | Flags::LOST)
    }

    /// Whether the driver should read.
    pub(crate) fn wants_read(&self) -> bool {
        let f = &self.flags;
        if f.any(Flags::EOF_SEEN | Flags::CONDEMNED | Flags::LOST | Flags::LINGER_FULL | Flags::HELD_IN) {
            return false;
        }
        if f.any(Flags::CLOSING) {
            // Layers that are not ready may have to hear something before the last bytes can leave.
            return !f.any(Flags::PEER_SILENT) || !f.any(Flags::TOLD);
        }
        let held = f.any(Flags::PAUSED | Flags::UNREAD_FULL) || self.throttled.get() > 0;
        // What is written during a handshake waits for its end, and that for bytes.
        let shakes_hands = self.times.is_in_phase();
        let though_full = || shakes_hands || self.limits.borrow().read_while_full || self.is_piped();
        !held && (!f.any(Flags::FULL) || though_full())
    }

    /// It holds others back while it is full, so what it reads itself goes elsewhere: its two directions have
    /// nothing to do with each other.
    fn is_piped(&self) -> bool {
        self.extra.borrow().as_ref().is_some_and(|extra| !extra.sources.is_empty())
    }

    /// A time limit may run out over bytes that do not leave.
    pub(crate) fn is_timed(&self) -> bool {
        let times = self.times();
        self.flags.any(Flags::CLOSING) || times.idle.is_some() || times.deadline.is_some()
    }

    /// What the system held when the loop last looked.
    pub(crate) fn held(&self) -> Option<usize> {
        self.extra.borrow().as_ref().and_then(|extra| extra.held)
    }

    pub(crate) fn touch(&self) {
        self.times.touch(self.reactor.0.now_since_began());
    }

    /// The layers are not ready, or we linger.
    pub(crate) fn is_in_phase(&self) -> bool {
        self.times.is_in_phase()
    }

    /// The times after which something happens.
    pub(crate) fn times(&self) -> Times {
        self.times.get(self.reactor.0.began())
    }

    pub(crate) fn change_times(&self, change: impl FnOnce(&mut Times)) {
        let mut times = self.times();
        change(&mut times);
        self.times.set(self.reactor.0.began(), times);
    }

    /// When something happens to the connection unless bytes move.
    pub(crate) fn due(&self) -> Option<Instant> {
        let times = self.times();
        if self.flags.any(Flags::CLOSING) {
            let drain = self.limits.borrow().drain;
            let end = times.phase.or_else(|| times.active.checked_add(drain));
            let deadline = times.deadline.filter(|_| !self.flags.any(Flags::LINGERING));
            return [end, deadline].into_iter().flatten().min();
        }
        let idle = times.idle.and_then(|idle| times.active.checked_add(idle));
        [idle, times.deadline, times.phase].into_iter().flatten().min()
    }
}

impl Transport {
    /// Sees to it that the timer fires no later than the connection is due. One that fires too early is armed
    /// again then, so that traffic costs no timer operation.
    pub(crate) fn arm(&self) {
        let connection = &*self.0;
        if connection.flags.any(Flags::LOST) {
            return;
        }
        let Some(due) = connection.due() else { return };
        let mut timers = connection.reactor.0.timers.borrow_mut();
        match timers.deadline(connection.timer.get()) {
            Some(armed) if armed <= due => {}
            Some(_) => {
                timers.reset(connection.timer.get(), due);
            }
            None => connection.timer.set(timers.insert(due, Due::Connection(self.clone()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_grow_with_what_is_alive_only() {
        let mut list = Vec::new();
        (0..10_000).for_each(|n| push_pruning(&mut list, n, |old| n - old < 5));
        assert!(list.capacity() <= 16 && list.ends_with(&[9998, 9999]));
        let mut list = Vec::new();
        (0..100).for_each(|n| push_pruning(&mut list, n, |_| true));
        assert_eq!(list.len(), 100);
    }

    #[test]
    fn a_connection_is_small() {
        // An idle connection costs this, its peer, its entry in the loop's table and its protocol.
        assert!(size_of::<Connection>() <= 256, "{}", size_of::<Connection>());
        assert!(size_of::<crate::engine::turn::Slot>() <= 64, "{}", size_of::<crate::engine::turn::Slot>());
    }
}
