//! [`QueueRunner`]: the loop's part that carries messages on.
//!
//! ```text
//!   inlets ──▶ Inbox ─┐                    ┌──▶ Carrier ──▶ what came of it ─┐
//!   disk ──▶ scan ────┼──▶ Index ── start ─┘                                 ▼
//!   requests ─────────┘      ▲                                            pending
//!                            └── tried again ◀── ledger, a batch at a time ◀─┘
//! ```

mod errand;
mod scan;
mod settlement;

use super::{
    Carrier, Queue, QueueId, Record, State,
    index::Index,
    ledger::{BATCH_MAX, Settlement},
    record::{seconds, time},
};
use crate::smtp::Recipient;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::{Rc, Weak},
    time::{Duration, Instant, SystemTime},
};
use trenza_core::{Deferred, Group, Reactor, Resolver, Service, Timer};
use trenza_storage::Storage;

/// While what came of so many messages is not on the disk nothing new is tried.
const PENDING_MAX: usize = 1000;
/// How long it sleeps at most, since the wall clock may be set.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// By how many seconds the wall clock may be set back without a word.
const CLOCK_SLACK: u64 = 60;
/// Under what name messages are worked on that are carried nowhere.
const NOWHERE: &str = "";

/// Carries the messages of a queue on: a service of one loop. Made by [`Queue::carried_by`].
pub struct QueueRunner {
    queue: Queue,
    carrier: Option<Box<dyn Carrier>>,
    state: Option<Rc<Runner>>,
}

struct Runner {
    queue: Queue,
    reactor: Reactor,
    start: Instant,
    storage: Storage,
    carrier: Box<dyn Carrier>,
    inner: RefCell<Inner>,
    /// Dropping it ends what is under way.
    group: RefCell<Option<Group>>,
    timer: Cell<Option<Timer>>,
    stopping: Cell<Option<Resolver<()>>>,
    is_stopping: Cell<bool>,
    /// The wall clock when it was looked at last.
    clock: Cell<u64>,
}

struct Inner {
    index: Index,
    /// What is to be noted on the disk.
    pending: BTreeMap<QueueId, Pending>,
    /// Of which messages that is being done, and by how many jobs.
    writing: BTreeSet<QueueId>,
    writers: usize,
    /// All that was on the disk at the start is known, and reports that were owed are made.
    is_ready: bool,
    scan: Job,
    look: Job,
}

/// Something that is done now and then.
#[derive(Default)]
struct Job {
    is_running: bool,
    was_done: bool,
    /// Not before this tick.
    not_before: u64,
}

#[derive(Default)]
struct Pending {
    settlement: Settlement,
    /// Under which names the message is worked on for it.
    names: Vec<Rc<str>>,
    /// It has failed, and is not to be tried again before this tick.
    not_before: u64,
}

impl QueueRunner {
    pub(in crate::queue) fn new(queue: Queue, carrier: Box<dyn Carrier>) -> Self {
        Self { queue, carrier: Some(carrier), state: None }
    }
}

impl Service for QueueRunner {
    fn start(&mut self, reactor: &Reactor) -> trenza_core::Result {
        let carrier = self.carrier.take().ok_or("a queue is started once")?;
        let runner = Rc::new(Runner {
            queue: self.queue.clone(),
            reactor: reactor.clone(),
            start: reactor.now(),
            storage: Storage::over(reactor, self.queue.0.tree.clone()),
            carrier,
            inner: RefCell::new(Inner {
                index: Index::new(self.queue.0.options.limits.clone()),
                pending: BTreeMap::new(),
                writing: BTreeSet::new(),
                writers: 0,
                is_ready: false,
                scan: Job::default(),
                look: Job::default(),
            }),
            group: RefCell::new(Some(Group::new(reactor))),
            timer: Cell::default(),
            stopping: Cell::default(),
            is_stopping: Cell::new(false),
            clock: Cell::new(0),
        });
        runner.listen();
        runner.pump();
        self.state = Some(runner);
        Ok(())
    }

    fn stop(&mut self) -> Deferred<()> {
        let reactor = self.state.as_ref().map_or_else(Reactor::current, |state| state.reactor.clone());
        let (over, tell) = reactor.deferred();
        match &self.state {
            Some(state) => {
                state.is_stopping.set(true);
                state.stopping.set(Some(tell));
                state.queue.listen(None);
                state.pump();
            }
            None => tell.fire(Ok(())),
        }
        over
    }

    fn abort(&mut self) {
        if let Some(state) = self.state.take() {
            state.end();
        }
    }
}

