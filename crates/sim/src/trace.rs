//! [`Trace`]: what happened, with virtual time.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The most lines that are kept; older ones go first, since a failure is explained by what came last.
pub const TRACE_LINES_MAX: usize = 20_000;

/// Where FNV-1a begins, and what it multiplies with: the hash needs to tell traces apart, not attackers.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0100_0000_01b3);

/// The last events of a network, and its time. The network writes it and the disks of its hosts, which jobs of thread
/// pools use, so that it can be sent like them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    now: Duration,
    lines: VecDeque<String>,
    count: u64,
    hash: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self { now: Duration::ZERO, lines: VecDeque::new(), count: 0, hash: FNV.0 }
    }
}

impl Trace {
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        self.lock().note(what);
    }

    /// Moves the time of what is noted from now on.
    pub(crate) fn set_time(&self, now: Duration) {
        self.lock().now = now;
    }

    pub(crate) fn now(&self) -> Duration {
        self.lock().now
    }

    /// The lines that are kept.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().lines.iter().cloned().collect()
    }

    /// How many lines there were.
    pub(crate) fn count(&self) -> u64 {
        self.lock().count
    }

    /// A hash of all of them.
    pub(crate) fn hash(&self) -> u64 {
        self.lock().hash
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn note(&mut self, what: fmt::Arguments<'_>) {
        let line = format!("{:>4}.{:09} {what}", self.now.as_secs(), self.now.subsec_nanos());
        let bytes = line.bytes().chain([b'\n']);
        self.hash = bytes.fold(self.hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV.1));
        self.count += 1;
        if self.lines.len() == TRACE_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}
