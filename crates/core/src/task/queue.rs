//! [`Queue`]: values on their way from those who make them to those who use them.

use crate::{Deferred, Error, Handle, Home, Reactor, Result, Wait, task::line::Line};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// A bounded queue: who puts waits while it is full, who gets waits while it is empty, each in the order they asked.
/// A cheap clone; all clones are one queue.
///
/// A get that is cancelled loses its place and no value: one that was on its way to it goes back to where it was. A
/// put that is cancelled while it waits drops its value; one that was accepted stays. At most 10,000 wait at each end,
/// unless told otherwise; the next one is refused with [`TooManyWaiters`](crate::TooManyWaiters).
///
/// ```
/// use trenza_core::{Group, Queue, QueueClosed, Reactor};
///
/// let net = trenza_sim::Net::new(1);
/// let got = net.block_on(&net.host("here"), async {
///     let queue = Queue::new(&Reactor::current(), 2);
///     Group::scope(async |group| {
///         let puts = queue.clone();
///         group.spawn(async move {
///             for n in 0..10 {
///                 puts.put(n).await?; // waits while two are there
///             }
///             puts.close();
///             Ok(())
///         });
///         let mut got = Vec::new();
///         loop {
///             match queue.get().await {
///                 Ok(n) => got.push(n),
///                 Err(error) if error.is::<QueueClosed>() => return Ok(got),
///                 Err(error) => return Err(error),
///             }
///         }
///     })
///     .await
/// });
/// assert_eq!(got?, Vec::from_iter(0..10));
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub struct Queue<T: 'static>(Rc<State<T>>);

struct State<T: 'static> {
    max: usize,
    serial: Cell<u64>,
    /// By age, so that one that comes back finds its place.
    values: RefCell<BTreeMap<u64, T>>,
    /// How many are on their way to who asked for them; they count until they are taken.
    handed: Cell<usize>,
    closed: Cell<bool>,
    getters: Rc<Line<Handed<T>>>,
    putters: Rc<Line<(), T>>,
}

/// The queue was closed, and for a get: nothing is left in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue was closed")]
pub struct QueueClosed;

impl<T: 'static> Queue<T> {
    /// A queue for so many values; one at least.
    pub fn new(reactor: &Reactor, max: usize) -> Self {
        Self(Rc::new(State {
            max: max.max(1),
            serial: Cell::new(0),
            values: RefCell::default(),
            handed: Cell::new(0),
            closed: Cell::new(false),
            getters: Line::new(reactor),
            putters: Line::new(reactor),
        }))
    }

    /// How many may wait at each end; one at least. Default 10,000.
    pub fn set_waiters_max(&self, max: usize) {
        self.0.getters.set_max(max);
        self.0.putters.set_max(max);
    }

    /// Puts a value in, and fires when it is in. The place in the line is taken now. Fails with [`QueueClosed`] and
    /// [`TooManyWaiters`](crate::TooManyWaiters), and drops the value then.
    pub fn put(&self, value: T) -> Deferred<()> {
        if self.0.closed.get() {
            drop(value);
            return self.0.putters.refuse(QueueClosed.into());
        }
        let put = self.0.putters.join(value);
        self.0.serve();
        put
    }

    /// Puts a value in if there is room and nobody waits to put.
    ///
    /// # Errors
    /// The value, if there is no room or the queue is closed.
    pub fn try_put(&self, value: T) -> Result<(), T> {
        let state = &self.0;
        if state.closed.get() || !state.has_room() || state.putters.len() > 0 {
            return Err(value);
        }
        state.accept(value);
        state.serve();
        Ok(())
    }

    /// Gets the oldest value. The place in the line is taken now. Fails with [`QueueClosed`] when there will be no
    /// more, and with [`TooManyWaiters`](crate::TooManyWaiters).
    pub fn get(&self) -> Get<T> {
        let get = self.0.getters.join(());
        self.0.serve();
        Get(get.into_future())
    }

    /// Gets the oldest value if there is one.
    pub fn try_get(&self) -> Option<T> {
        let oldest = self.0.values.borrow_mut().pop_first();
        let (_, value) = oldest?;
        self.0.serve();
        Some(value)
    }

    /// Nothing is put in any more: puts that wait fail, and gets when the queue is empty.
    pub fn close(&self) {
        self.0.closed.set(true);
        while let Some((resolver, value)) = self.0.putters.next() {
            drop(value);
            resolver.fire(Err(QueueClosed.into()));
        }
        self.0.serve();
    }

    /// True from [`Queue::close`] on.
    pub fn is_closed(&self) -> bool {
        self.0.closed.get()
    }

    /// How many values are in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when no value is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: 'static> State<T> {
    fn len(&self) -> usize {
        self.values.borrow().len() + self.handed.get()
    }

    fn has_room(&self) -> bool {
        self.len() < self.max
    }

    fn accept(&self, value: T) {
        let serial = self.serial.get();
        self.serial.set(serial + 1);
        self.values.borrow_mut().insert(serial, value);
    }

    fn serve(self: &Rc<Self>) {
        self.getters.serve(|| {
            let put = self.serve_putter();
            self.serve_getter() || put
        });
    }

    fn serve_putter(&self) -> bool {
        if !self.has_room() || self.closed.get() {
            return false;
        }
        let Some((resolver, value)) = self.putters.next() else { return false };
        self.accept(value);
        resolver.fire(Ok(()));
        true
    }

    fn serve_getter(self: &Rc<Self>) -> bool {
        let outcome = if !self.values.borrow().is_empty() {
            let Some((resolver, ())) = self.getters.next() else { return false };
            let oldest = self.values.borrow_mut().pop_first();
            oldest.map(|(serial, value)| {
                self.handed.set(self.handed.get() + 1);
                (resolver, Ok(Handed { serial, value: Some(value), queue: self.clone() }))
            })
        } else if self.closed.get() && self.handed.get() == 0 {
            self.getters.next().map(|(resolver, ())| (resolver, Err(Error::from(QueueClosed))))
        } else {
            None
        };
        let Some((resolver, outcome)) = outcome else { return false };
        resolver.fire(outcome);
        true
    }
}

