//! Running a program: [`run`] and [`block_on`].

use std::{
    cell::Cell,
    ops::AsyncFnOnce,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};
use trenza_core::{Engine, Error, Reactor, Remote, Result};
use trenza_sys::{PollDriver, Signals};

/// A second signal ended the loop before protocols were done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cut short by signal {signal}")]
pub struct Interrupted {
    /// The signal's number; shells expect the exit code 128 + signal.
    pub signal: i32,
}

/// Runs a program: `setup` listens and connects, then the loop runs until [`Reactor::stop`] or a signal.
///
/// SIGINT and SIGTERM stop it gracefully: ports stop accepting, protocols hear
/// [`stopping`](trenza_core::Protocol::stopping), a deadline aborts the rest.
///
/// # Errors
/// Those of `setup` and of the system; [`Interrupted`] after a second signal.
pub fn run(setup: impl FnOnce(&Reactor) -> Result) -> Result {
    let mut engine = Engine::new(Box::new(PollDriver::new()?));
    let cut = Arc::new(AtomicI32::new(0));
    let _signals = stop_on_signals(engine.reactor().remote(), cut.clone())?;
    engine.enter(|reactor| {
        register(reactor);
        setup(reactor)
    })?;
    drive(&mut engine, &cut)
}

/// Makes the kinds of endpoint of all suites known to a reactor: `tls` and others, as far as their features are on.
/// [`run`], [`block_on`] and tests do it themselves; who drives an [`Engine`] by hand calls it.
pub fn register(reactor: &Reactor) {
    #[cfg(feature = "tls")]
    trenza_tls::register(reactor);
    let _ = reactor;
}

/// Runs a coroutine to its end, as Python's `asyncio.run` does; then the loop stops gracefully.
///
/// # Errors
/// Those of `main` and of the system; [`Interrupted`] after a second signal. A first signal stops the loop, which
/// is an error here when `main` has not ended.
pub fn block_on<T: 'static>(main: impl AsyncFnOnce(Reactor) -> Result<T> + 'static) -> Result<T> {
    let result = Rc::new(Cell::new(None));
    let slot = result.clone();
    run(move |reactor| {
        let reactor = reactor.clone();
        let task = {
            let reactor = reactor.clone();
            async move { main(reactor).await }
        };
        let stop = reactor.clone();
        reactor.spawn(task).then(move |result| {
            slot.set(Some(result));
            stop.stop();
        });
        Ok(())
    })?;
    result.take().unwrap_or_else(|| Err("stopped by a signal".into()))
}

fn drive(engine: &mut Engine, cut: &AtomicI32) -> Result {
    while engine.dispatch() {
        let until = engine.until();
        engine.driver().wait(until)?;
        let signal = cut.load(Ordering::Relaxed);
        if signal != 0 {
            return Err(Error::from(Interrupted { signal }));
        }
    }
    Ok(())
}

/// The first signal stops the loop, the second one cuts it short.
fn stop_on_signals(remote: Remote, cut: Arc<AtomicI32>) -> Result<Signals> {
    let mut seen = false;
    let signals = Signals::install(move |signal| {
        if std::mem::replace(&mut seen, true) {
            cut.store(signal, Ordering::Relaxed);
        }
        // The call also ends the wait.
        remote.call(Reactor::stop);
    })?;
    Ok(signals)
}