impl Runner {
    /// The wall clock, in seconds since the epoch: what is on the disk goes by it.
    fn now(&self) -> u64 {
        seconds(self.reactor.wall())
    }

    /// Seconds since the start, for what must not stand still when the wall clock is set back.
    fn tick(&self) -> u64 {
        self.reactor.now().saturating_duration_since(self.start).as_secs()
    }

    /// When something of the disk is due that says it is due then: at once, if that is longer from now than anything waits.
    /// Then the wall clock was ahead when it was written.
    fn due(&self, at: SystemTime) -> u64 {
        let (at, now) = (seconds(at), self.now());
        let most = self.queue.0.options.schedule.longest_pause().as_secs();
        if at > now.saturating_add(most) { now } else { at }
    }

    /// Looks whether the wall clock was set back. What waits is planned anew then: it would wait until it is that time again.
    fn look_at_clock(&self) {
        let now = self.now();
        if now.saturating_add(CLOCK_SLACK) < self.clock.replace(now) {
            tracing::warn!("the clock was set back: the queue is looked through again");
            self.inner.borrow_mut().index.forget_all();
        }
    }

    /// Does whatever is to be done now.
    fn pump(self: &Rc<Self>) {
        self.look_at_clock();
        self.take_arrived();
        self.start_errands();
        self.write();
        self.scan();
        self.look();
        self.sleep();
        self.end_if_idle();
    }

    /// Wakes when a message has come.
    fn listen(self: &Rc<Self>) {
        let (rung, bell) = self.reactor.remote_resolver();
        self.queue.listen(Some(bell));
        let runner = Rc::downgrade(self);
        rung.then(move |rung| {
            if let (Ok(()), Some(runner)) = (rung, runner.upgrade()) {
                // First, so that what comes from now on rings again.
                runner.listen();
                runner.pump();
            }
        });
    }

    fn spawn(&self, task: impl Future<Output = trenza_core::Result> + 'static) {
        // It is moved out while it spawns: nothing of a task runs while the cell is borrowed.
        if let Some(group) = &*self.group.borrow() {
            group.spawn(task);
        }
    }

    fn take_arrived(&self) {
        let (arrived, missed) = self.queue.take_arrived();
        for (id, record) in &arrived {
            self.know(id, record);
        }
        if missed {
            self.inner.borrow_mut().index.leave_out(self.now());
        }
    }

    /// What is to be done about a message is planned, as far as it is not already.
    fn know(&self, id: &QueueId, record: &Record) {
        let due = self.destinations(record);
        let inner = &mut *self.inner.borrow_mut();
        let notice = self.notice(record);
        for (name, due) in due {
            inner.index.add(id, &name, due, notice);
        }
        let is_owed = |state: &State| !matches!(state, State::Waiting { .. } | State::Done);
        if (record.is_over() || record.recipients.iter().any(|one| is_owed(&one.state)))
            && !inner.index.is_busy(id)
        {
            inner.pend_nowhere(id);
        }
    }

    /// Where a message has still to go, and when.
    fn destinations(&self, record: &Record) -> BTreeMap<String, u64> {
        let mut due = BTreeMap::new();
        for one in &record.recipients {
            if let State::Waiting { next, .. } = one.state {
                let next = self.due(next);
                let earliest = due.entry(self.destination(&one.rcpt.to)).or_insert(next);
                *earliest = next.min(*earliest);
            }
        }
        due
    }

    /// The destination of a recipient. A panic must end no more than the question: there is one for each message.
    fn destination(&self, to: &Recipient) -> String {
        catch_unwind(AssertUnwindSafe(|| self.carrier.destination(to))).unwrap_or_else(|_| {
            tracing::error!(%to, "the carrier has panicked, and names no destination");
            to.mailbox().map(|mailbox| mailbox.host().to_string()).unwrap_or_default()
        })
    }

    /// When the sender is to be told something of a message, if it is still there by then.
    fn notice(&self, record: &Record) -> u64 {
        let schedule = &self.queue.0.options.schedule;
        let unwarned = |state: &State| matches!(state, State::Waiting { warned: false, .. });
        let after = match schedule.warn {
            Some(warn) if record.recipients.iter().any(|one| unwarned(&one.state)) => warn,
            _ => schedule.give_up,
        };
        seconds(record.arrived).saturating_add(after.as_secs())
    }

