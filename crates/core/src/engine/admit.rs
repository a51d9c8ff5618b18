//! Which connections a port takes: limits, and what a driver accepts after it was told not to.

use crate::{
    Addr, Limit, Peer,
    connection::Origin,
    driver::{Driver, Token},
    engine::{edge::Edge, turn::Turn},
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

    /// Takes a connection in, unless there are too many from its address.
    fn admit(&mut self, state: &Rc<PortState>, new: Token, remote: Addr, local: Addr) {
        let admission = match state.policy.as_ref().map(|policy| policy.admit(&remote)).transpose() {
            Ok(admission) => admission,
            Err(limit) => {
                state.refused.set(state.refused.get() + 1);
                tracing::debug!(port = %state.addr, %remote, "refused: {limit}");
                return self.refused.push(new);
            }
        };
        state.live.set(state.live.get() + 1);
        let edge = state.policy.clone().map(|policy| Edge::new(Some(policy), admission.unwrap_or_default()));
        let (origin, layers) = (Origin::Port(state.clone()), state.layers.clone());
        self.enroll(new, Peer::new(remote, local), origin, layers, edge, 0);
        self.ports_changed |= state.is_full();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.reactor.0.connection_count() >= self.reactor.0.connections_max.get()
    }

    /// Takes in those who have waited, as far as there is room, and tells the driver which ports accept.
    pub(crate) fn look_at_ports(&mut self, driver: &mut dyn Driver) {
        self.admit_parked();
        // Not before: what was built for those may have panicked.
        self.ports_changed = false;
        let full = self.is_full();
        for place in 0..self.ports.len() {
            let Some(&token) = self.ports.get(place) else { return };
            let waits = self.has_parked(token);
            let Some(listener) = self.listener(token) else { continue };
            let (state, resting) = (&listener.state, listener.resting);
            let accepting = !full && !waits && !resting && !state.paused.get() && !state.is_full();
            if accepting != listener.accepting {
                listener.accepting = accepting;
                driver.read(token, accepting);
            }
        }
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
