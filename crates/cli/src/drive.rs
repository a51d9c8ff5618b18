//! [`drive`]: what a client does, to its end.

use std::{future::pending, time::Duration};
use trenza::{Reactor, Result, block_on};

/// Runs what a client does to its end; the first signal ends it at once.
pub(crate) fn drive(work: impl AsyncFnOnce() -> Result + 'static) -> Result {
    block_on(async move |reactor: Reactor| {
        // There is nothing to say goodbye for: what has come is kept.
        reactor.set_grace(Duration::ZERO);
        let done = work().await;
        if done.is_err() && reactor.is_stopping() {
            // It was cut short, and the signal is what counts.
            pending::<()>().await;
        }
        done
    })
}
