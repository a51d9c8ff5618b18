//! [`LoopingCall`]: something that is done again and again.

use crate::{
    Abandoned, Deferred, Reactor, Resolver, Result,
    engine::command::Command,
    shared::Shared,
    task::Task,
    timer::{Due, Timer},
    watched::Watched,
};
use std::{
    cell::Cell,
    fmt,
    future::poll_fn,
    ops::AsyncFnMut,
    panic::Location,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// Calls something at the times start, start + interval, start + 2 intervals and so on, until it is dropped.
///
/// The times do not drift: how long a call takes does not move the next one. A call that is a coroutine is waited
/// for, and the times that have passed meanwhile, or while the loop was busy, are skipped; the next call hears how
/// many. An error or a panic ends it, and so does the end of the loop. To stop it while a call waits drops that call.
///
/// ```
/// use std::{cell::RefCell, rc::Rc, time::Duration};
/// use trenza_core::LoopingCall;
///
/// let net = trenza_sim::Net::new(1);
/// let calls = Rc::new(RefCell::new(Vec::new()));
/// let seen = calls.clone();
/// let beat = net.host("here").run(|reactor| {
///     let begin = reactor.now();
///     LoopingCall::start(reactor, Duration::from_secs(10), async move |skipped| {
///         let reactor = trenza_core::Reactor::current();
///         seen.borrow_mut().push(((reactor.now() - begin).as_secs(), skipped));
///         if skipped == 0 {
///             reactor.sleep(Duration::from_secs(15)).await; // misses a beat
///         }
///         Ok(())
///     })
/// });
/// net.advance(Duration::from_secs(31));
/// drop(beat);
/// net.advance(Duration::from_secs(100));
/// assert_eq!(*calls.borrow(), [(0, 0), (20, 1), (30, 0)]);
/// ```
#[must_use = "dropping a LoopingCall stops it: keep it, or call detach()"]
pub struct LoopingCall {
    beat: Rc<Beat>,
    task: Option<u64>,
}

/// The times of a looping call, which its handle and its task share.
struct Beat {
    shared: Rc<Shared>,
    /// In nanoseconds.
    every: u64,
    /// The code that started it.
    made: &'static Location<'static>,
    start: Cell<Instant>,
    /// The number of the next call if none is skipped; call n is due at start + n intervals.
    next: Cell<u64>,
    due: Cell<Instant>,
    timer: Cell<Option<Timer>>,
    stopped: Cell<bool>,
    outcome: Cell<Option<Result>>,
    waiting: Cell<Option<Resolver<()>>>,
}

impl LoopingCall {
    /// Calls `f` now, that is in the next turn of the loop, and then at every interval; it gets the number of times
    /// that were skipped since the call before. An interval of zero means every turn.
    #[track_caller]
    pub fn start(reactor: &Reactor, every: Duration, f: impl AsyncFnMut(u64) -> Result + 'static) -> Self {
        Self::begin(Location::caller(), reactor, every, 0, f)
    }

    /// Like [`LoopingCall::start`], but the first call is after an interval.
    #[track_caller]
    pub fn start_later(
        reactor: &Reactor,
        every: Duration,
        f: impl AsyncFnMut(u64) -> Result + 'static,
    ) -> Self {
        Self::begin(Location::caller(), reactor, every, 1, f)
    }

    pub(crate) fn begin(
        made: &'static Location<'static>,
        reactor: &Reactor,
        every: Duration,
        first: u64,
        mut f: impl AsyncFnMut(u64) -> Result + 'static,
    ) -> Self {
        let shared = reactor.0.clone();
        let beat = Rc::new(Beat {
            every: u64::try_from(every.as_nanos()).unwrap_or(u64::MAX),
            start: Cell::new(shared.now()),
            next: Cell::new(first),
            due: Cell::new(shared.now()),
            timer: Cell::default(),
            stopped: Cell::new(false),
            outcome: Cell::default(),
            waiting: Cell::default(),
            made,
            shared,
        });
        beat.due.set(beat.time(first));
        let (times, ended) = (beat.clone(), beat.clone());
        let calls = async move {
            loop {
                let skipped = times.tick().await;
                f(skipped).await?;
                times.advance();
            }
        };
        let task = Task::new_from(made, &reactor.0, Watched::new(calls, move |result| ended.end(result)));
        let number = task.number();
        reactor.0.command(Command::Spawn(task));
        Self { beat, task: Some(number) }
    }

    /// Counts the interval from now: the next call is an interval later, unless one is under way, and the times of
    /// all others follow.
    pub fn reset(&self) {
        self.beat.reset();
    }

    /// True until it has failed.
    pub fn is_running(&self) -> bool {
        !self.beat.stopped.get()
    }

    /// Fires when it has ended: without an error when it was stopped, with that of the call that failed, or with
    /// [`Abandoned`] after a panic and when the loop has ended. It fires for the one who asked last; dropping the
    /// result stops nothing.
    pub fn ended(&self) -> Deferred<()> {
        let (deferred, resolver) = Reactor(self.beat.shared.clone()).deferred();
        match self.beat.outcome.take() {
            Some(outcome) => resolver.fire(outcome),
            None if self.beat.stopped.get() => resolver.fire(Ok(())),
            None => drop(self.beat.waiting.replace(Some(resolver))),
        }
        deferred
    }

    /// Stops it; dropping does the same. A call that waits is dropped.
    pub fn stop(self) {}

    /// Lets it run without the handle, until it fails or the loop ends.
    pub fn detach(mut self) {
        self.task = None;
    }
}

impl Drop for LoopingCall {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        if !self.beat.stopped.replace(true) {
            self.beat.shared.command(Command::Drop(task));
        }
    }
}

