//! [`cooperate`]: long work in small slices, and [`yield_now`].

use crate::{Deferred, Reactor, Result};
use std::{future::poll_fn, task::Poll, time::Duration};

/// How many steps of one piece of work a turn makes at most.
const TURN_STEPS: usize = 1024;
/// How many steps are made before another piece of work has a try.
const TRY_STEPS: usize = 16;
/// How old a turn may be for another try; each piece of work has one in every turn.
const SLICE: Duration = Duration::from_millis(5);

/// Does long work without holding up the loop: takes step after step from an iterator until it ends or a step fails.
///
/// A turn makes at most 1024 steps of it, and ends when it is 5 ms old: events, timers and the flush of others come
/// between. Several pieces of work share that time. Each step should be short against it. Dropping the result drops
/// the iterator; a panic in it is an error of the result.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use trenza_core::cooperate;
///
/// let net = trenza_sim::Net::new(1);
/// let sum = Rc::new(Cell::new(0u64));
/// let total = sum.clone();
/// net.host("here").run(|reactor| {
///     let steps = (1..=10_000).map(move |n| Ok(total.set(total.get() + n)));
///     cooperate(reactor, steps).detach();
/// });
/// net.run_until(|| sum.get() == 50_005_000);
/// ```
#[track_caller]
pub fn cooperate(
    reactor: &Reactor,
    work: impl IntoIterator<Item = Result, IntoIter: 'static>,
) -> Deferred<()> {
    let mut work = work.into_iter();
    let shared = reactor.0.clone();
    let reactor = reactor.clone();
    reactor.clone().spawn(async move {
        loop {
            // A new turn.
            let mut steps = 0;
            while steps < TURN_STEPS {
                for _ in 0..TRY_STEPS {
                    match work.next() {
                        Some(step) => step?,
                        None => return Ok(()),
                    }
                }
                steps += TRY_STEPS;
                if shared.host.now().saturating_duration_since(shared.now()) >= SLICE {
                    break;
                }
                requeue().await;
            }
            reactor.sleep(Duration::ZERO).await;
        }
    })
}

/// Lets the other tasks that are woken run first.
async fn requeue() {
    let mut again = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut again, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Lets everybody else have a turn: the coroutine goes on in the next turn of the loop, behind the events and timers
/// that have come meanwhile.
///
/// ```
/// use trenza_core::yield_now;
///
/// let net = trenza_sim::Net::new(1);
/// net.block_on(&net.host("here"), async {
///     for _ in 0..100 {
///         // a piece of work, and then
///         yield_now().await;
///     }
///     Ok(())
/// })?;
/// # Ok::<(), trenza_core::Error>(())
/// ```
///
/// # Panics
/// Outside of a coroutine or callback of a reactor.
pub async fn yield_now() {
    Reactor::current().sleep(Duration::ZERO).await;
}
