//! [`Remote`]: another thread's way into the loop.

use crate::{Deferred, Reactor, Resolver, Result, shared};
use std::{
    any::Any,
    collections::VecDeque,
    fmt,
    marker::PhantomData,
    panic::Location,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

/// How many calls of other threads wait at most for the loop. A turn runs some thousands.
const CALLS_MAX: usize = 1 << 20;

type Call = Box<dyn FnOnce(&Reactor) + Send>;

/// The queues that other threads may fill.
pub(crate) struct Outside {
    waker: Waker,
    queues: Mutex<Queues>,
    /// Set while something is queued, so that the loop looks without taking the lock.
    filled: AtomicBool,
}

#[derive(Default)]
struct Queues {
    calls: VecDeque<Call>,
    woken: VecDeque<u64>,
    closed: bool,
}

impl Outside {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { waker, queues: Mutex::default(), filled: AtomicBool::new(false) }
    }

    /// Queues a call unless `most` are queued; false when it did not, or when the loop is gone.
    fn call(self: &Arc<Self>, call: Call, most: usize) -> bool {
        let mut queues = self.lock();
        if queues.closed || queues.calls.len() >= most {
            drop(queues);
            drop(call);
            return false;
        }
        queues.calls.push_back(call);
        self.filled_by(queues);
        true
    }

    /// Queues a task to be polled.
    pub(crate) fn woken(self: &Arc<Self>, task: u64) {
        let mut queues = self.lock();
        if !queues.closed {
            queues.woken.push_back(task);
            self.filled_by(queues);
        }
    }

    pub(crate) fn next_call(&self) -> Option<Call> {
        self.take(|queues| queues.calls.pop_front())
    }

    pub(crate) fn next_woken(&self) -> Option<u64> {
        self.take(|queues| queues.woken.pop_front())
    }

    pub(crate) fn has_work(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// Refuses everything from now on and drops what is queued.
    pub(crate) fn close(&self) {
        let mut queues = self.lock();
        queues.closed = true;
        let calls = std::mem::take(&mut queues.calls);
        queues.woken.clear();
        drop(queues);
        drop(calls);
    }

    fn take<T>(&self, pop: impl FnOnce(&mut Queues) -> Option<T>) -> Option<T> {
        if !self.has_work() {
            return None;
        }
        let mut queues = self.lock();
        let taken = pop(&mut queues);
        if queues.calls.is_empty() && queues.woken.is_empty() {
            self.filled.store(false, Ordering::Release);
        }
        taken
    }

    fn filled_by(self: &Arc<Self>, queues: MutexGuard<'_, Queues>) {
        let first = !self.filled.swap(true, Ordering::AcqRel);
        drop(queues);
        // The loop's own thread looks before it waits.
        if first && !shared::is_current(self) {
            self.waker.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another thread's or loop's way in: `Send + Sync`, cheap to clone.
#[derive(Clone)]
pub struct Remote(pub(crate) Arc<Outside>);

impl Remote {
    /// Calls `f` in a coming turn of the loop. False when the loop is gone, or so far behind that a million (2^20) calls
    /// wait for it; `f` is dropped then.
    pub fn call(&self, f: impl FnOnce(&Reactor) + Send + 'static) -> bool {
        self.0.call(Box::new(f), CALLS_MAX)
    }
}

impl Remote {
    pub(crate) fn is_of_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remote")
    }
}

/// A resolver whose answer comes from elsewhere.
pub(crate) struct Awaited {
    /// The `Resolver<T>`.
    resolver: Box<dyn Any>,
    /// The code that asked.
    pub(crate) made: &'static Location<'static>,
    /// The thread pool answers, not the program's own thread.
    pub(crate) pooled: bool,
}

impl Awaited {
    /// The resolver, if that is its type.
    pub(crate) fn resolver<T: 'static>(self) -> Option<Box<Resolver<T>>> {
        self.resolver.downcast().ok()
    }
}

/// A [`Resolver`](crate::Resolver) for another thread. Dropping it fires an error.
pub struct RemoteResolver<T: Send + 'static> {
    outside: Arc<Outside>,
    number: Option<u64>,
    result: PhantomData<fn(T)>,
}

impl<T: Send + 'static> RemoteResolver<T> {
    #[track_caller]
    pub(crate) fn pair(reactor: &Reactor, pooled: bool) -> (Deferred<T>, Self) {
        let (deferred, resolver) = reactor.deferred::<T>();
        let number = reactor.0.next_serial();
        if reactor.0.ended.get() {
            // No answer will come any more, and nobody would ever drop the entry.
            drop(resolver);
        } else {
            let awaited = Awaited { resolver: Box::new(resolver), made: Location::caller(), pooled };
            let former = reactor.0.waiting.borrow_mut().insert(number, awaited);
            drop(former);
        }
        let outside = reactor.0.outside.clone();
        (deferred, Self { outside, number: Some(number), result: PhantomData })
    }

    /// Gives the result.
    pub fn fire(mut self, result: Result<T>) {
        self.answer(Some(result));
    }

    /// There are no more answers than the loop has asked for, so they have no other limit.
    fn answer(&mut self, result: Option<Result<T>>) {
        if let Some(number) = self.number.take() {
            self.outside.call(Box::new(move |reactor| reactor.resolve(number, result)), usize::MAX);
        }
    }
}

impl<T: Send + 'static> Drop for RemoteResolver<T> {
    fn drop(&mut self) {
        self.answer(None);
    }
}

impl<T: Send + 'static> fmt::Debug for RemoteResolver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteResolver")
    }
}
