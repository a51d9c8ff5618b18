//! [`Pace`]: whether a client is too slow.

use crate::ServerLimits;
use trenza_core::{Counts, Transport};

/// What a client's pace is measured by. It uses the connection's deadline.
#[derive(Default)]
pub(crate) enum Pace {
    /// Nothing.
    #[default]
    Free,
    /// A head must be complete by the deadline.
    Head,
    /// So many bytes must have moved by the deadline; measured again and again.
    Rate(Box<Mark>),
}

/// Where things were when a measurement began.
#[derive(Default)]
pub(crate) struct Mark {
    received: u64,
    sent: u64,
    /// Of the bytes sent, those that the client had not taken from the system; None: nobody had looked.
    held: Option<usize>,
    /// Bytes waited for the client to take them.
    unsent: bool,
    /// Reading was up to the client all the time.
    reading: bool,
}

/// What came of a measurement.
pub(crate) enum Verdict {
    Fine,
    HeadTooSlow,
    SendsTooSlowly,
    ReadsTooSlowly,
}

impl Pace {
    /// From now on a head must come in time. Does nothing while one is awaited already.
    pub(crate) fn head(&mut self, transport: &Transport, limits: &ServerLimits) {
        if !matches!(self, Self::Head) {
            *self = Self::Head;
            transport.set_deadline(Some(limits.head_time));
        }
    }

    /// From now on bytes must move at the least rate. Does nothing while that is measured already.
    pub(crate) fn rate(&mut self, transport: &Transport, limits: &ServerLimits) {
        if !matches!(self, Self::Rate(_)) {
            *self = Self::Rate(Box::new(Mark::new(transport)));
            transport.set_deadline(Some(limits.rate_time));
        }
    }

    /// It was not up to the client for a while.
    pub(crate) fn restart(&mut self, transport: &Transport) {
        if let Self::Rate(mark) = self {
            **mark = Mark { reading: false, ..Mark::new(transport) };
        }
    }

    /// Nothing is measured any more.
    pub(crate) fn stop(&mut self, transport: &Transport) {
        if !matches!(self, Self::Free) {
            *self = Self::Free;
            transport.set_deadline(None);
        }
    }

    /// The deadline has passed. `uploads`: we wait for bytes of a body.
    pub(crate) fn judge(&mut self, transport: &Transport, limits: &ServerLimits, uploads: bool) -> Verdict {
        let mark = match std::mem::take(self) {
            Self::Free => return Verdict::Fine,
            Self::Head => return Verdict::HeadTooSlow,
            Self::Rate(mark) => mark,
        };
        let counts = transport.counts();
        let least = limits.rate.saturating_mul(limits.rate_time.as_secs());
        if counts.unsent > 0 && mark.unsent && mark.taken(&counts).is_some_and(|taken| taken < least) {
            return Verdict::ReadsTooSlowly;
        }
        if uploads && mark.reading && counts.received.saturating_sub(mark.received) < least {
            return Verdict::SendsTooSlowly;
        }
        if uploads || counts.unsent > 0 {
            self.rate(transport, limits);
        }
        Verdict::Fine
    }
}

impl Mark {
    fn new(transport: &Transport) -> Self {
        let counts = transport.counts();
        let (received, sent, held) = (counts.received, counts.sent, counts.held);
        Self { received, sent, held, unsent: counts.unsent > 0, reading: true }
    }

    /// How many bytes the client has taken since. None: the system held some already, nobody knows how many.
    fn taken(&self, counts: &Counts) -> Option<u64> {
        let now = counts.held.unwrap_or(0) as u64;
        let before = match self.held {
            Some(held) => held as u64,
            None if now > 0 => return None,
            None => 0,
        };
        Some((counts.sent.saturating_sub(self.sent) + before).saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_takes_is_what_has_left_without_what_the_system_holds() {
        let mark = |sent, held| Mark { sent, held, ..Mark::default() };
        let taken = |mark: Mark, sent, held| mark.taken(&Counts { sent, held, ..Counts::default() });
        assert_eq!(taken(mark(10, None), 30, None), Some(20));
        assert_eq!(taken(mark(10, None), 30, Some(0)), Some(20));
        assert_eq!(taken(mark(10, None), 30, Some(5)), None, "who knows what it held before");
        assert_eq!(taken(mark(100, Some(90)), 100, Some(40)), Some(50));
        assert_eq!(taken(mark(100, Some(90)), 100, Some(90)), Some(0));
        assert_eq!(taken(mark(100, Some(90)), 300, Some(200)), Some(90));
        assert_eq!(taken(mark(100, Some(0)), 110, Some(20)), Some(0));
    }
}
