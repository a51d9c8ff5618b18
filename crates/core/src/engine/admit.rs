//! Which connections a port takes: limits, and what a driver accepts after it was told not to.

use crate::{
    Addr, Limit, Peer,
    connection::Origin,
    driver::{Driver, Open, Socket, Token},
    engine::{command::Command, edge::Edge, turn::Turn},
    loops::Spread,
    policy::Admission,
    port::PortState,
    shared::Stop,
};
use std::rc::Rc;

/// How many connections that were accepted too late wait until there is room. Beyond, they are reset.
const PARKED_MAX: usize = 1024;

/// A connection that the driver had accepted already when its port was full: it waits like those in the backlog.
pub(crate) struct Parked {
    on: Token,
    new: Token,
    remote: Addr,
    local: Addr,
}

/// A connection that was accepted here and that loop `whose` is to have.
pub(crate) struct Handed {
    state: Rc<PortState>,
    whose: usize,
    new: Token,
    remote: Addr,
    local: Addr,
    admission: Admission,
}

/// A connection on its way from the loop that has accepted it.
pub(crate) struct Newcomer {
    socket: Socket,
    remote: Addr,
    local: Addr,
    admission: Admission,
    /// That of the loop it goes to.
    spread: Option<Spread>,
}

impl Turn {
    /// The driver has a new connection.
    pub(crate) fn accepted(&mut self, on: Token, new: Token, remote: Addr, local: Addr) {
        let stopping = !matches!(self.reactor.0.stop.get(), Stop::Running | Stop::Services);
        let Some(state) = self.listener(on).map(|listener| listener.state.clone()).filter(|_| !stopping)
        else {
            return self.refused.push(new);
        };
        let full = self.is_full() || state.is_full() || self.has_parked(on);
        if full && !crate::broken("exceed-connections", 1) {
            return self.park(Parked { on, new, remote, local });
        }
        self.admit(&state, new, remote, local);
    }

    fn park(&mut self, late: Parked) {
        self.ports_changed = true;
        if self.parked.len() < PARKED_MAX {
            return self.parked.push_back(late);
        }
        tracing::debug!(remote = %late.remote, "refused: {}", Limit::Connections);
        self.refused.push(late.new);
    }

    /// Takes a connection in, unless there are too many from its address. On which loop is told by their numbers.
    fn admit(&mut self, state: &Rc<PortState>, new: Token, remote: Addr, local: Addr) {
        let admission = match state.policy.as_ref().map(|policy| policy.admit(&remote)).transpose() {
            Ok(admission) => admission.unwrap_or_default(),
            // Another loop was faster.
            Err(Limit::Connections) => match state.token.get() {
                Some(on) => return self.park(Parked { on, new, remote, local }),
                None => return self.refused.push(new),
            },
            Err(limit) => {
                state.refused.set(state.refused.get() + 1);
                tracing::debug!(port = %state.addr, %remote, "refused: {limit}");
                return self.refused.push(new);
            }
        };
        match state.spread.as_ref().map(|spread| (spread.assign(), spread.index())) {
            Some((whose, own)) if whose != own => {
                let state = state.clone();
                self.handed.push(Handed { state, whose, new, remote, local, admission });
            }
            Some(_) if state.stopped.get() => {
                state.spread.iter().for_each(Spread::left);
                self.refused.push(new);
            }
            _ => self.take_on(state, new, remote, local, admission),
        }
    }

    fn take_on(
        &mut self,
        state: &Rc<PortState>,
        new: Token,
        remote: Addr,
        local: Addr,
        admission: Admission,
    ) {
        state.live.set(state.live.get() + 1);
        let edge = state.policy.clone().map(|policy| Edge::new(Some(policy), admission));
        let (origin, layers) = (Origin::Port(state.clone()), state.layers.clone());
        self.enroll(new, Peer::new(remote, local), origin, layers, edge, 0);
        self.ports_changed |= state.is_full();
    }

    /// Gives a connection to another loop, or keeps it if the driver does.
    pub(crate) fn hand_on(&mut self, driver: &mut dyn Driver, handed: Handed) {
        let Handed { state, whose, new, remote, local, admission } = handed;
        let to = self.reactor.0.joined.get().and_then(|joined| joined.remote(whose));
        let Some(socket) = to.and_then(|_| driver.release(new)) else {
            state.spread.iter().for_each(|spread| spread.take_back(whose));
            if state.stopped.get() {
                state.spread.iter().for_each(Spread::left);
                return self.refused.push(new);
            }
            return self.take_on(&state, new, remote, local, admission);
        };
        let spread = state.spread.as_ref().map(|spread| spread.of(whose));
        self.send_on(
            whose,
            state.addr.clone(),
            Box::new(Newcomer { socket, remote, local, admission, spread }),
        );
    }

