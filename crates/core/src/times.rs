//! [`Times`]: the times after which something happens to a connection.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// The times after which something happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// The last byte in either direction.
    pub(crate) active: Instant,
    pub(crate) idle: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
    /// Until when the layers must be ready, or until when we linger.
    pub(crate) phase: Option<Instant>,
}

/// [`Times`] as a connection keeps them: in nanoseconds, since the loop began where they are points in time. So they take
/// half the memory, and last for 584 years.
#[derive(Debug)]
pub(crate) struct TimesCell {
    active: Cell<u64>,
    idle: Cell<u64>,
    deadline: Cell<u64>,
    phase: Cell<u64>,
}

/// No time at all.
const NEVER: u64 = u64::MAX;

impl TimesCell {
    /// Those of a connection on which bytes have moved just now, and for which nothing is due.
    pub(crate) fn new(now: u64) -> Self {
        let never = || Cell::new(NEVER);
        Self { active: Cell::new(now), idle: never(), deadline: never(), phase: never() }
    }

    /// Bytes have moved.
    pub(crate) fn touch(&self, now: u64) {
        self.active.set(now);
    }

    /// The layers must be ready by a time, or we linger.
    pub(crate) fn is_in_phase(&self) -> bool {
        self.phase.get() != NEVER
    }

    /// All of them, for a loop that began then.
    pub(crate) fn get(&self, began: Instant) -> Times {
        let length = |nanos: u64| (nanos != NEVER).then(|| Duration::from_nanos(nanos));
        let point = |nanos: u64| length(nanos).and_then(|since| began.checked_add(since));
        Times {
            active: point(self.active.get()).unwrap_or(began),
            idle: length(self.idle.get()),
            deadline: point(self.deadline.get()),
            phase: point(self.phase.get()),
        }
    }

    /// Replaces them, for a loop that began then.
    pub(crate) fn set(&self, began: Instant, times: Times) {
        let point = |at: Option<Instant>| at.map_or(NEVER, |at| since(began, at));
        self.active.set(since(began, times.active));
        self.idle.set(times.idle.map_or(NEVER, nanos));
        self.deadline.set(point(times.deadline));
        self.phase.set(point(times.phase));
    }
}

/// How long after `began` that is, in nanoseconds.
pub(crate) fn since(began: Instant, at: Instant) -> u64 {
    nanos(at.saturating_duration_since(began))
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(NEVER).min(NEVER - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "any instant will do as a base")]
    fn what_is_kept_is_what_was_set() {
        let began = Instant::now();
        let cell = TimesCell::new(7);
        let after = |nanos| began + Duration::from_nanos(nanos);
        assert_eq!(cell.get(began), Times { active: after(7), idle: None, deadline: None, phase: None });
        assert!(!cell.is_in_phase());
        let times = Times {
            active: after(1),
            idle: Some(Duration::ZERO),
            deadline: Some(after(1 << 60)),
            phase: Some(began),
        };
        cell.set(began, times);
        assert_eq!(cell.get(began), times);
        assert!(cell.is_in_phase());
        cell.touch(9);
        assert_eq!(cell.get(began), Times { active: after(9), ..times });
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "any instant will do as a base")]
    fn too_long_a_time_is_not_taken_for_none() {
        let began = Instant::now();
        let cell = TimesCell::new(0);
        cell.set(began, Times { idle: Some(Duration::MAX), ..cell.get(began) });
        assert!(cell.get(began).idle.is_some_and(|idle| idle > Duration::from_secs(500 * 365 * 24 * 3600)));
    }
}