impl Beat {
    /// Waits until a call is due; gives how many were skipped.
    async fn tick(&self) -> u64 {
        poll_fn(|cx| self.poll_due(cx)).await;
        let expected = self.next.get();
        let number = self.latest().unwrap_or(expected).max(expected);
        self.next.set(number.saturating_add(1));
        number - expected
    }

    /// A call has ended: the next one is due at the first time to come.
    fn advance(&self) {
        let upcoming = self.latest().map_or(0, |latest| latest.saturating_add(1));
        self.due.set(self.time(upcoming.max(self.next.get())));
    }

    fn poll_due(&self, cx: &mut Context<'_>) -> Poll<()> {
        // As with a sleep, the first time it waits in any case: an interval of zero is a turn.
        if self.timer.take().is_some() && self.due.get() <= self.shared.now() {
            return Poll::Ready(());
        }
        let due = Due::Wake(cx.waker().clone());
        let timer = Timer::new_from(self.made, self.shared.clone(), self.due.get(), due);
        self.timer.set(Some(timer));
        Poll::Pending
    }

    /// The number of the call whose time has come last; None when the interval is zero.
    fn latest(&self) -> Option<u64> {
        let elapsed = self.shared.now().saturating_duration_since(self.start.get()).as_nanos();
        let number = elapsed.checked_div(u128::from(self.every))?;
        Some(u64::try_from(number).unwrap_or(u64::MAX))
    }

    fn time(&self, number: u64) -> Instant {
        let since = Duration::from_nanos(self.every.saturating_mul(number));
        let due = self.start.get().checked_add(since);
        due.unwrap_or_else(|| self.shared.after(Duration::MAX))
    }

    fn reset(&self) {
        self.start.set(self.shared.now());
        self.next.set(1);
        self.due.set(self.time(1));
        if let Some(timer) = self.timer.take() {
            timer.reset(Duration::from_nanos(self.every));
            self.timer.set(Some(timer));
        }
    }

    /// The task is gone.
    fn end(&self, result: Option<Result>) {
        drop(self.timer.take());
        let stopped = self.stopped.replace(true);
        let outcome = result.unwrap_or_else(|| if stopped { Ok(()) } else { Err(Abandoned.into()) });
        match self.waiting.take() {
            Some(waiting) if !waiting.is_cancelled() => waiting.fire(outcome),
            _ => {
                if let Err(error) = &outcome {
                    tracing::warn!(%error, "a looping call has failed");
                }
                self.outcome.set(Some(outcome));
            }
        }
    }
}

impl fmt::Debug for LoopingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopingCall").field("running", &self.is_running()).finish_non_exhaustive()
    }
}
