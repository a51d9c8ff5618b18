//! [`Source`], [`Echo`], [`Sink`]: many bytes, one way or there and back.

use super::{draw, moment};
use crate::ledger::End;
use trenza_core::{Input, Protocol, Result, Transport};

/// Takes some or all of what is there, at least a byte.
fn take<'a>(transport: &Transport, input: &mut Input<'a>) -> &'a [u8] {
    let some = draw(transport, 4) == 0;
    input.up_to(if some { 1 + draw(transport, input.len()) } else { input.len() })
}

/// Writes so many bytes as fast as they leave, half-closes, and reads what comes back.
pub(crate) struct Source {
    end: End,
    left: usize,
    /// From which byte on the other end echoes, if it does.
    echo_from: Option<usize>,
    echoed: usize,
    done: bool,
}

impl Source {
    pub(crate) fn new(end: &End, bytes: usize, echo: bool) -> Self {
        Self { end: end.clone(), left: bytes, echo_from: echo.then_some(0), echoed: 0, done: false }
    }

    /// One that goes on on a connection where the echo begins at byte `from`.
    pub(crate) fn after(end: &End, bytes: usize, from: usize) -> Self {
        Self { echo_from: Some(from), ..Self::new(end, bytes, true) }
    }

    fn go_on(&mut self, transport: &Transport) {
        while self.left > 0 && !transport.is_full() && transport.is_open() {
            let n = (1 + draw(transport, 3000)).min(self.left);
            self.left -= n;
            self.end.write(transport, &self.end.fresh(n));
            if draw(transport, 8) == 0 {
                let later =
                    transport.handle::<Self>().call_later(moment(transport), |me: &mut Self, transport| {
                        me.go_on(transport);
                        Ok(())
                    });
                return transport.attach(later);
            }
        }
        if self.left == 0 && !std::mem::replace(&mut self.done, true) {
            self.end.close_write(transport);
        }
    }

    fn take_in(&mut self, data: &[u8]) {
        self.end.read(data);
        if let Some(from) = self.echo_from {
            self.end.echoes(from, self.echoed, data);
            self.echoed += data.len();
        }
    }
}

impl Protocol for Source {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.go_on(transport);
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.take_in(take(transport, input));
        if draw(transport, 6) == 0 {
            self.end.nap(transport, moment(transport));
        }
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.take_in(input.rest());
        self.end.ended();
        self.end.close(transport);
        Ok(())
    }

    fn writable(&mut self, transport: &Transport) -> Result {
        self.go_on(transport);
        Ok(())
    }
}

/// Sends back what comes.
pub(crate) struct Echo(End);

impl Echo {
    pub(crate) fn new(end: &End) -> Self {
        Self(end.clone())
    }

    fn echo(&self, transport: &Transport, data: &[u8]) {
        self.0.read(data);
        self.0.write(transport, data);
    }
}

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.echo(transport, take(transport, input));
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.echo(transport, input.rest());
        self.0.ended();
        self.0.close(transport);
        Ok(())
    }
}

/// Takes what comes, at times slowly, and answers at the end.
pub(crate) struct Sink(End);

impl Sink {
    pub(crate) fn new(end: &End) -> Self {
        Self(end.clone())
    }
}

impl Protocol for Sink {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.0.read(take(transport, input));
        if draw(transport, 5) == 0 {
            self.0.nap(transport, moment(transport));
        }
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.0.read(input.rest());
        self.0.ended();
        self.0.write(transport, &self.0.fresh(8));
        self.0.close(transport);
        Ok(())
    }
}
