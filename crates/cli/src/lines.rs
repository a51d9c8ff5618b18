//! [`Lines`]: log lines on their way to standard error, which the loop never waits for.
//!
//! A line costs a copy into a buffer, which is written on the thread pool: on a terminal as soon as the last write
//! has ended, elsewhere when there is enough or some time has passed, so that a busy server does not make a system
//! call for each request. When the reader does not keep up, lines are dropped and counted.

use crate::workers::Workers;
use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write, stderr},
    mem::take,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};
use trenza::{Reactor, Result};

/// What may wait in memory for a slow reader.
const HELD_MAX: usize = 1 << 20;
/// How much is written at once without waiting for more.
const ENOUGH: usize = 32 << 10;
/// How long a line may wait for more.
const DELAY: Duration = Duration::from_millis(100);
/// How long the end of the program waits for a reader that does not keep up.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs a service that says something in lines, and writes what is left of them when it has ended.
pub(crate) fn run(workers: &Workers, serve: impl Fn(&Reactor, &Lines) -> Result + Send + Sync) -> Result {
    let lines = Lines::new(Arc::default());
    let held = lines.held.clone();
    let ended = workers.run(|reactor| serve(reactor, &Lines::new(held.clone())));
    lines.finish();
    ended
}

/// Those of one loop. A cheap clone.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    /// In common with other loops.
    held: Arc<Mutex<Held>>,
    /// Of one loop only: a lock because logs may be shared, which nobody ever waits for.
    state: Arc<Mutex<State>>,
    /// None on a terminal, where somebody looks on.
    delay: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is held.
    Idle,
    /// A timer will see to it.
    Waiting,
    /// A thread of the pool is at it.
    Writing,
}

impl Lines {
    /// For standard error.
    fn new(held: Arc<Mutex<Held>>) -> Self {
        let delay = if stderr().is_terminal() { None } else { Some(DELAY) };
        Self { held, state: Arc::new(Mutex::new(State::Idle)), delay }
    }

    /// Adds a line; its end is added.
    pub(crate) fn push(&self, reactor: &Reactor, line: &str) {
        let length = hold(&self.held).push(line);
        match (self.state(), self.delay) {
            (State::Writing, _) => (),
            (State::Waiting, _) if length < ENOUGH => (),
            (State::Idle, Some(delay)) => self.wait(reactor, delay),
            _ => self.write(reactor),
        }
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_state(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn wait(&self, reactor: &Reactor, delay: Duration) {
        self.set_state(State::Waiting);
        let (lines, on) = (self.clone(), reactor.clone());
        let due = move || {
            // There may have been enough before.
            if lines.state() == State::Waiting {
                lines.write(&on);
            }
        };
        reactor.call_later(delay, due).detach();
    }

    fn write(&self, reactor: &Reactor) {
        self.set_state(State::Writing);
        let held = self.held.clone();
        let (lines, on) = (self.clone(), reactor.clone());
        let written = reactor.in_thread(move || Ok(write(&held, &mut stderr().lock())?));
        written.then(move |result| {
            lines.set_state(State::Idle);
            if hold(&lines.held).is_empty() {
                return;
            }
            // The pool may be too busy, so that nothing was written.
            let delay = if result.is_err() { Some(DELAY) } else { lines.delay };
            match delay {
                Some(delay) => lines.wait(&on, delay),
                None => lines.write(&on),
            }
        });
    }

    /// Writes what is left, for when the loop has ended. A reader that takes nothing does not keep the program from
    /// its end: a full pipe, a stopped terminal.
    fn finish(&self) {
        let (held, (done, end)) = (self.held.clone(), mpsc::channel::<()>());
        let last = thread::Builder::new().spawn(move || {
            // With standard error gone there is nobody to tell.
            let _ = write(&held, &mut stderr().lock());
            drop(done);
        });
        if last.is_ok() {
            let _ = end.recv_timeout(FAREWELL);
        }
    }
}

/// Writes what is held. Whoever writes has `out` locked, so lines stay in order.
fn write(held: &Mutex<Held>, out: &mut impl Write) -> io::Result<()> {
    let text = hold(held).take();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn hold(held: &Mutex<Held>) -> std::sync::MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The text that was not written yet.
#[derive(Debug, Default)]
struct Held {
    text: String,
    dropped: u64,
}

impl Held {
    /// Adds a line, or drops it; how much is held then.
    fn push(&mut self, line: &str) -> usize {
        if self.text.len() >= HELD_MAX {
            self.dropped += 1;
        } else {
            self.text.push_str(line);
            self.text.push('\n');
        }
        self.text.len()
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn take(&mut self) -> String {
        let mut text = take(&mut self.text);
        let dropped = take(&mut self.dropped);
        if dropped > 0 {
            // A string takes everything.
            let _ = writeln!(text, "({dropped} lines were dropped: standard error is too slow)");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_in_order() {
        let held = Mutex::new(Held::default());
        let mut out = Vec::new();
        assert_eq!(hold(&held).push("one"), 4);
        assert_eq!(hold(&held).push("2"), 6);
        write(&held, &mut out).unwrap();
        assert!(hold(&held).is_empty());
        hold(&held).push("three");
        write(&held, &mut out).unwrap();
        assert_eq!(out, b"one\n2\nthree\n");
    }

    #[test]
    fn a_slow_reader_costs_lines_not_memory() {
        let mut held = Held::default();
        let line = "x".repeat(99);
        for _ in 0..HELD_MAX / 100 + 8 {
            held.push(&line);
        }
        assert!(held.text.len() < HELD_MAX + 100);
        let text = held.take();
        assert!(text.ends_with("(7 lines were dropped: standard error is too slow)\n"), "{}", text.len());
        held.push("next");
        assert_eq!(held.take(), "next\n");
    }
}