    fn send_on(&self, whose: usize, on: Addr, new: Box<Newcomer>) {
        let Some(to) = self.reactor.0.joined.get().and_then(|joined| joined.remote(whose)) else { return };
        self.reactor.0.count_elsewhere(true);
        if !to.call(move |reactor| reactor.0.command(Command::Welcome(on, new))) {
            self.reactor.0.count_elsewhere(false);
        }
    }

    /// Takes in what another loop has accepted. Where the port was stopped meanwhile it goes on to one that serves it; if
    /// there is none it is closed, as what waits in the backlog then is.
    pub(crate) fn welcome(&mut self, driver: &mut dyn Driver, on: &Addr, new: Box<Newcomer>) {
        self.reactor.0.count_elsewhere(false);
        let states =
            self.ports.clone().into_iter().filter_map(|port| Some(self.listener(port)?.state.clone()));
        let mut serving = states.filter(|state| state.addr == *on && !state.stopped.get());
        let Some(state) = serving.next() else { return self.pass_on(on, new) };
        drop(serving);
        let Newcomer { socket, remote, local, admission, spread } = *new;
        match driver.open(Open::Accepted(socket, local.clone())) {
            Ok(token) => self.take_on(&state, token, remote, local, admission),
            Err(error) => {
                spread.iter().for_each(Spread::left);
                tracing::warn!(port = %state.addr, %error, "cannot serve a connection");
            }
        }
    }

    fn pass_on(&self, on: &Addr, mut new: Box<Newcomer>) {
        let Some(spread) = new.spread.take() else { return };
        spread.left();
        match spread.assign() {
            whose if whose == spread.index() => spread.left(),
            whose => {
                new.spread = Some(spread.of(whose));
                self.send_on(whose, on.clone(), new);
            }
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.reactor.0.is_full()
    }

    /// Takes in those who have waited, as far as there is room, and tells the driver which ports accept.
    pub(crate) fn look_at_ports(&mut self, driver: &mut dyn Driver) {
        self.admit_parked();
        // Not before: what was built for those may have panicked.
        self.ports_changed = false;
        let full = self.has_no_room();
        for place in 0..self.ports.len() {
            let Some(&token) = self.ports.get(place) else { return };
            let waits = self.has_parked(token);
            let joined = self.reactor.0.joined.get().is_some().then(|| self.reactor.remote());
            let Some(listener) = self.listener(token) else { continue };
            let (state, resting) = (&listener.state, listener.resting);
            let full = full || joined.map_or_else(|| state.is_full(), |own| state.is_full_for(&own));
            let accepting = !full && !waits && !resting && !state.paused.get() && !state.stopped.get();
            if accepting != listener.accepting {
                listener.accepting = accepting;
                driver.read(token, accepting);
            }
            if waits && !full {
                // Another loop has just made room.
                self.reactor.0.command(Command::Accept);
            }
        }
    }

    /// A port that is about to be left.
    pub(crate) fn stop_accepting(&mut self, driver: &mut dyn Driver, token: Token) {
        if let Some(listener) = self.listener(token) {
            listener.accepting = false;
            driver.read(token, false);
        }
    }

    /// Another loop may have been told of connections that it did not take.
    pub(crate) fn look_again(&mut self, driver: &mut dyn Driver) {
        for token in self.ports.clone() {
            let accepting = self.listener(token).is_some_and(|listener| listener.accepting);
            if accepting {
                driver.read(token, true);
            }
        }
    }

    /// There are as many connections as may be; when there are fewer on other loops this one looks again.
    fn has_no_room(&self) -> bool {
        let shared = &self.reactor.0;
        let all = shared.joined.get().map(|joined| joined.connections());
        let max = shared.connections_max.get();
        self.is_full() && all.is_none_or(|all| all.is_full_for(max, &self.reactor.remote()))
    }

    /// Somebody waits for this port, and goes first.
    fn has_parked(&self, port: Token) -> bool {
        self.parked.iter().any(|parked| parked.on == port)
    }

    fn admit_parked(&mut self) {
        for _ in 0..self.parked.len() {
            let Some(Parked { on, new, remote, local }) = self.parked.pop_front() else { return };
            match self.listener(on).map(|listener| listener.state.clone()) {
                None => self.refused.push(new),
                Some(state) if self.is_full() || state.is_full() => {
                    self.parked.push_back(Parked { on, new, remote, local });
                }
                Some(state) => self.admit(&state, new, remote, local),
            }
        }
    }

    /// A connection that waits has broken.
    pub(crate) fn forget_parked(&mut self, token: Token) -> bool {
        let place = self.parked.iter().position(|parked| parked.new == token);
        let parked = place.and_then(|place| self.parked.remove(place));
        self.refused.extend(parked.iter().map(|parked| parked.new));
        parked.is_some()
    }

    /// Those who wait, for the end of the loop.
    pub(crate) fn take_parked(&mut self) -> Vec<Token> {
        self.parked.drain(..).map(|parked| parked.new).collect()
    }
}
