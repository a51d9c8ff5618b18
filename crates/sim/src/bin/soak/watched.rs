//! [`Watched`]: a protocol whose callbacks are checked before it gets them.

use crate::{ledger::End, roles::draw};
use std::time::Duration;
use trenza_core::{Input, Protocol, Reason, Result, Timeout, Transport};

/// After how much silence a connection is given up: what a broken network leaves behind ends by this.
pub(crate) const IDLE: Duration = Duration::from_secs(40);

/// A role of the soak at one end of a connection.
pub(crate) struct Watched {
    end: End,
    name: &'static str,
    role: Box<dyn Protocol>,
}

impl Watched {
    pub(crate) fn new(end: &End, name: &'static str, role: impl Protocol) -> Self {
        Self { end: end.clone(), name, role: Box::new(role) }
    }

    /// An error of the role breaks its connection, which is as it must be.
    fn watch(&self, result: Result) -> Result {
        if result.is_err() {
            self.end.disturb();
        }
        result
    }
}

impl Protocol for Watched {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.end.made(transport, self.name);
        transport.set_timeout(Some(IDLE));
        if draw(transport, 8) == 0 {
            // It ends with the connection, and not before.
            let sleep = transport.reactor().sleep(10 * IDLE);
            transport.spawn(async move {
                sleep.await;
                Ok(())
            });
        }
        let result = self.role.connection_made(transport);
        self.watch(result)
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.end.offered(transport, "bytes");
        let result = self.role.data_received(transport, input);
        self.watch(result)
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.end.offered(transport, "the end");
        let result = self.role.eof_received(transport, input);
        self.watch(result)
    }

    fn writable(&mut self, transport: &Transport) -> Result {
        self.end.called(transport, "writable");
        let result = self.role.writable(transport);
        self.watch(result)
    }

    fn timed_out(&mut self, transport: &Transport, which: Timeout) -> Result {
        self.end.timed_out(transport);
        self.role.timed_out(transport, which)
    }

    fn stopping(&mut self, transport: &Transport) -> Result {
        self.end.called(transport, "stopping");
        self.end.close(transport);
        Ok(())
    }

    fn connection_lost(&mut self, transport: &Transport, reason: &Reason) {
        self.end.lost(transport, reason);
        self.role.connection_lost(transport, reason);
    }

    fn inner(&mut self) -> Option<&mut dyn Protocol> {
        Some(&mut *self.role)
    }
}
