//! [`Trace`]: what happened, with virtual time.

use std::{collections::VecDeque, fmt, time::Duration};

/// The most lines that are kept; older ones go first, since a failure is explained by what came last.
pub const TRACE_LINES_MAX: usize = 20_000;

/// The last events of a network.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: VecDeque<String>,
}

impl Trace {
    pub(crate) fn note(&mut self, now: Duration, what: fmt::Arguments<'_>) {
        if self.lines.len() == TRACE_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>4}.{:09} {what}", now.as_secs(), now.subsec_nanos()));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
