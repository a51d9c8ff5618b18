//! Running a program: [`run`] and [`block_on`].

use std::{
    cell::Cell,
    ops::AsyncFnOnce,
    process::ExitCode,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
};
use trenza_core::{Engine, Error, Reactor, Reason, Remote, Result};
use trenza_sys::{DriverKind, Signals};

/// A signal ended the program before it was done: the second one that came, or under [`block_on`] the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cut short by signal {signal}")]
pub struct Interrupted {
    /// The signal's number.
    pub signal: i32,
}

impl Interrupted {
    /// What shells expect of a program that a signal has ended: 128 and its number, so 130 after SIGINT and 143 after
    /// SIGTERM.
    ///
    /// ```
    /// use std::process::ExitCode;
    /// use trenza::{Interrupted, block_on};
    ///
    /// fn main() -> ExitCode {
    ///     let Err(error) = block_on(async |_| Ok(())) else { return ExitCode::SUCCESS };
    ///     if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
    ///         return interrupted.exit_code(); // nobody needs to be told what was just typed
    ///     }
    ///     eprintln!("error: {error}");
    ///     ExitCode::FAILURE
    /// }
    /// ```
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(128u8.saturating_add(u8::try_from(self.signal).unwrap_or(0)))
    }
}

/// Runs a program: `setup` listens and connects, then the loop runs until [`Reactor::stop`] or a signal.
///
/// SIGINT and SIGTERM stop it gracefully: ports stop accepting, protocols hear
/// [`stopping`](trenza_core::Protocol::stopping), a deadline aborts the rest.
///
/// It runs on the best driver that the system has, or on what the variable `TRENZA_DRIVER` says: `poll` or `uring`.
///
/// # Errors
/// Those of `setup` and of the system; [`Interrupted`] after a second signal.
pub fn run(setup: impl FnOnce(&Reactor) -> Result) -> Result {
    until_stopped(DriverKind::from_env()?, setup).map(drop)
}

/// [`run`] on a driver of that kind, whatever `TRENZA_DRIVER` says.
///
/// # Errors
/// As [`run`].
pub fn run_on(kind: DriverKind, setup: impl FnOnce(&Reactor) -> Result) -> Result {
    until_stopped(kind, setup).map(drop)
}

/// Runs a coroutine to its end, as Python's `asyncio.run` does; then the loop stops gracefully.
///
/// A signal stops the loop, too; the coroutine goes on while there are connections, whose reads give the end then, and
/// its result counts if it comes to one.
///
/// # Errors
/// Those of `main` and of the system; [`Interrupted`] when a signal came before `main` had ended, and after a second
/// signal.
pub fn block_on<T: 'static>(main: impl AsyncFnOnce(Reactor) -> Result<T> + 'static) -> Result<T> {
    let result = Rc::new(Cell::new(None));
    let slot = result.clone();
    let signal = until_stopped(DriverKind::from_env()?, move |reactor| {
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
    match (result.take(), signal) {
        (Some(result), _) => result,
        (None, Some(signal)) => Err(Interrupted { signal }.into()),
        (None, None) => Err(Reason::Stopped.into()),
    }
}

/// Makes the kinds of endpoint of all suites known to a reactor: `tls`, `socks5` and others, as far as their features are on.
/// [`run`], [`block_on`] and tests do it themselves; who drives an [`Engine`] by hand calls it.
pub fn register(reactor: &Reactor) {
    #[cfg(feature = "proxy")]
    trenza_proxy::register(reactor);
    #[cfg(feature = "tls")]
    trenza_tls::register(reactor);
    let _ = reactor;
}

/// What has come so far that ends a program.
#[derive(Default)]
pub(crate) struct Seen {
    /// Signals, by number; 0: none.
    first: AtomicI32,
    second: AtomicI32,
    /// Another loop has failed.
    pub(crate) failed: AtomicBool,
}

/// Runs the loop; gives the signal that has stopped it, if one did.
fn until_stopped(kind: DriverKind, setup: impl FnOnce(&Reactor) -> Result) -> Result<Option<i32>> {
    let mut engine = Engine::new(kind.driver()?);
    let seen = Arc::new(Seen::default());
    let _signals = stop_on_signals(vec![engine.reactor().remote()], seen.clone())?;
    engine.enter(|reactor| {
        register(reactor);
        setup(reactor)
    })?;
    serve(&mut engine, &seen)?;
    Ok(Some(seen.first.load(Ordering::Relaxed)).filter(|signal| *signal != 0))
}

/// Runs a loop to its end, or until it is cut short.
pub(crate) fn serve(engine: &mut Engine, seen: &Seen) -> Result {
    while engine.dispatch() {
        let until = engine.until();
        engine.driver().wait(until)?;
        let signal = seen.second.load(Ordering::Relaxed);
        if signal != 0 {
            return Err(Error::from(Interrupted { signal }));
        }
        if seen.failed.load(Ordering::Relaxed) {
            return Err(Reason::Stopped.into());
        }
    }
    Ok(())
}

/// The first signal stops these loops, the second one cuts them short.
pub(crate) fn stop_on_signals(remotes: Vec<Remote>, seen: Arc<Seen>) -> Result<Signals> {
    let mut again = false;
    let signals = Signals::install(move |signal| {
        let place = if std::mem::replace(&mut again, true) { &seen.second } else { &seen.first };
        place.store(signal, Ordering::Relaxed);
        for remote in &remotes {
            // The call also ends the wait.
            remote.call(Reactor::stop);
        }
    })?;
    Ok(signals)
}
