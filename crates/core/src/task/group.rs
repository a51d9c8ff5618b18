//! [`Group`]: tasks that end together.

use crate::{
    Abandoned, Error, Reactor, Result, TimedOut, engine::command::Command, shared::Shared, task::Task,
    timer::Timer, watched::Watched,
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt,
    future::{Future, poll_fn},
    ops::AsyncFnOnce,
    pin::pin,
    rc::{Rc, Weak},
    task::{Poll, Waker},
    time::Duration,
};

/// Coroutines that end together: the first error (or panic) cancels the others, and so do a deadline and the drop of
/// the group, so that none outlives the scope that started it. A cancelled coroutine is dropped by the loop, and is
/// not polled any more.
///
/// ```
/// use std::time::Duration;
/// use trenza_core::{Group, Reactor};
///
/// let net = trenza_sim::Net::new(1);
/// let here = net.host("here");
/// let result = net.block_on(&here, async {
///     Group::scope(async |group| {
///         let reactor = Reactor::current();
///         let (short, long) = (reactor.sleep(Duration::from_secs(1)), reactor.sleep(Duration::from_secs(1000)));
///         group.spawn(async move {
///             short.await;
///             Err("the first error ends all".into())
///         });
///         group.spawn(async move {
///             long.await;
///             Ok(())
///         });
///         Ok("not reached by the group's result")
///     })
///     .await
/// });
/// assert_eq!(result.map_err(|error| error.to_string()), Err("the first error ends all".to_string()));
/// assert_eq!((here.left().tasks, here.left().timers), (0, 0));
/// ```
#[must_use = "dropping a Group cancels its tasks"]
pub struct Group(Rc<State>);

struct State {
    shared: Rc<Shared>,
    /// The tasks that are not gone yet.
    living: RefCell<BTreeSet<u64>>,
    cancelled: Cell<bool>,
    /// The first error.
    error: Cell<Option<Error>>,
    waiting: Cell<Option<Waker>>,
    deadline: Cell<Option<Timer>>,
}

impl Group {
    /// A group without tasks.
    pub fn new(reactor: &Reactor) -> Self {
        Self(Rc::new(State {
            shared: reactor.0.clone(),
            living: RefCell::default(),
            cancelled: Cell::new(false),
            error: Cell::default(),
            waiting: Cell::default(),
            deadline: Cell::default(),
        }))
    }

    /// Runs `body` with a group, and ends when it and all tasks of the group have. The first error, of `body` or of a
    /// task, cancels the rest, `body` included. When this returns, or is dropped before, no task runs any more; what
    /// they owned is dropped before it returns.
    ///
    /// # Errors
    /// The first error; [`Abandoned`] when a task has panicked; [`TimedOut`] at the deadline.
    ///
    /// # Panics
    /// Outside of a coroutine or callback of a reactor.
    pub async fn scope<T>(body: impl AsyncFnOnce(&Self) -> Result<T>) -> Result<T> {
        let group = Self::new(&Reactor::current());
        let result = {
            let mut body = pin!(body(&group));
            poll_fn(|cx| {
                if group.0.cancelled.get() {
                    // The error is the group's.
                    return Poll::Ready(None);
                }
                group.0.listen(cx.waker());
                body.as_mut().poll(cx).map(Some)
            })
            .await
        };
        let value = match result {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => {
                group.0.fail(error);
                None
            }
            None => None,
        };
        group.wait().await?;
        value.ok_or_else(|| Abandoned.into())
    }

    /// Runs a coroutine in the group; its error cancels the others. When the group was cancelled it is dropped.
    #[track_caller]
    pub fn spawn(&self, task: impl Future<Output = Result> + 'static) {
        self.0.spawn(task);
    }

    /// What tasks of the group spawn others with. It does not keep the group.
    ///
    /// ```
    /// use trenza_core::{Group, Result, Spawner};
    ///
    /// async fn halve(spawner: Spawner, n: u32) -> Result {
    ///     if n > 1 {
    ///         let (half, again) = (n / 2, spawner.clone());
    ///         spawner.spawn(async move { Box::pin(halve(again, half)).await });
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let net = trenza_sim::Net::new(1);
    /// net.block_on(&net.host("here"), Group::scope(async |group| halve(group.spawner(), 1000).await))?;
    /// # Ok::<(), trenza_core::Error>(())
    /// ```
    pub fn spawner(&self) -> Spawner {
        Spawner(Rc::downgrade(&self.0))
    }

