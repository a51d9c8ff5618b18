//! [`Progress`]: how far the soak has come, as a line on a terminal and a summary at the end.

use crate::scenario::Outcome;
use std::{
    fmt,
    io::{IsTerminal, Write, stderr, stdout},
    time::{Duration, Instant},
};

/// How often the line is drawn again.
const REDRAW: Duration = Duration::from_millis(200);

/// Prints a line. Where the output is gone (`| head`) there is nobody to tell, which is no reason to end.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(stdout(), "{line}");
}

pub(crate) struct Progress {
    began: Instant,
    drawn: Instant,
    limit: Option<Duration>,
    terminal: bool,
    seeds: u64,
    connections: u64,
    callbacks: u64,
    events: u64,
    virtual_time: Duration,
}

#[allow(clippy::disallowed_methods)] // how long the soak itself has run is no part of what it runs
fn clock() -> Instant {
    Instant::now()
}

impl Progress {
    /// One that is over after the time, if there is one.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self {
            began: clock(),
            drawn: clock(),
            limit,
            terminal: stderr().is_terminal(),
            seeds: 0,
            connections: 0,
            callbacks: 0,
            events: 0,
            virtual_time: Duration::ZERO,
        }
    }

    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.connections += outcome.connections;
        self.callbacks += outcome.callbacks;
        self.events += outcome.events;
        self.virtual_time += outcome.elapsed;
        if self.terminal && self.drawn.elapsed() >= REDRAW {
            self.drawn = clock();
            // A terminal that is gone is no reason to end.
            let (seeds, connections, events) = (self.seeds, self.connections, self.events);
            let seconds = self.virtual_time.as_secs();
            // Short enough for 80 columns.
            let line =
                format!("{seeds} seeds, {connections} connections, {events} events, {seconds} s virtual");
            let _ = write!(stderr(), "\r{line}\x1b[K");
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.began.elapsed() >= limit)
    }

    /// Takes the line away and prints the summary.
    pub(crate) fn end(&self) {
        if self.terminal {
            let _ = write!(stderr(), "\r\x1b[K");
        }
        say(format_args!("{}", self.line()));
    }

    fn line(&self) -> String {
        let seconds = self.began.elapsed().as_secs_f64();
        format!(
            "{} seeds in {seconds:.1} s ({:.1}/s): {} connections, {} callbacks, {} events, {} s of virtual time",
            self.seeds,
            self.seeds as f64 / seconds.max(0.001),
            self.connections,
            self.callbacks,
            self.events,
            self.virtual_time.as_secs(),
        )
    }
}
