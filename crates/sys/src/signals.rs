//! [`Signals`]: being asked to stop.

use crate::rest::REST;
use signal_hook::{
    consts::{SIGINT, SIGPIPE, SIGTERM},
    flag,
    iterator::{
        Handle,
        backend::{PollResult, SignalDelivery, SignalIterator},
        exfiltrator::SignalOnly,
    },
};
use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// The signals that ask a program to stop.
const STOP: [i32; 2] = [SIGINT, SIGTERM];

/// How many [`Signals`] there are, and what the system's handler looks at when there are none.
static INSTALLED: Mutex<Installed> = Mutex::new(Installed { count: 0, unhandled: None });

struct Installed {
    count: usize,
    /// True while the signals do what they do in any program: end it.
    unhandled: Option<Arc<AtomicBool>>,
}

/// Sees to it that a pipe without a reader is an error and not the end of the program, in programs whose `main` is not
/// Rust's too. A handler does so, which programs that are started do not inherit, other than an ignored signal.
pub(crate) fn ignore_broken_pipes() -> io::Result<()> {
    static HANDLED: Mutex<bool> = Mutex::new(false);
    let mut handled = HANDLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*handled {
        flag::register(SIGPIPE, Arc::new(AtomicBool::new(false)))?;
        *handled = true;
    }
    Ok(())
}

/// Calls a function on a thread of its own for each SIGINT and SIGTERM, as long as it is kept. When the last
/// of them is dropped the signals end the program again.
#[derive(Debug)]
pub struct Signals {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Signals {
    /// Calls `on_signal` with the number of each SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    /// The system has no descriptor or thread left, or refuses the handler.
    pub fn install(mut on_signal: impl FnMut(i32) + Send + 'static) -> io::Result<Self> {
        enter()?;
        let started = UnixStream::pair().and_then(|(read, write)| {
            let signals = SignalDelivery::with_pipe(read, write, SignalOnly, STOP)?;
            let handle = signals.handle();
            let listen = move || listen(signals, &mut on_signal);
            let thread = thread::Builder::new().name("trenza-signals".to_owned()).spawn(listen)?;
            Ok(Self { handle, thread: Some(thread) })
        });
        if started.is_err() {
            leave();
        }
        started
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
        let thread = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id());
        if let Some(thread) = thread {
            // A panic in the function was told by the panic hook.
            let _ = thread.join();
        }
        leave();
    }
}

/// Calls `on_signal` until the handle is closed.
fn listen(signals: SignalDelivery<UnixStream, SignalOnly>, on_signal: &mut dyn FnMut(i32)) {
    let mut signals = SignalIterator::new(signals);
    loop {
        match signals.poll_signal(&mut |pipe| Ok(wait(pipe))) {
            PollResult::Signal(signal) => on_signal(signal),
            PollResult::Closed => return,
            PollResult::Pending | PollResult::Err(_) => {}
        }
    }
}

/// Blocks until the pipe has a byte, which means that there may be a signal. A read that fails, for want of memory or
/// whatever, is no reason to be deaf from then on: it looks for signals without being told to.
fn wait(pipe: &mut impl Read) -> bool {
    if pipe.read(&mut [0]).is_err() {
        thread::sleep(REST);
    }
    true
}

fn enter() -> io::Result<()> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if installed.unhandled.is_none() {
        let unhandled = Arc::new(AtomicBool::new(false));
        for signal in STOP {
            flag::register_conditional_default(signal, unhandled.clone())?;
        }
        installed.unhandled = Some(unhandled);
    }
    installed.count += 1;
    installed.update();
    Ok(())
}

fn leave() {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    installed.count = installed.count.saturating_sub(1);
    installed.update();
}

impl Installed {
    fn update(&self) {
        if let Some(unhandled) = &self.unhandled {
            unhandled.store(self.count == 0, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_fails_makes_nobody_deaf() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::OutOfMemory.into())
            }
        }
        assert!(wait(&mut Fails) && wait(&mut &b"X"[..]));
    }
}