    fn start_errands(self: &Rc<Self>) {
        loop {
            let errand = {
                let inner = &mut *self.inner.borrow_mut();
                if !inner.is_ready {
                    inner.is_ready =
                        inner.scan.was_done && inner.pending.values().all(|one| one.not_before > 0);
                }
                let may = inner.is_ready && !self.is_stopping.get() && inner.pending.len() < PENDING_MAX;
                if may { inner.index.start(self.now()) } else { None }
            };
            let Some(errand) = errand else { return };
            self.spawn(self.clone().errand(errand));
        }
    }

    /// An errand is over, and what is left of it is planned.
    fn plan_again(&self, id: &QueueId, name: &str, record: &Record) {
        let due = self.destinations(record).remove(name);
        let notice = self.notice(record);
        let index = &mut self.inner.borrow_mut().index;
        index.release(id, name);
        if let Some(due) = due {
            index.add(id, name, due, notice);
        }
    }
}

/// Time and the end.
impl Runner {
    /// Wakes when there is something to do.
    fn sleep(self: &Rc<Self>) {
        let (now, tick) = (self.now(), self.tick());
        let (turn, work) = {
            let inner = &*self.inner.borrow();
            let later = |job: &Job| Some(job.not_before).filter(|_| !job.is_running);
            let scan = later(&inner.scan).filter(|_| inner.index.wants_more(now) || !inner.scan.was_done);
            let pending = inner.pending.values().map(|one| one.not_before);
            let work = [later(&inner.look), scan].into_iter().flatten().chain(pending);
            (inner.index.next_turn(now), work.filter(|at| *at > tick).min())
        };
        let wall = self.reactor.wall();
        let turn = turn.map(|at| time(at).duration_since(wall).unwrap_or_default());
        let work = work.map(|at| Duration::from_secs(at - tick));
        let pause = turn.into_iter().chain(work).fold(SLEEP_MAX, Duration::min);
        let runner: Weak<Self> = Rc::downgrade(self);
        let timer = self.reactor.call_later(pause, move || {
            if let Some(runner) = runner.upgrade() {
                runner.pump();
            }
        });
        let is_over = self.group.borrow().is_none();
        drop(self.timer.replace(Some(timer).filter(|_| !is_over)));
    }

    /// Says that it is over when it is to stop and nothing is under way.
    fn end_if_idle(&self) {
        let is_idle = {
            let inner = &*self.inner.borrow();
            inner.index.under_way() == 0 && inner.writers == 0 && inner.pending.is_empty()
        };
        if self.is_stopping.get() && is_idle {
            if let Some(tell) = self.stopping.take() {
                tell.fire(Ok(()));
            }
            self.end();
        }
    }

    fn end(&self) {
        self.queue.listen(None);
        drop(self.timer.take());
        let group = self.group.borrow_mut().take();
        drop(group);
    }
}

impl Inner {
    /// What is to be noted of a message that was under way under this name, and is busy until it is noted.
    fn pend(&mut self, id: &QueueId, name: Rc<str>) -> &mut Settlement {
        let pending = self.pending.entry(id.clone()).or_default();
        pending.names.push(name);
        &mut pending.settlement
    }

    /// The same of one that was not.
    fn pend_nowhere(&mut self, id: &QueueId) -> &mut Settlement {
        let name: Rc<str> = NOWHERE.into();
        self.index.occupy(id, &name);
        self.pend(id, name)
    }

    /// What is to be noted now. Of a message one thing at a time.
    fn take_batch(&mut self, tick: u64) -> Vec<(QueueId, Pending)> {
        let due =
            self.pending.iter().filter(|(id, one)| one.not_before <= tick && !self.writing.contains(*id));
        let ids: Vec<QueueId> = due.map(|(id, _)| id.clone()).take(BATCH_MAX).collect();
        let mut batch = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(mut pending) = self.pending.remove(&id) else { continue };
            pending.settlement.reports =
                !pending.settlement.more_follow && !self.index.is_busy_besides(&id, &pending.names);
            self.writing.insert(id.clone());
            batch.push((id, pending));
        }
        batch
    }
}

impl Job {
    /// Whether it begins now.
    fn begin(&mut self, tick: u64, pause: u64) -> bool {
        let begins = !self.is_running && tick >= self.not_before;
        if begins {
            self.is_running = true;
            self.not_before = tick + pause;
        }
        begins
    }

    fn end(&mut self, is_done: bool) {
        self.is_running = false;
        self.was_done |= is_done;
    }
}

impl fmt::Debug for QueueRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueRunner").field("queue", &self.queue).finish_non_exhaustive()
    }
}
