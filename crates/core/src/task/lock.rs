//! [`Lock`]: a value for one at a time.

use crate::{Deferred, Reactor, task::line::Line};
use std::{
    cell::Cell,
    fmt,
    ops::{Deref, DerefMut},
    rc::Rc,
};

/// A value that one coroutine at a time has, the others in the order they asked. It is for what must not be disturbed
/// across an `await`; without one, a cell is enough. A cheap clone; all clones are one lock.
///
/// Who is cancelled while it waits loses its place, and nothing else changes. A panic of who has the value gives it
/// back as it is. At most 10,000 wait, unless told otherwise; the next one is refused with
/// [`TooManyWaiters`](crate::TooManyWaiters).
///
/// ```
/// use std::time::Duration;
/// use trenza_core::{Lock, Reactor, join};
///
/// let net = trenza_sim::Net::new(1);
/// let sums = net.block_on(&net.host("here"), async {
///     let reactor = Reactor::current();
///     let total = Lock::new(&reactor, 0);
///     join([1, 2, 3].map(|n| {
///         let (total, reactor) = (total.clone(), reactor.clone());
///         async move {
///             let mut total = total.lock().await?;
///             let before = *total;
///             reactor.sleep(Duration::from_secs(1)).await;
///             *total = before + n;
///             Ok(*total)
///         }
///     }))
///     .await
/// });
/// assert_eq!(sums?, [1, 3, 6]);
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub struct Lock<T: 'static>(Rc<State<T>>);

struct State<T: 'static> {
    /// None while somebody has it: so nothing is borrowed while user code uses it.
    value: Cell<Option<T>>,
    line: Rc<Line<Guard<T>>>,
}

impl<T: 'static> Lock<T> {
    /// A lock around a value.
    pub fn new(reactor: &Reactor, value: T) -> Self {
        Self(Rc::new(State { value: Cell::new(Some(value)), line: Line::new(reactor) }))
    }

    /// How many may wait; one at least. Default 10,000.
    pub fn set_waiters_max(&self, max: usize) {
        self.0.line.set_max(max);
    }

    /// Waits for the value. The place in the line is taken now. Fails with
    /// [`TooManyWaiters`](crate::TooManyWaiters). Who locks twice waits for itself.
    pub fn lock(&self) -> Deferred<Guard<T>> {
        let guard = self.0.line.join(());
        self.0.serve();
        guard
    }

    /// The value, if nobody has it and nobody waits for it.
    pub fn try_lock(&self) -> Option<Guard<T>> {
        if self.0.line.len() > 0 && self.0.line.is_serving() {
            return None;
        }
        self.0.take()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.line.len()
    }
}

impl<T: 'static> State<T> {
    fn take(self: &Rc<Self>) -> Option<Guard<T>> {
        let value = self.value.take()?;
        Some(Guard { value: Some(value), state: self.clone() })
    }

    fn serve(self: &Rc<Self>) {
        self.line.serve(|| {
            // Nobody leaves the line before there is something to give.
            let Some(guard) = self.take() else { return false };
            let Some((resolver, ())) = self.line.next() else {
                self.value.set(guard.into_value());
                return false;
            };
            resolver.fire(Ok(guard));
            true
        });
    }
}

impl<T: 'static> Clone for Lock<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The value of a [`Lock`]. Dropping it gives the value back.
#[must_use = "dropping a Guard gives the value back"]
pub struct Guard<T: 'static> {
    /// Some until it is dropped.
    value: Option<T>,
    state: Rc<State<T>>,
}

impl<T: 'static> Guard<T> {
    /// Takes the value out, so that dropping the guard gives nothing back.
    fn into_value(mut self) -> Option<T> {
        self.value.take()
    }
}

impl<T: 'static> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard has the value until it is dropped")
    }
}

impl<T: 'static> DerefMut for Guard<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard has the value until it is dropped")
    }
}

impl<T: 'static> Drop for Guard<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.state.value.set(Some(value));
            self.state.serve();
        }
    }
}

impl<T: 'static> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug + 'static> fmt::Debug for Guard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
