//! [`Trace`]: what happened, with virtual time.

use std::{collections::VecDeque, fmt, time::Duration};

/// The most lines that are kept; older ones go first, since a failure is explained by what came last.
pub const TRACE_LINES_MAX: usize = 20_000;

/// Where FNV-1a begins, and what it multiplies with: the hash needs to tell traces apart, not attackers.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0100_0000_01b3);

/// The last events of a network.
#[derive(Debug)]
pub(crate) struct Trace {
    lines: VecDeque<String>,
    /// How many lines there were.
    pub(crate) count: u64,
    /// A hash of all of them.
    pub(crate) hash: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self { lines: VecDeque::new(), count: 0, hash: FNV.0 }
    }
}

impl Trace {
    pub(crate) fn note(&mut self, now: Duration, what: fmt::Arguments<'_>) {
        let line = format!("{:>4}.{:09} {what}", now.as_secs(), now.subsec_nanos());
        let bytes = line.bytes().chain([b'\n']);
        self.hash = bytes.fold(self.hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV.1));
        self.count += 1;
        if self.lines.len() == TRACE_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
