//! [`End`]: one of two connections whose bytes go to the other one.
//!
//! ```text
//!   client ──▶ near ──▶ End::data_received ──▶ far.write ──▶ target
//!          ◀── near.write ◀── End::data_received ◀── far ◀──
//! ```
//!
//! While one is full the other one is not read. FIN goes through as FIN, so each direction ends by itself; a reset, an
//! error or a time that is over goes through as a reset. Beyond [`Transport::join`] it counts, knows who has ended it,
//! lets nothing overtake the answer to the client, and goes on for a while at a stop.

use crate::account::Account;
use std::{rc::Rc, time::Duration};
use trenza_core::{Input, Protocol, Reason, Result, Transport};

/// Whose bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client's.
    Near,
    /// The target's.
    Far,
}

/// One of two connections whose bytes go to the other one.
pub(crate) struct End {
    side: Side,
    other: Transport,
    account: Rc<Account>,
    idle: Duration,
    /// The other one knows how this one has ended.
    told: bool,
}

impl End {
    /// The far end. It waits until it is [joined](join) with the near one.
    pub(crate) fn far(near: Transport, account: Rc<Account>, idle: Duration) -> Self {
        Self { side: Side::Far, other: near, account, idle, told: false }
    }
}

/// Has the two ends pass on to each other what comes. The near one's protocol is replaced.
pub(crate) fn join(near: &Transport, far: Transport, account: Rc<Account>, idle: Duration) {
    account.joined.set(true);
    account.far(&far);
    far.throttle(near);
    near.throttle(&far);
    far.set_timeout(Some(idle));
    far.resume();
    near.switch_to(End { side: Side::Near, other: far, account, idle, told: false });
}

impl Protocol for End {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        match self.side {
            Side::Near => transport.set_timeout(Some(self.idle)),
            // What the target says first must not overtake the answer to the client.
            Side::Far => transport.pause(),
        }
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        let bytes = input.rest();
        let count = match self.side {
            Side::Near => &self.account.sent,
            Side::Far => &self.account.received,
        };
        count.set(count.get().saturating_add(bytes.len() as u64));
        self.other.write(bytes);
        Ok(())
    }

    fn eof_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        self.other.close_write();
        Ok(())
    }

    /// Nobody knows when the two are done: they go on until they are, or until the reactor's time is over.
    fn stopping(&mut self, _: &Transport) -> Result {
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.told = true;
        let clean = reason.is_clean();
        if !clean {
            self.account.fail(match self.side {
                Side::Near => format!("the client: {reason}"),
                Side::Far => format!("the target: {reason}"),
            });
        }
        // Before, the client waits for an answer, and whoever owes it sees what has become of this one.
        if self.account.joined.get() {
            if clean { self.other.close() } else { self.other.abort() }
        }
    }
}

impl Drop for End {
    /// A client that was closing already when its target was found never changes over to its end.
    fn drop(&mut self) {
        if !self.told && self.account.joined.get() {
            self.other.abort();
        }
    }
}

/// Stands for a client that waits for its target: what it sends meanwhile is kept.
pub(crate) struct Waiting {
    pub(crate) account: Rc<Account>,
    /// How much is kept before the client is not read any more.
    pub(crate) early: usize,
}

impl Protocol for Waiting {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        if input.len() > self.early {
            transport.pause();
        }
        Ok(())
    }

    /// It may still want to hear what its target says.
    fn eof_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        if !matches!(reason, Reason::Switched) {
            self.account.fail(format!("the client, while it waited: {reason}"));
        }
    }
}
