//! [`Semaphore`]: so many at a time.

use crate::{Deferred, Reactor, task::line::Line};
use std::{cell::Cell, fmt, rc::Rc};

/// Lets so many through at a time, the others in the order they asked. A cheap clone; all clones are one semaphore.
///
/// Who is cancelled while it waits loses its place, and nothing else changes. At most 10,000 wait, unless told
/// otherwise; the next one is refused with [`TooManyWaiters`](crate::TooManyWaiters).
///
/// ```
/// use std::time::Duration;
/// use trenza_core::{Reactor, Semaphore, join};
///
/// let net = trenza_sim::Net::new(1);
/// net.block_on(&net.host("here"), async {
///     let reactor = Reactor::current();
///     let two = Semaphore::new(&reactor, 2);
///     join((0..6).map(|_| async {
///         let _permit = two.acquire().await?;
///         reactor.sleep(Duration::from_secs(10)).await;
///         Ok(())
///     }))
///     .await
/// })?;
/// assert_eq!(net.elapsed().as_secs(), 30);
/// # Ok::<(), trenza_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Semaphore(Rc<State>);

struct State {
    free: Cell<usize>,
    line: Rc<Line<Permit>>,
}

impl Semaphore {
    /// A semaphore with so many permits.
    pub fn new(reactor: &Reactor, permits: usize) -> Self {
        Self(Rc::new(State { free: Cell::new(permits), line: Line::new(reactor) }))
    }

    /// How many may wait; one at least. Default 10,000.
    pub fn set_waiters_max(&self, max: usize) {
        self.0.line.set_max(max);
    }

    /// Waits for a permit. The place in the line is taken now. Fails with
    /// [`TooManyWaiters`](crate::TooManyWaiters).
    pub fn acquire(&self) -> Deferred<Permit> {
        let permit = self.0.line.join(());
        self.0.serve();
        permit
    }

    /// A permit, if one is free and nobody waits for it.
    pub fn try_acquire(&self) -> Option<Permit> {
        if self.0.line.len() > 0 && self.0.line.is_serving() {
            return None;
        }
        self.0.take()
    }

    /// How many permits are free.
    pub fn available(&self) -> usize {
        self.0.free.get()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.line.len()
    }
}

impl State {
    fn take(self: &Rc<Self>) -> Option<Permit> {
        self.free.set(self.free.get().checked_sub(1)?);
        Some(Permit(self.clone()))
    }

    fn serve(self: &Rc<Self>) {
        self.line.serve(|| {
            if self.free.get() == 0 {
                return false;
            }
            let Some((resolver, ())) = self.line.next() else { return false };
            match self.take() {
                Some(permit) => resolver.fire(Ok(permit)),
                None => drop(resolver),
            }
            true
        });
    }
}

/// The right to be one of those at a time. Dropping it lets the next one through.
#[must_use = "dropping a Permit gives it back"]
pub struct Permit(Rc<State>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.free.set(self.0.free.get() + 1);
        self.0.serve();
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (available, waiting) = (self.available(), self.waiting());
        f.debug_struct("Semaphore").field("available", &available).field("waiting", &waiting).finish()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
