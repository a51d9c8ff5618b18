//! [`Port`]: a listener seen from outside.

use crate::{
    Addr, Deferred, Layers, Policy, Reactor, Remote, Resolver, driver::Token, engine::command::Command,
    loops::Spread,
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    panic::Location,
    rc::Rc,
};

/// What a port's handles share with the loop. The factory is not in here: the loop owns it.
pub(crate) struct PortState {
    /// The code that listened.
    pub(crate) made: &'static Location<'static>,
    pub(crate) addr: Addr,
    pub(crate) token: Cell<Option<Token>>,
    pub(crate) layers: Layers,
    pub(crate) policy: Option<Rc<Policy>>,
    pub(crate) paused: Cell<bool>,
    pub(crate) stopped: Cell<bool>,
    /// How many of its connections are there.
    pub(crate) live: Cell<usize>,
    /// How many it has refused.
    pub(crate) refused: Cell<u64>,
    pub(crate) waiting: RefCell<Vec<Resolver<()>>>,
    /// Its connections on all loops, where it may have some on others.
    pub(crate) spread: Option<Spread>,
}

impl PortState {
    pub(crate) fn new(
        made: &'static Location<'static>,
        addr: Addr,
        layers: Layers,
        policy: Option<Rc<Policy>>,
        spread: Option<Spread>,
    ) -> Rc<Self> {
        Rc::new(Self {
            made,
            addr,
            token: Cell::new(None),
            layers,
            policy,
            paused: Cell::new(false),
            stopped: Cell::new(false),
            live: Cell::new(0),
            refused: Cell::new(0),
            waiting: RefCell::default(),
            spread,
        })
    }

    /// It has as many connections as its policy permits.
    pub(crate) fn is_full(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.is_full())
    }

    /// It has as many as may be; this loop is told when it has fewer.
    pub(crate) fn is_full_for(&self, remote: &Remote) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.is_full_for(remote))
    }

    /// One connection less. When the last one of a stopped port is gone, those who wait are told.
    pub(crate) fn leave(&self) {
        self.live.set(self.live.get().saturating_sub(1));
        if let Some(spread) = &self.spread {
            spread.left();
        }
        self.tell_if_done();
    }

    pub(crate) fn tell_if_done(&self) {
        if self.stopped.get() && self.token.get().is_none() && self.live.get() == 0 {
            let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
            waiting.into_iter().for_each(|resolver| resolver.fire(Ok(())));
        }
    }
}

/// A listener seen from outside. Dropping it changes nothing: the port goes on.
#[derive(Clone)]
pub struct Port {
    pub(crate) reactor: Reactor,
    pub(crate) state: Rc<PortState>,
}

impl Port {
    /// The address it listens on; with port 0 asked for, the one that it got.
    pub fn addr(&self) -> Addr {
        self.state.addr.clone()
    }

    /// Stops accepting; its connections hear [`Protocol::stopping`](crate::Protocol::stopping). Fires when the last
    /// of them is gone. Dropping the result does not undo it.
    pub fn stop(&self) -> Deferred<()> {
        let (deferred, resolver) = self.reactor.deferred();
        self.state.waiting.borrow_mut().push(resolver);
        self.reactor.0.command(Command::StopPort(self.state.clone()));
        deferred
    }

    /// Resets its connections, those whose layers are not ready included; their protocols are lost with
    /// [`Reason::Stopped`](crate::Reason::Stopped). It goes on listening, unless it was stopped.
    pub fn abort(&self) {
        self.reactor.0.command(Command::AbortPort(self.state.clone()));
    }

    /// Stops accepting for now; new connections wait in the system's backlog.
    pub fn pause(&self) {
        self.state.paused.set(true);
        self.reactor.0.command(Command::Accept);
        if let Some(spread) = &self.state.spread {
            spread.serve(false);
            self.reactor.leave_port(|_| ());
        }
    }

    /// Accepts again.
    pub fn resume(&self) {
        self.state.paused.set(false);
        if let Some(spread) = self.state.spread.as_ref().filter(|_| !self.state.stopped.get()) {
            spread.serve(true);
        }
        self.reactor.0.command(Command::Accept);
    }

    /// How many of its connections are there, on this loop.
    pub fn connections(&self) -> usize {
        self.state.live.get()
    }

    /// How many connections it has refused because there were too many from their address
    /// ([`Policy::per_address`]).
    pub fn refused(&self) -> u64 {
        self.state.refused.get()
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port({})", self.state.addr)
    }
}
