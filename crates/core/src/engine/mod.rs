//! [`Engine`]: the loop.
//!
//! ```text
//!        ┌──────────────────────── dispatch ───────────────────────────┐
//!        │ 1 events    next() → layers.decode → Input → protocol       │
//!        │ 2 timers    due entries → protocol | wake | run             │
//!        │ 3 commands  the ended; calls, switches, pushes, connects;   │
//!        │             other threads' calls; tasks that were woken     │
//!        │ 4 flush     each dirty connection once: encode → send       │
//!        └─────────────────────────────────────────────────────────────┘
//!   wait      until the next timer, or not at all if work is left
//! ```
//!
//! The flush never calls a protocol: what it causes becomes a command of the next turn, and what gets dirty
//! during a flush waits a turn, so that one fast reader does not hold the loop.

pub(crate) mod admit;
pub(crate) mod command;
pub(crate) mod edge;
pub(crate) mod entry;
pub(crate) mod flush;
pub(crate) mod kept;
pub(crate) mod left;
pub(crate) mod lost;
pub(crate) mod pair;
pub(crate) mod ports;
pub(crate) mod stack;
mod switchboard;
pub(crate) mod table;
pub(crate) mod turn;
pub(crate) mod udp;

use crate::{
    Left, Leftover, Loops, Reactor,
    driver::Driver,
    engine::lost::{contained, discard},
    engine::switchboard::Switchboard,
    engine::turn::Turn,
    memory::Memory,
    remote::Outside,
    shared::{Entered, Shared, Stop},
};
use std::{
    fmt,
    os::fd::BorrowedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

/// How many events a turn takes from the driver, so that a flood does not keep others from being flushed.
const EVENTS_MAX: usize = 256;
/// How many commands, calls and task polls a turn runs. While more commands wait, no event is taken, so that what
/// callbacks queue in answer to the network is bounded. (Due timers are all run: those made meanwhile wait a turn.)
const WORK_MAX: usize = 4096;

/// The loop: what `run` is made of, for hosts with a loop of their own (a GUI, an interpreter).
///
/// ```
/// # use trenza_core::Engine;
/// # let net = trenza_sim::Net::new(1);
/// # let driver = Box::new(net.host("here").driver());
/// let mut engine = Engine::new(driver);
/// engine.enter(|reactor| reactor.stop()); // listen, connect, ...
/// while engine.dispatch() {
///     let until = engine.until();
///     engine.driver().wait(until)?; // touches no user code
/// }
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub struct Engine {
    driver: Switchboard,
    turn: Turn,
}

impl Engine {
    /// A loop over a driver.
    pub fn new(driver: Box<dyn Driver>) -> Self {
        let outside = Arc::new(Outside::new(driver.waker()));
        let shared = Rc::new(Shared::new(driver.host(), outside));
        let driver = Switchboard::new(driver, Memory::new(shared.tokens.clone()));
        Self { driver, turn: Turn::new(Reactor(shared)) }
    }

    /// The driver, to wait on it.
    pub fn driver(&mut self) -> &mut dyn Driver {
        &mut self.driver
    }

    /// The reactor.
    pub fn reactor(&self) -> Reactor {
        self.turn.reactor.clone()
    }

    /// Makes the loop one of several, the `index`-th of them. Once, and before it does anything.
    ///
    /// # Panics
    /// It belongs to some already, or these have no loop of that number.
    pub fn join(&mut self, loops: &Loops, index: usize) {
        self.turn.reactor.0.join(loops, index);
    }

    /// Runs `f` as if the loop called it, so that [`Reactor::current`] works in it.
    pub fn enter<T>(&mut self, f: impl FnOnce(&Reactor) -> T) -> T {
        let reactor = self.reactor();
        reactor.0.read_clock();
        let _entered = Entered::new(&reactor);
        f(&reactor)
    }

    /// What a host with a loop of its own watches for readability; None where the driver has nothing to watch.
    ///
    /// Before it blocks, it has the driver look without waiting: that tells the system what the loop is interested in
    /// by now. What the driver finds then keeps the descriptor readable, or `until` in the past.
    ///
    /// ```
    /// # use trenza_core::Engine;
    /// # use std::{os::fd::BorrowedFd, time::Instant};
    /// # fn watch(_: BorrowedFd<'_>, _: Option<Instant>) {}
    /// # let net = trenza_sim::Net::new(1);
    /// # let mut engine = Engine::new(Box::new(net.host("here").driver()));
    /// # engine.enter(|reactor| reactor.stop());
    /// while engine.dispatch() {
    ///     let now = engine.driver().host().now();
    ///     engine.driver().wait(Some(now))?;
    ///     let until = engine.until();
    ///     if let Some(descriptor) = engine.descriptor() {
    ///         watch(descriptor, until); // with the host's own descriptors and timers
    ///     }
    /// }
    /// # Ok::<(), trenza_core::Error>(())
    /// ```
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.driver.descriptor()
    }

    /// How much the loop still holds. A test that ends should leave nothing.
    pub fn left(&self) -> Left {
        self.turn.left()
    }

    /// Each thing that the loop still holds, and the code that made it: to be shown when [`Engine::left`] is not
    /// what was expected. Calls that the loop has not got to yet are not among them.
    pub fn leftovers(&self) -> Vec<Leftover> {
        self.turn.leftovers()
    }

    /// Until when to wait for events; None: without end.
    pub fn until(&self) -> Option<Instant> {
        let shared = &self.turn.reactor.0;
        if shared.has_work() || self.driver.memory.has_work() {
            return Some(shared.now());
        }
        let timer = shared.timers.borrow().first();
        timer.into_iter().chain(self.driver.until()).min()
    }

    /// Runs one turn: what has happened, what is due, what was asked for. False when the loop was stopped and
    /// everything has ended. Panics of user code are contained: each costs its connection.
    pub fn dispatch(&mut self) -> bool {
        let reactor = self.reactor();
        let _entered = Entered::new(&reactor);
        reactor.0.read_clock();
        self.turn.begin(WORK_MAX);
        let mut left = EVENTS_MAX;
        self.contained(|engine| engine.events(&mut left));
        self.contained(Self::timers);
        self.contained(Self::work);
        self.turn.begin_flush();
        self.contained(Self::flush);
        let mut ended = false;
        self.contained(|engine| ended |= engine.ends());
        // Who waited for such an end goes on before the loop is over.
        !self.turn.is_over() || (ended && self.turn.reactor.0.has_work())
    }

    /// Runs a part of the turn until it ends without a panic. One `catch_unwind` a batch: one for each callback
    /// would cost 15 ns each.
    fn contained(&mut self, mut part: impl FnMut(&mut Self)) {
        while let Err(payload) = catch_unwind(AssertUnwindSafe(|| part(self))) {
            discard(payload);
            self.turn.panicked();
        }
    }

    fn events(&mut self, left: &mut usize) {
        while *left > 0 && self.turn.reactor.0.commands_waiting() <= WORK_MAX {
            *left -= 1;
            self.turn.settle(&mut self.driver);
            let Some(event) = self.driver.next() else { return };
            self.turn.event(event);
        }
        self.turn.settle(&mut self.driver);
    }

    fn timers(&mut self) {
        while self.turn.next_timer(&mut self.driver) {}
    }

    fn work(&mut self) {
        match self.turn.reactor.0.stop.get() {
            Stop::Asked if self.turn.stop_services() => {}
            Stop::Asked | Stop::Ready => self.turn.begin_stop(&mut self.driver),
            Stop::Running | Stop::Services | Stop::Begun => {}
        }
        while self.turn.next_work(&mut self.driver) {}
    }

    fn flush(&mut self) {
        while self.turn.next_flush(&mut self.driver) {}
    }

    /// Those whose last bytes have left need no turn more, and no look at the system before it.
    /// True when there were any.
    fn ends(&mut self) -> bool {
        let mut any = false;
        while self.turn.next_end(&mut self.driver) {
            any = true;
        }
        self.turn.settle(&mut self.driver);
        any
    }
}

impl Drop for Engine {
    /// Connections are reset, tasks and what waits in queues are dropped.
    fn drop(&mut self) {
        let reactor = self.reactor();
        let _entered = Entered::new(&reactor);
        contained("a drop", || reactor.0.outside.close());
        self.turn.end(&mut self.driver);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("reactor", &self.turn.reactor).finish_non_exhaustive()
    }
}
