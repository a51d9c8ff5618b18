//! [`QueueRunner`]: the loop's part that carries messages on.
//!
//! ```text
//!   inlets ──▶ Inbox ─┐                    ┌──▶ Carrier ──▶ what came of it ─┐
//!   disk ──▶ scan ────┼──▶ Index ── start ─┘                                 ▼
//!   requests ─────────┘      ▲                                            pending
//!                            └── tried again ◀── ledger, a batch at a time ◀─┘
//! ```

use super::{
    Carried, Carrier, Content, Fate, Parcel, Queue, QueueId, Record, Request, State,
    index::{Errand, Index},
    ledger::{self, BATCH_MAX, Change, Outcome, Settled, Settlement, Terms},
    record::{seconds, time},
    spool::id_of_record,
};
use crate::smtp::{Code, Reply, Status};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::{Rc, Weak},
    time::{Duration, Instant},
};
use trenza_core::{Deferred, Group, Reactor, Resolver, Service, TimedOut, Timer, timeout};
use trenza_storage::{Error, ErrorKind, List, Storage};

/// While what came of so many messages is not on the disk nothing new is tried.
const PENDING_MAX: usize = 1000;
/// So many batches are written at once: while one waits for the medium others are prepared.
const WRITERS_MAX: usize = 4;
/// How long to wait with what could not be written, in seconds.
const WRITE_AGAIN: u64 = 30;
/// How long to wait at least until all of the disk is looked at again, in seconds.
const SCAN_AGAIN: u64 = 10;
/// How many records are read at once.
const SCAN: usize = 32;
/// How many senders are told at once that a destination cannot be reached.
const TOLD_MAX: usize = 256;
/// How long it sleeps at most, since the wall clock may be set.
const SLEEP_MAX: Duration = Duration::from_secs(60);
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
    pub(super) fn new(queue: Queue, carrier: Box<dyn Carrier>) -> Self {
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

    /// Does whatever is to be done now.
    fn pump(self: &Rc<Self>) {
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
                let next = seconds(next);
                let earliest = due.entry(self.carrier.destination(&one.rcpt.to)).or_insert(next);
                *earliest = next.min(*earliest);
            }
        }
        due
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

    /// Carries a message to a destination.
    async fn errand(self: Rc<Self>, (id, name): Errand) -> trenza_core::Result {
        let outcome = match self.load(&id, &name).await {
            Ok(Some(loaded)) => Some(self.carry(&id, &name, loaded).await),
            Ok(None) => None,
            Err(error) => {
                tracing::error!(%error, %id, "a message in the queue cannot be read");
                let due = self.now() + self.queue.0.options.schedule.first.as_secs();
                let inner = &mut *self.inner.borrow_mut();
                inner.index.came_back(&name, None, 0, &self.queue.0.options.schedule, 0.0);
                inner.index.release(&id, &name);
                inner.index.add(&id, &name, due, u64::MAX);
                None
            }
        };
        if let Some((chosen, carried)) = outcome {
            self.came_back(&id, &name, &chosen, carried);
        }
        self.pump();
        Ok(())
    }

    /// What a message needs to be carried; None: there is nothing to carry, and the errand is over.
    async fn load(&self, id: &QueueId, name: &Rc<str>) -> Result<Option<Loaded>, Error> {
        let (spool, wanted) = (self.queue.0.spool.clone(), id.clone());
        let loaded = self.storage.run(move |_| Ok((spool.read(&wanted)?, spool.open(&wanted)?))).await;
        let schedule = &self.queue.0.options.schedule;
        let (record, file) = match loaded.map_err(Error::from) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let index = &mut self.inner.borrow_mut().index;
                index.came_back(name, None, 0, schedule, 0.0);
                index.release(id, name);
                return Ok(None);
            }
            loaded => loaded?,
        };
        let chosen = self.waiting(&record, name, self.now());
        if chosen.is_empty() {
            self.inner.borrow_mut().index.came_back(name, None, 0, schedule, 0.0);
            self.plan_again(id, name, &record);
            return Ok(None);
        }
        let size = file.opened().size;
        Ok(Some(Loaded { record, chosen, message: Content::new(self.storage.clone(), file, size) }))
    }

    /// Those that wait for a destination and are due, by their places.
    fn waiting(&self, record: &Record, name: &str, now: u64) -> Vec<usize> {
        let most = self.queue.0.options.limits.parcel;
        let each = record.recipients.iter().enumerate();
        let due = each.filter(|(_, one)| {
            matches!(one.state, State::Waiting { next, .. } if seconds(next) <= now)
                && self.carrier.destination(&one.rcpt.to) == name
        });
        due.map(|(at, _)| at).take(most.max(1)).collect()
    }

    /// What came of the recipients that were chosen.
    async fn carry(self: &Rc<Self>, id: &QueueId, name: &Rc<str>, loaded: Loaded) -> (Chosen, Vec<Carried>) {
        let Loaded { record, chosen, message } = loaded;
        let tries = |at: &usize| match record.recipients.get(*at).map(|one| one.state) {
            Some(State::Waiting { tries, .. }) => tries,
            _ => 0,
        };
        let places: Chosen = chosen.iter().map(|at| (*at, tries(at))).collect();
        let recipients =
            chosen.iter().filter_map(|at| Some(record.recipients.get(*at)?.rcpt.clone())).collect();
        let mut mail = record.mail;
        mail.size = Some(message.size());
        let parcel = Parcel { id: id.to_string(), destination: name.to_string(), mail, recipients, message };
        let runner = self.clone();
        let limit = self.queue.0.options.limits.carry;
        // A coroutine of its own, so that a panic of the carrier ends no more than that.
        let carrying = async move { timeout(limit, async { Ok(runner.carrier.carry(parcel).await) }).await };
        let nothing = match self.reactor.spawn(carrying).await {
            Ok(mut carried) => {
                let silence = Reply::new(Code::LOCAL_ERROR, Status::LOCAL_ERROR, "Nothing is known of it");
                carried.resize(places.len(), Carried::new(Fate::Later(silence)));
                return (places, carried);
            }
            Err(error) if error.is::<TimedOut>() => {
                let text = format!("Not done after {} seconds", limit.as_secs());
                Fate::Unreachable(Reply::new(Code::LOCAL_ERROR, Status::TOO_SLOW, text))
            }
            Err(error) => {
                tracing::error!(%error, %id, to = %name, "a message could not be carried");
                Fate::Later(Reply::new(Code::LOCAL_ERROR, Status::LOCAL_ERROR, "Something is wrong here"))
            }
        };
        let carried = vec![Carried::new(nothing); places.len()];
        (places, carried)
    }

    /// Takes in what came of an errand.
    fn came_back(self: &Rc<Self>, id: &QueueId, name: &Rc<str>, chosen: &Chosen, carried: Vec<Carried>) {
        let unreachable = |one: &&Carried| matches!(one.fate, Fate::Unreachable(_));
        let failed = carried.iter().find(unreachable).filter(|_| carried.iter().all(|one| unreachable(&one)));
        let failed = failed.cloned();
        self.tell(id, name, &carried);
        let (now, schedule) = (self.now(), &self.queue.0.options.schedule);
        let dice = self.dice();
        let changes = self.changes(chosen, carried);
        let overdue = {
            let inner = &mut *self.inner.borrow_mut();
            inner.index.came_back(name, Some(failed.is_none()), now, schedule, dice);
            inner.pend(id, name.clone()).changes.extend(changes);
            if failed.is_some() { inner.index.overdue(name, now, TOLD_MAX) } else { Vec::new() }
        };
        for id in overdue {
            if let Some(failed) = failed.clone() {
                self.spawn(self.clone().give_up(id, name.clone(), failed));
            }
        }
    }

    /// The same for a message that was not tried, since its destination cannot be reached, and whose sender is to be told
    /// of that.
    async fn give_up(self: Rc<Self>, id: QueueId, name: Rc<str>, failed: Carried) -> trenza_core::Result {
        let (spool, wanted) = (self.queue.0.spool.clone(), id.clone());
        let record = self.storage.run(move |_| spool.read(&wanted)).await.map_err(Error::from);
        let chosen: Chosen = match &record {
            Ok(record) => self.waiting(record, &name, self.now()).into_iter().map(|at| (at, 0)).collect(),
            Err(error) => {
                tracing::debug!(%error, %id, "a message in the queue cannot be read");
                Vec::new()
            }
        };
        let changes = self.changes(&chosen, vec![failed; chosen.len()]);
        self.inner.borrow_mut().pend(&id, name).changes.extend(changes);
        self.pump();
        Ok(())
    }

    fn changes(&self, chosen: &Chosen, carried: Vec<Carried>) -> Vec<Change> {
        let (now, schedule) = (self.reactor.wall(), &self.queue.0.options.schedule);
        let change = |((at, tries), carried): (&(usize, u32), Carried)| {
            let pause = match carried.fate {
                Fate::Unreachable(_) => schedule.pause_of_destination(*tries, self.dice()),
                _ => schedule.pause(*tries, self.dice()),
            };
            Change { at: *at, carried, next: now + pause.max(Duration::from_secs(1)) }
        };
        chosen.iter().zip(carried).map(change).collect()
    }

    fn tell(&self, id: &QueueId, name: &str, carried: &[Carried]) {
        for one in carried {
            let host = one.host.as_deref().unwrap_or("-");
            tracing::info!(target: "trenza::mail", %id, to = name, host, "{}", one.fate);
        }
    }

    /// Between -1 and 1.
    fn dice(&self) -> f64 {
        let mut random = [0; 4];
        self.reactor.random(&mut random);
        f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX) * 2.0 - 1.0
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

