//! [`Watched`]: a future whose end somebody hears of.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Tells `end` what became of a future once it is dropped: its output; None when it had not ended, because it was
/// cancelled, has panicked or the loop is over.
pub(crate) struct Watched<F, T, E: FnOnce(Option<T>)> {
    // Fields are dropped in this order: who hears of the end may rely on the future being gone.
    future: Pin<Box<F>>,
    end: End<T, E>,
}

struct End<T, E: FnOnce(Option<T>)> {
    output: Option<T>,
    tell: Option<E>,
}

impl<F: Future<Output = T>, T, E: FnOnce(Option<T>)> Watched<F, T, E> {
    pub(crate) fn new(future: F, end: E) -> Self {
        Self { future: Box::pin(future), end: End { output: None, tell: Some(end) } }
    }
}

// Nothing in it is pinned but the future, which has a box of its own.
impl<F, T, E: FnOnce(Option<T>)> Unpin for Watched<F, T, E> {}

impl<F: Future<Output = T>, T, E: FnOnce(Option<T>)> Future for Watched<F, T, E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Poll::Ready(output) = self.future.as_mut().poll(cx) else { return Poll::Pending };
        self.end.output = Some(output);
        Poll::Ready(())
    }
}

impl<T, E: FnOnce(Option<T>)> Drop for End<T, E> {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(self.output.take());
        }
    }
}
