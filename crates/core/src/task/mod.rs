//! [`Tasks`]: coroutines that the loop polls, [`Sleep`] and [`timeout`].

pub(crate) mod cooperate;
pub(crate) mod group;
pub(crate) mod join;
pub(crate) mod line;
pub(crate) mod lock;
pub(crate) mod looping;
pub(crate) mod queue;
pub(crate) mod semaphore;

use crate::{
    Map, Reason, Result, Transport,
    engine::command::Command,
    remote::Outside,
    shared::Shared,
    timer::{Due, Timer},
};
use std::{
    cell::Cell,
    fmt,
    future::{Future, IntoFuture, poll_fn},
    panic::Location,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

/// Puts its task into the queue, once until it was polled.
struct TaskWaker {
    number: u64,
    queued: AtomicBool,
    outside: Arc<Outside>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.outside.woken(self.number);
        }
    }
}

/// A coroutine on its way to the loop.
pub(crate) struct Task {
    /// The code that started it.
    made: &'static Location<'static>,
    coroutine: Coroutine,
    waker: Arc<TaskWaker>,
}

/// What a task polls.
enum Coroutine {
    Free(Pin<Box<dyn Future<Output = ()>>>),
    /// Its error or panic ends this connection. One that awaited another would be twice as long, so this looks itself.
    Of(Transport, Pin<Box<dyn Future<Output = Result>>>),
}

impl Task {
    #[track_caller]
    pub(crate) fn new(shared: &Shared, future: impl Future<Output = ()> + 'static) -> Self {
        Self::new_from(Location::caller(), shared, future)
    }

    /// Like `new`, for a task that was asked for elsewhere.
    pub(crate) fn new_from(
        made: &'static Location<'static>,
        shared: &Shared,
        future: impl Future<Output = ()> + 'static,
    ) -> Self {
        Self::of(made, shared, Coroutine::Free(Box::pin(future)))
    }

    /// A task of a connection, which ends with its error or panic.
    pub(crate) fn of_connection(
        made: &'static Location<'static>,
        transport: &Transport,
        future: impl Future<Output = Result> + 'static,
    ) -> Self {
        let coroutine = Coroutine::Of(transport.clone(), Box::pin(future));
        Self::of(made, &transport.reactor().0, coroutine)
    }

    fn of(made: &'static Location<'static>, shared: &Shared, coroutine: Coroutine) -> Self {
        let waker = TaskWaker {
            number: shared.next_serial(),
            queued: AtomicBool::new(false),
            outside: shared.outside.clone(),
        };
        Self { made, coroutine, waker: Arc::new(waker) }
    }

    /// The connection that ends with its panic.
    pub(crate) fn transport(&self) -> Option<&Transport> {
        match &self.coroutine {
            Coroutine::Free(_) => None,
            Coroutine::Of(transport, _) => Some(transport),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.waker.number
    }

    /// A guard that ends the task.
    pub(crate) fn cancel_on_drop(&self, shared: &Rc<Shared>) -> impl Sized + 'static + use<> {
        struct Guard(Rc<Shared>, u64);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.command(Command::Drop(self.1));
            }
        }
        Guard(shared.clone(), self.number())
    }

    /// Polls it; true when it has ended.
    pub(crate) fn poll(&mut self) -> bool {
        // Exchanged, not stored: whoever finds it set has made sure that this poll sees what it was woken for.
        self.waker.queued.swap(false, Ordering::AcqRel);
        let waker = Waker::from(self.waker.clone());
        let cx = &mut Context::from_waker(&waker);
        match &mut self.coroutine {
            Coroutine::Free(future) => future.as_mut().poll(cx).is_ready(),
            Coroutine::Of(transport, future) => match future.as_mut().poll(cx) {
                Poll::Pending => false,
                Poll::Ready(result) => {
                    if let Err(error) = result {
                        transport.condemn(Reason::Failed(error));
                    }
                    true
                }
            },
        }
    }
}

/// The loop's tasks by number.
#[derive(Default)]
pub(crate) struct Tasks(Map<u64, Task>);

impl Tasks {
    /// Takes a task in and has it polled.
    pub(crate) fn insert(&mut self, task: Task) {
        task.waker.wake_by_ref();
        self.0.insert(task.number(), task);
    }

    /// Takes a task back in after it was polled.
    pub(crate) fn put_back(&mut self, task: Task) {
        self.0.insert(task.number(), task);
    }

    pub(crate) fn take(&mut self, number: u64) -> Option<Task> {
        self.0.remove(&number)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The code that started each task, oldest first.
    pub(crate) fn made(&self) -> Vec<&'static Location<'static>> {
        let mut tasks: Vec<_> = self.0.values().map(|task| (task.number(), task.made)).collect();
        tasks.sort_unstable_by_key(|(number, _)| *number);
        tasks.into_iter().map(|(_, made)| made).collect()
    }

    /// All tasks, oldest first, for the end of the loop.
    pub(crate) fn drain(&mut self) -> Vec<Task> {
        let mut tasks: Vec<_> = self.0.drain().map(|(_, task)| task).collect();
        tasks.sort_by_key(Task::number);
        tasks
    }
}

/// A pause in a coroutine, of a turn at least. Made by [`Reactor::sleep`](crate::Reactor::sleep).
pub struct Sleep {
    shared: Rc<Shared>,
    until: Instant,
    timer: Cell<Option<Timer>>,
    /// The code that asked for it.
    made: &'static Location<'static>,
}

impl Sleep {
    pub(crate) fn new_from(made: &'static Location<'static>, shared: Rc<Shared>, delay: Duration) -> Self {
        let until = shared.after(delay);
        Self { shared, until, timer: Cell::new(None), made }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The first time it waits in any case, so that a loop around a sleep of zero lets others run.
        if self.timer.take().is_some() && self.until <= self.shared.now() {
            return Poll::Ready(());
        }
        let timer =
            Timer::new_from(self.made, self.shared.clone(), self.until, Due::Wake(cx.waker().clone()));
        self.timer.set(Some(timer));
        Poll::Pending
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("until", &self.until).finish_non_exhaustive()
    }
}

/// The time given to [`timeout`] ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not done after {0:?}")]
pub struct TimedOut(pub Duration);

/// Waits for `f`, but no longer than `after`; then `f` is dropped, which cancels what it was at.
///
/// # Errors
/// Those of `f`; [`TimedOut`].
///
/// # Panics
/// When awaited outside of a coroutine or callback of a reactor.
#[track_caller]
pub fn timeout<T>(
    after: Duration,
    f: impl IntoFuture<Output = Result<T>>,
) -> impl Future<Output = Result<T>> {
    let made = Location::caller();
    async move {
        let shared = crate::Reactor::current().0;
        let mut sleep = pin!(Sleep::new_from(made, shared, after));
        let mut f = pin!(f.into_future());
        poll_fn(move |cx| {
            if let Poll::Ready(result) = f.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            sleep.as_mut().poll(cx).map(|()| Err(TimedOut(after).into()))
        })
        .await
    }
}