/// What an errand needs.
struct Loaded {
    record: Record,
    chosen: Vec<usize>,
    message: Content,
}

/// The recipients of an errand: their places, and how often they were tried before.
type Chosen = Vec<(usize, u32)>;

/// What came of messages, onto the disk.
impl Runner {
    fn write(self: &Rc<Self>) {
        let tick = self.tick();
        let (batch, names) = {
            let inner = &mut *self.inner.borrow_mut();
            if inner.writers == WRITERS_MAX {
                return;
            }
            let batch = inner.take_batch(tick);
            if batch.is_empty() {
                return;
            }
            inner.writers += 1;
            let split = |(id, pending): (QueueId, Pending)| ((id, pending.settlement), pending.names);
            batch.into_iter().map(split).unzip::<_, _, Vec<_>, Vec<_>>()
        };
        let (spool, terms, work) = (self.queue.0.spool.clone(), self.terms(), batch.clone());
        let runner = self.clone();
        self.storage.run(move |_| Ok(ledger::settle(&spool, &work, &terms))).then(move |settled| {
            {
                let inner = &mut *runner.inner.borrow_mut();
                inner.writers -= 1;
                batch.iter().for_each(|(id, _)| _ = inner.writing.remove(id));
            }
            let Outcome { each, more } = settled.unwrap_or_default();
            runner.queue.count(more);
            let mut settled = each.into_iter();
            for ((id, settlement), names) in batch.into_iter().zip(names) {
                // Of what nothing is said the job did not even begin.
                match settled.next().unwrap_or_else(|| Err(ErrorKind::Busy.into())) {
                    Ok(settled) => runner.settled(&id, settlement.request, &names, settled),
                    Err(error) => runner.unsettled(id, settlement, names, &error),
                }
            }
            runner.pump();
        });
    }

