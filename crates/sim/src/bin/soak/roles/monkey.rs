//! [`Monkey`]: does what it likes, at both ends.

use super::{draw, moment};
use crate::ledger::End;
use std::time::Duration;
use trenza_core::{Input, Protocol, Result, Transport};

/// How many times in its first milliseconds it does something, whatever else happens.
const TICKS: u64 = 20;

/// Does random things, as long as it has wishes left.
pub(crate) struct Monkey {
    end: End,
    wishes: usize,
    done: bool,
    /// The most bytes of one write.
    large: usize,
}

impl Monkey {
    pub(crate) fn new(end: &End, large: usize) -> Self {
        Self { end: end.clone(), wishes: 30, done: false, large }
    }

    fn write(&self, transport: &Transport, n: usize) {
        self.end.write(transport, &self.end.fresh(n));
    }

    fn act(&mut self, transport: &Transport) {
        if self.done {
            return;
        }
        if self.wishes == 0 {
            self.done = true;
            return self.end.close_write(transport);
        }
        self.wishes -= 1;
        match draw(transport, 12) {
            0..=4 => self.write(transport, 1 + draw(transport, 50)),
            5 => self.write(transport, 1 + draw(transport, self.large)),
            6 => self.end.nap(transport, moment(transport)),
            7 => self.end.resume(transport),
            8 => self.wishes = 0,
            9 if draw(transport, 8) == 0 => self.end.abort(transport),
            _ => {}
        }
    }
}

impl Protocol for Monkey {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.write(transport, 10);
        let again = transport.handle::<Self>();
        for ms in 0..=TICKS {
            let wish =
                again.call_later(Duration::from_millis(ms), move |me: &mut Self, transport: &Transport| {
                    if ms == TICKS {
                        me.wishes = 0;
                    }
                    me.act(transport);
                    Ok(())
                });
            transport.attach(wish);
        }
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        let some = draw(transport, 3) == 0;
        let take = if some { 1 + draw(transport, input.len()) } else { input.len() };
        self.end.read(input.up_to(take));
        if draw(transport, 2) == 0 {
            self.act(transport);
        }
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.end.read(input.rest());
        self.end.ended();
        self.done = true;
        self.end.close(transport);
        Ok(())
    }
}
