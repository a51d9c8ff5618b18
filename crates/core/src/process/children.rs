//! The loop's part: the table of children, and the calls into their protocols.

use super::{
    handle::{Pipe, Stage, State},
    pipe::PipeEnd,
    protocol::ProcessProtocol,
};
use crate::{
    Addr, ExitStatus, Peer, Process, Protocol, Reason, Result, Timeout, Transport,
    driver::{Driver, Ends, Open},
    engine::{
        lost::{contained, discard},
        turn::{Turn, flags_of},
    },
    shared::Stop,
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

/// A call into a protocol.
pub(crate) type Call = Box<dyn FnOnce(&mut dyn ProcessProtocol, &Process) -> Result>;

/// Where a child's protocol is: the loop's table and the child's pipes share it, no handle does.
pub(crate) type Seat = Rc<RefCell<Option<Box<dyn ProcessProtocol>>>>;

/// What the loop is asked to do about a child.
pub(crate) enum Order {
    /// It was started: takes its protocol and its pipes.
    Start(Seat, Vec<(u32, Ends)>),
    /// Calls its protocol.
    Call(Call),
    /// A time ran out.
    TimedOut(Timeout),
    /// Looks whether it is over.
    Settle,
}

/// Children in the order in which they were started.
#[derive(Default)]
pub(crate) struct Children {
    table: BTreeMap<u64, (Rc<State>, Seat)>,
    /// Those that have not exited, by the number of their process. Afterwards the system may give it to another one, while
    /// pipes of the first are still open.
    live: BTreeMap<u32, u64>,
    /// Those that have exited before the loop got to know them.
    early: Vec<(u32, ExitStatus)>,
}

impl Children {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = &Rc<State>> {
        self.table.values().map(|(state, _)| state)
    }

    /// Ends all at once.
    pub(crate) fn fail_all(&self) {
        self.states().for_each(|state| state.fail(Reason::Stopped));
    }

    fn meet(&mut self, state: &Rc<State>, seat: &Seat) {
        match self.early.iter().position(|(pid, _)| *pid == state.pid) {
            Some(place) => state.status.set(Some(self.early.remove(place).1)),
            None => drop(self.live.insert(state.pid, state.number)),
        }
        self.table.insert(state.number, (state.clone(), seat.clone()));
    }

    fn seat(&self, state: &Rc<State>) -> Option<Seat> {
        let (known, seat) = self.table.get(&state.number)?;
        Rc::ptr_eq(known, state).then(|| seat.clone())
    }
}

/// Calls a protocol, unless it hears nothing more; an error or a panic ends the child.
pub(crate) fn call(
    state: &Rc<State>,
    seat: &Seat,
    f: impl FnOnce(&mut dyn ProcessProtocol, &Process) -> Result,
) {
    if state.failed.get() || state.stage.get() != Stage::Told {
        return;
    }
    let process = state.handle();
    // Nobody else has borrowed it: handles only queue.
    let run = || match seat.borrow_mut().as_deref_mut() {
        Some(protocol) => f(protocol, &process),
        None => Ok(()),
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => state.fail(Reason::Failed(error)),
        Err(payload) => {
            discard(payload);
            tracing::error!(pid = state.pid, program = %state.program, "a callback of a child process panicked");
            state.fail(Reason::Panicked);
        }
    }
}

impl Turn {
    /// Does what was asked for.
    pub(crate) fn process(&mut self, driver: &mut dyn Driver, state: &Rc<State>, order: Order) {
        match order {
            Order::Start(seat, pipes) => {
                self.children.meet(state, &seat);
                if self.reactor.0.stop.get() == Stop::Begun {
                    state.fail(Reason::Stopped);
                }
                pipes.into_iter().for_each(|(which, ends)| self.open_pipe(driver, state, &seat, which, ends));
                self.started(state);
            }
            Order::Call(f) => self.call_process(state, f),
            Order::TimedOut(which) => {
                self.call_process(state, |protocol, process| protocol.timed_out(process, which));
            }
            Order::Settle => self.settle_process(state),
        }
    }

    fn call_process(&self, state: &Rc<State>, f: impl FnOnce(&mut dyn ProcessProtocol, &Process) -> Result) {
        match self.children.seat(state) {
            Some(seat) => call(state, &seat, f),
            None => drop(contained("a drop", || drop(f))),
        }
    }

    /// Makes a connection of a pipe; of a child that is ended already it is closed.
    fn open_pipe(&mut self, driver: &mut dyn Driver, state: &Rc<State>, seat: &Seat, which: u32, ends: Ends) {
        if state.failed.get() {
            return state.set_pipe(which, Pipe::Closed);
        }
        let flags = flags_of(&ends);
        match driver.open(Open::Adopt(ends)) {
            Ok(token) => {
                let end = Addr::named(format!("descriptor {which} of {} ({})", state.program, state.pid));
                let build = |transport: &Transport| -> Box<dyn Protocol> {
                    state.set_pipe(which, Pipe::Open(transport.clone()));
                    Box::new(PipeEnd::new(state.clone(), seat.clone(), which))
                };
                self.enroll_own(token, Peer::new(end.clone(), end), state.made, flags, build);
            }
            Err(error) => {
                state.set_pipe(which, Pipe::Closed);
                state.fail(Reason::Io(error));
            }
        }
    }

    fn started(&mut self, state: &Rc<State>) {
        if !state.failed.get() {
            state.stage.set(Stage::Told);
            state.catch_up();
            self.call_process(state, ProcessProtocol::started);
        }
        if let Some(status) = state.status.get() {
            self.tell_exit(state, status);
        }
        self.settle_process(state);
    }

    /// A child has exited.
    pub(crate) fn exited(&mut self, pid: u32, status: ExitStatus) {
        let Some(number) = self.children.live.remove(&pid) else {
            return self.children.early.push((pid, status));
        };
        let Some((state, _)) = self.children.table.get(&number) else { return };
        let state = state.clone();
        state.status.set(Some(status));
        tracing::debug!(pid, program = %state.program, %status, "a child process has exited");
        if state.stage.get() == Stage::Told {
            self.tell_exit(&state, status);
        }
        self.settle_process(&state);
    }

    fn tell_exit(&self, state: &Rc<State>, status: ExitStatus) {
        self.call_process(state, |protocol, process| protocol.exited(process, status));
        let waiting = state.awaiting_exit.take();
        waiting.into_iter().for_each(|resolver| resolver.fire(Ok(status)));
    }

    /// Tells that a child is over, if it is.
    fn settle_process(&mut self, state: &Rc<State>) {
        let known = self.children.seat(state).is_some();
        let coming = state.stage.get() == Stage::Coming && !state.failed.get();
        if known && !coming && state.status.get().is_some() && state.is_silent() {
            self.end_process(state.number, Reason::Closed);
        }
    }

    fn end_process(&mut self, number: u64, otherwise: Reason) {
        let Some((state, seat)) = self.children.table.remove(&number) else { return };
        state.stage.set(Stage::Ended);
        let reason = state.reason.take().unwrap_or(otherwise);
        tracing::debug!(pid = state.pid, program = %state.program, %reason, "a child process has ended");
        let protocol = seat.take();
        if let Some(mut protocol) = protocol {
            contained("ended", || protocol.ended(&state.handle(), &reason));
            contained("a drop", || drop(protocol));
        }
        contained("a drop", || drop(reason));
        state.end();
    }

    /// The loop begins to stop.
    pub(crate) fn stop_processes(&self) {
        let states: Vec<_> = self.children.states().cloned().collect();
        for state in states {
            match state.stage.get() {
                Stage::Told => {
                    self.call_process(&state, |protocol, process| protocol.stopping(process));
                }
                Stage::Coming | Stage::Ended => state.fail(Reason::Stopped),
            }
        }
    }

    /// The loop ends: so do its children, whose status nobody will hear.
    pub(crate) fn end_processes(&mut self) {
        self.children.fail_all();
        while let Some(number) = self.children.table.keys().next().copied() {
            self.end_process(number, Reason::Stopped);
        }
    }
}