    fn terms(&self) -> Terms {
        let options = &self.queue.0.options;
        let mut random = [0; 16];
        self.reactor.random(&mut random);
        Terms {
            host: options.host.clone(),
            now: self.reactor.wall(),
            schedule: options.schedule.clone(),
            returned: options.limits.returned,
            random: u128::from_be_bytes(random),
        }
    }

    fn settled(&self, id: &QueueId, request: Option<Request>, names: &[Rc<str>], settled: Settled) {
        let Settled { record, report } = settled;
        if request.is_some() || record.is_none() {
            self.inner.borrow_mut().index.forget(id);
        }
        match &record {
            Some(record) => names.iter().for_each(|name| self.plan_again(id, name, record)),
            None => names.iter().for_each(|name| self.inner.borrow_mut().index.release(id, name)),
        }
        if let (Some(record), Some(_)) = (&record, request) {
            self.know(id, record);
        }
        if let Some((id, record)) = report {
            self.know(&id, &record);
        }
    }

    /// It is tried again, before what came since.
    fn unsettled(&self, id: QueueId, settlement: Settlement, names: Vec<Rc<str>>, error: &Error) {
        tracing::error!(%error, %id, "what came of a message cannot be noted");
        let not_before = self.tick() + WRITE_AGAIN;
        let inner = &mut *self.inner.borrow_mut();
        // Its report may be there, and nobody has told of it.
        inner.index.leave_out(self.now());
        let since = inner.pending.remove(&id).unwrap_or_default();
        let mut all = Pending { settlement, names, not_before };
        all.settlement.changes.extend(since.settlement.changes);
        all.settlement.request = since.settlement.request.or(all.settlement.request);
        all.names.extend(since.names);
        inner.pending.insert(id, all);
    }
}

