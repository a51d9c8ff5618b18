//! [`join`] and [`race`]: several results awaited as one.

use crate::{Error, Result};
use std::{
    fmt,
    future::{Future, IntoFuture, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

type Boxed<F> = Pin<Box<<F as IntoFuture>::IntoFuture>>;

fn boxed<F: IntoFuture>(all: impl IntoIterator<Item = F>) -> Vec<Option<Boxed<F>>> {
    all.into_iter().map(|one| Some(Box::pin(one.into_future()))).collect()
}

/// Waits for all, and gives their values in the order of the arguments. The first error is the error of the whole,
/// and drops the others, which cancels what they were at; so does dropping the wait.
///
/// All are polled when one of them is woken: it is made for tens. Thousands belong into a [`Group`](crate::Group).
///
/// ```
/// use std::time::Duration;
/// use trenza_core::{Reactor, join};
///
/// let net = trenza_sim::Net::new(1);
/// let values = net.block_on(&net.host("here"), async {
///     let reactor = Reactor::current();
///     join([3, 1, 2].map(|seconds| {
///         let sleep = reactor.sleep(Duration::from_secs(seconds));
///         reactor.spawn(async move {
///             sleep.await;
///             Ok(seconds)
///         })
///     }))
///     .await
/// });
/// assert_eq!(values?, [3, 1, 2]);
/// assert_eq!(net.elapsed().as_secs(), 3);
/// # Ok::<(), trenza_core::Error>(())
/// ```
///
/// # Errors
/// The first one that comes.
pub async fn join<T, F: IntoFuture<Output = Result<T>>>(all: impl IntoIterator<Item = F>) -> Result<Vec<T>> {
    let mut waiting = boxed(all);
    let mut values: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut left = false;
        for (place, value) in waiting.iter_mut().zip(&mut values) {
            match poll_one::<F>(place, cx) {
                Some(result) => *value = Some(result?),
                None => left |= place.is_some(),
            }
        }
        if left { Poll::Pending } else { Poll::Ready(Ok::<(), Error>(())) }
    })
    .await?;
    Ok(values.into_iter().flatten().collect())
}

/// Waits for the first success, and drops the others, which cancels what they were at; so does dropping the wait. An
/// error does not end the race while others run. (Who wants the first result, whatever it is, gives it as a value:
/// `async { Ok(f.await) }`.)
///
/// When several are there at once, the first in order wins. All are polled when one of them is woken.
///
/// ```
/// use std::time::Duration;
/// use trenza_core::{Reactor, race};
///
/// let net = trenza_sim::Net::new(1);
/// let here = net.host("here");
/// let first = net.block_on(&here, async {
///     let reactor = Reactor::current();
///     race([30, 10, 20].map(|seconds| {
///         let sleep = reactor.sleep(Duration::from_secs(seconds));
///         async move {
///             sleep.await;
///             if seconds == 10 { Err("too early".into()) } else { Ok(seconds) }
///         }
///     }))
///     .await
/// });
/// assert_eq!(first?, 20);
/// assert_eq!(here.left().timers, 0);
/// # Ok::<(), trenza_core::Error>(())
/// ```
///
/// # Errors
/// [`AllFailed`], when none succeeded or there was none.
pub async fn race<T, F: IntoFuture<Output = Result<T>>>(all: impl IntoIterator<Item = F>) -> Result<T> {
    let mut waiting = boxed(all);
    let mut errors = Vec::new();
    poll_fn(|cx| {
        let mut left = false;
        for place in &mut waiting {
            match poll_one::<F>(place, cx) {
                Some(Ok(value)) => return Poll::Ready(Ok(value)),
                Some(Err(error)) => errors.push(error),
                None => left |= place.is_some(),
            }
        }
        if left { Poll::Pending } else { Poll::Ready(Err(AllFailed(std::mem::take(&mut errors)).into())) }
    })
    .await
}

/// Polls what is in a place, and empties it when it has ended.
fn poll_one<F: IntoFuture>(place: &mut Option<Boxed<F>>, cx: &mut Context<'_>) -> Option<F::Output> {
    let Poll::Ready(output) = place.as_mut()?.as_mut().poll(cx) else { return None };
    *place = None;
    Some(output)
}

/// Nobody won a [`race`].
#[derive(Debug)]
pub struct AllFailed(
    /// In the order they came.
    pub Vec<Error>,
);

impl fmt::Display for AllFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "none of {} has succeeded", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "; {error}"))
    }
}

impl std::error::Error for AllFailed {}