/// A value on its way to who asked for it. When nobody takes it, it goes back.
struct Handed<T: 'static> {
    serial: u64,
    value: Option<T>,
    queue: Rc<State<T>>,
}

impl<T: 'static> Handed<T> {
    fn take(mut self) -> Result<T> {
        self.value.take().ok_or_else(|| QueueClosed.into())
    }
}

impl<T: 'static> Drop for Handed<T> {
    fn drop(&mut self) {
        self.queue.handed.set(self.queue.handed.get() - 1);
        if let Some(value) = self.value.take() {
            self.queue.values.borrow_mut().insert(self.serial, value);
        }
        self.queue.serve();
    }
}

impl<T: 'static> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: 'static> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = &self.0;
        f.debug_struct("Queue").field("len", &state.len()).field("max", &state.max).finish_non_exhaustive()
    }
}

/// The value that [`Queue::get`] waits for. Await it, or give it a callback; dropping it loses the place in the line,
/// and no value.
#[must_use = "dropping a Get cancels it: await it, or call then()"]
pub struct Get<T: 'static>(Wait<Handed<T>>);

impl<T: 'static> Get<T> {
    /// Calls `f` from the loop with the value.
    pub fn then(self, f: impl FnOnce(Result<T>) + 'static) {
        self.0.0.then(move |handed| f(handed.and_then(Handed::take)));
    }

    /// Calls `f` in a protocol with the value. When the protocol's connection ends first, it loses its place; a value
    /// that was on its way goes back.
    pub fn then_in<P: 'static, At: Home<P>>(
        self,
        handle: Handle<P, At>,
        f: impl FnOnce(&mut P, &At, Result<T>) -> Result + 'static,
    ) {
        self.0.0.then_in(handle, move |protocol, at, handed| f(protocol, at, handed.and_then(Handed::take)));
    }

    /// Gives the place up; dropping does the same.
    pub fn cancel(self) {}
}

impl<T: 'static> Future for Get<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        Pin::new(&mut self.0).poll(cx).map(|handed| handed.and_then(Handed::take))
    }
}

impl<T: 'static> fmt::Debug for Get<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get").finish_non_exhaustive()
    }
}