/// What is found on the disk.
impl Runner {
    /// Looks at all messages: at the start, and when there is room in memory for more.
    fn scan(self: &Rc<Self>) {
        let now = self.now();
        {
            let inner = &mut *self.inner.borrow_mut();
            let wanted = !inner.scan.was_done || (inner.is_ready && inner.index.wants_more(now));
            if !wanted || !inner.scan.begin(self.tick(), SCAN_AGAIN) {
                return;
            }
            inner.index.begin_scan();
        }
        let runner = self.clone();
        self.spawn(async move {
            let outcome = runner.look_through().await;
            let is_done = outcome.is_ok();
            if let Err(error) = outcome {
                tracing::error!(%error, "the queue cannot be listed");
                runner.inner.borrow_mut().index.leave_out(runner.now());
            }
            runner.inner.borrow_mut().scan.end(is_done);
            runner.pump();
            Ok(())
        });
    }

    async fn look_through(&self) -> trenza_core::Result {
        let spool = self.queue.0.spool.clone();
        let mut list: Box<dyn List> = self.storage.run(move |_| spool.records()).await?;
        loop {
            let spool = self.queue.0.spool.clone();
            let read = move |id: QueueId| match spool.read(&id) {
                Ok(record) => Some((id, record)),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => {
                    tracing::error!(%error, %id, "a message in the queue cannot be read, and stays there");
                    None
                }
            };
            let job = self.storage.run(move |_| {
                let entries = list.next(SCAN)?;
                let found: Vec<(QueueId, Record)> =
                    entries.iter().filter_map(id_of_record).filter_map(read).collect();
                Ok((list, entries.is_empty(), found))
            });
            let (rest, is_over, found) = job.await?;
            for (id, record) in &found {
                self.know(id, record);
            }
            if is_over {
                return Ok(());
            }
            list = rest;
        }
    }

    /// Looks for what is asked of the queue.
    fn look(self: &Rc<Self>) {
        let every = self.queue.0.options.schedule.look.as_secs().max(1);
        {
            let inner = &mut *self.inner.borrow_mut();
            if self.is_stopping.get() || !inner.is_ready || !inner.look.begin(self.tick(), every) {
                return;
            }
        }
        let (runner, spool) = (self.clone(), self.queue.0.spool.clone());
        self.spawn(async move {
            let asked = runner.storage.run(move |_| spool.asked()).await;
            if let Err(error) = &asked {
                tracing::error!(%error, "what is asked of the queue cannot be read");
            }
            for (id, request) in asked.unwrap_or_default() {
                runner.inner.borrow_mut().pend_nowhere(&id).request = Some(request);
            }
            runner.inner.borrow_mut().look.end(true);
            runner.pump();
            Ok(())
        });
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
            pending.settlement.reports = !self.index.is_busy_besides(&id, &pending.names);
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
