//! [`Flood`] and [`Rude`]: those who break the rules on purpose, and must be stopped.

use super::{draw, moment};
use crate::ledger::End;
use std::{panic::panic_any, time::Duration};
use trenza_core::{Input, Protocol, Result, Transport};

/// What a callback panics with when it was told to.
#[derive(Debug)]
pub(crate) struct Deliberate;

/// Writes without asking whether there is room, until the connection overflows or it has had enough.
pub(crate) struct Flood(End);

impl Flood {
    pub(crate) fn new(end: &End) -> Self {
        Self(end.clone())
    }
}

impl Protocol for Flood {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        let (most, piece) = (transport.limits().unsent, 8000);
        for _ in 0..most / piece + draw(transport, 40) {
            self.0.write(transport, &self.0.fresh(piece));
        }
        self.0.close_write(transport);
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.0.read(input.rest());
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.0.read(input.rest());
        self.0.ended();
        self.0.close(transport);
        Ok(())
    }
}

/// Does not read, fails, panics, hangs up.
pub(crate) struct Rude(End);

impl Rude {
    pub(crate) fn new(end: &End) -> Self {
        Self(end.clone())
    }
}

impl Protocol for Rude {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        match draw(transport, 8) {
            0 => return Err("it fails at once".into()),
            // Long enough for more to come than it may leave unread.
            1..=3 => self.0.nap(transport, Duration::from_millis(200)),
            _ => {}
        }
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        match draw(transport, 16) {
            0 => return Err("it does not like these bytes".into()),
            1 => {
                self.0.disturb();
                panic_any(Deliberate);
            }
            2 => self.0.abort(transport),
            3 => self.0.close(transport),
            4 => self.0.nap(transport, 20 * moment(transport)),
            // Takes nothing: too many unread bytes end the connection.
            5..=8 if input.len() > transport.limits().unread => self.0.disturb(),
            5..=8 => {}
            _ => self.0.read(input.rest()),
        }
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.0.read(input.rest());
        self.0.ended();
        self.0.close(transport);
        Ok(())
    }
}