    /// Cancels the group so long from now with the error [`TimedOut`], unless it was waited for by then. A second
    /// deadline replaces the first.
    #[track_caller]
    pub fn set_deadline(&self, after: Duration) {
        let group = Rc::downgrade(&self.0);
        let timer = Reactor(self.0.shared.clone()).call_later(after, move || {
            if let Some(group) = group.upgrade() {
                group.fail(TimedOut(after).into());
            }
        });
        drop(self.0.deadline.replace(Some(timer)));
    }

    /// How many tasks have not ended.
    pub fn len(&self) -> usize {
        self.0.living.borrow().len()
    }

    /// True when all tasks have ended, or none was spawned.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until all tasks have ended, those that are cancelled included. Dropping the wait cancels the group.
    ///
    /// # Errors
    /// The first error of a task; [`Abandoned`] when one has panicked; [`TimedOut`] at the deadline.
    pub async fn wait(self) -> Result {
        poll_fn(|cx| {
            if self.is_empty() {
                return Poll::Ready(());
            }
            self.0.listen(cx.waker());
            Poll::Pending
        })
        .await;
        self.0.error.take().map_or(Ok(()), Err)
    }

    /// Cancels all tasks; dropping does the same.
    pub fn cancel(self) {}
}

impl Drop for Group {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Spawns tasks into a [`Group`], for the tasks of it. Made by [`Group::spawner`].
#[derive(Clone)]
pub struct Spawner(Weak<State>);

impl Spawner {
    /// Runs a coroutine in the group, as [`Group::spawn`] does. When the group was cancelled or has ended it is
    /// dropped.
    #[track_caller]
    pub fn spawn(&self, task: impl Future<Output = Result> + 'static) {
        if let Some(group) = self.0.upgrade() {
            group.spawn(task);
        }
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

/// A task that is woken after its group was cancelled, but before the loop drops it, does nothing any more.
async fn unless_cancelled(group: Rc<State>, task: impl Future<Output = Result>) -> Result {
    let mut task = pin!(task);
    poll_fn(move |cx| if group.cancelled.get() { Poll::Pending } else { task.as_mut().poll(cx) }).await
}

impl State {
    #[track_caller]
    fn spawn(self: &Rc<Self>, task: impl Future<Output = Result> + 'static) {
        if self.cancelled.get() {
            return drop(task);
        }
        let (group, number) = (self.clone(), Rc::new(Cell::new(0)));
        let own = number.clone();
        let task = Watched::new(unless_cancelled(self.clone(), task), move |result| {
            group.ended(own.get(), result);
        });
        let task = Task::new(&self.shared, task);
        number.set(task.number());
        self.living.borrow_mut().insert(task.number());
        self.shared.command(Command::Spawn(task));
    }

    fn listen(&self, waker: &Waker) {
        drop(self.waiting.replace(Some(waker.clone())));
    }

    fn wake(&self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// A task is gone.
    fn ended(&self, number: u64, result: Option<Result>) {
        self.living.borrow_mut().remove(&number);
        match result {
            Some(Ok(())) => {}
            Some(Err(error)) => self.fail(error),
            None => self.fail(Abandoned.into()),
        }
        if self.living.borrow().is_empty() {
            self.wake();
        }
    }

    /// The first failure is the group's; what follows from the cancelling is not.
    fn fail(&self, error: Error) {
        if !self.cancelled.get() {
            self.error.set(Some(error));
            self.cancel();
        }
    }

    fn cancel(&self) {
        drop(self.deadline.take());
        if self.cancelled.replace(true) {
            return;
        }
        let living = self.living.borrow().clone();
        living.into_iter().for_each(|number| self.shared.command(Command::Drop(number)));
        self.wake();
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("tasks", &self.len()).finish_non_exhaustive()
    }
}
