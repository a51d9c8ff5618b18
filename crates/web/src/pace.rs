//! [`Pace`]: whether a client is too slow.

use crate::ServerLimits;
use trenza_core::Transport;

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
        if counts.unsent > 0 && mark.unsent && counts.sent.saturating_sub(mark.sent) < least {
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
        Self { received: counts.received, sent: counts.sent, unsent: counts.unsent > 0, reading: true }
    }
}
