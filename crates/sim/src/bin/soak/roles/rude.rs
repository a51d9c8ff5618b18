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
pub(crate) struct Rude {
    end: End,
    /// It never takes anything.
    deaf: bool,
}

impl Rude {
    pub(crate) fn new(end: &End) -> Self {
        Self { end: end.clone(), deaf: false }
    }
}

impl Protocol for Rude {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        match draw(transport, 8) {
            0 => return Err("it fails at once".into()),
            // Long enough for more to come than it may leave unread.
            1..=2 => self.deaf = true,
            3..=4 => self.end.nap(transport, Duration::from_millis(200)),
            _ => {}
        }
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        let take_nothing = self.deaf || draw(transport, 4) == 0;
        match draw(transport, 16) {
            _ if take_nothing => {
                // Too many unread bytes end the connection.
                if input.len() > transport.limits().unread {
                    self.end.disturb();
                }
            }
            0 => return Err("it does not like these bytes".into()),
            1 => {
                self.end.disturb();
                panic_any(Deliberate);
            }
            2 => self.end.abort(transport),
            3 => self.end.close(transport),
            4 => self.end.nap(transport, 20 * moment(transport)),
            _ => self.end.read(input.rest()),
        }
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.end.read(input.rest());
        self.end.ended();
        self.end.close(transport);
        Ok(())
    }
}
