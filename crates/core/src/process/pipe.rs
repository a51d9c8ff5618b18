//! [`PipeEnd`]: one pipe of a child, which is a connection as any other, on behalf of the child's one protocol.

use super::{
    children::{Order, Seat, call},
    handle::{Pipe, State},
    protocol::ProcessProtocol,
};
use crate::{Process, Protocol, Reason, Result, Transport};
use std::rc::Rc;
use trenza_wire::Input;

/// Passes on what happens to a pipe.
pub(crate) struct PipeEnd {
    state: Rc<State>,
    seat: Seat,
    which: u32,
}

impl PipeEnd {
    pub(crate) fn new(state: Rc<State>, seat: Seat, which: u32) -> Self {
        Self { state, seat, which }
    }

    fn call(&self, f: impl FnOnce(&mut dyn ProcessProtocol, &Process) -> Result) {
        call(&self.state, &self.seat, f);
    }
}

impl Protocol for PipeEnd {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.call(|protocol, process| protocol.received(process, self.which, input));
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.call(|protocol, process| protocol.eof_received(process, self.which, input));
        transport.close();
        Ok(())
    }

    fn writable(&mut self, _: &Transport) -> Result {
        self.call(|protocol, process| protocol.writable(process, self.which));
        Ok(())
    }

    /// Its protocol hears of it as a whole.
    fn stopping(&mut self, _: &Transport) -> Result {
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.state.set_pipe(self.which, Pipe::Closed);
        match reason {
            Reason::Overflow(limit) => self.state.fail(Reason::Overflow(*limit)),
            Reason::Stopped => self.state.fail(Reason::Stopped),
            _ => self.call(|protocol, process| protocol.pipe_closed(process, self.which, reason)),
        }
        self.state.order(Order::Settle);
    }
}
