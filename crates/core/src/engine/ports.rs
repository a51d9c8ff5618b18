//! Ports: what listens, and how all of it stops.

use crate::{
    Factory, Peer, Protocol, Reason,
    connection::{Only, Origin},
    driver::{Bound, Close, Driver, Established, Open},
    engine::command::Command,
    engine::edge::Edge,
    engine::entry::Entry,
    engine::lost::contained,
    engine::turn::{Slot, Turn, flags_of},
    flags::Flags,
    port::PortState,
    shared::Stop,
};
use std::rc::Rc;

/// A listener in the loop's table.
pub(crate) struct Listener {
    pub(crate) state: Rc<PortState>,
    pub(crate) factory: Box<dyn Factory>,
    /// What the driver was told.
    pub(crate) accepting: bool,
    /// It rests after an error.
    pub(crate) resting: bool,
}

impl Turn {
    pub(super) fn listen(
        &mut self,
        driver: &mut dyn Driver,
        bound: Bound,
        state: Rc<PortState>,
        factory: Box<dyn Factory>,
    ) {
        match driver.open(Open::Listen(bound)) {
            Ok(token) if self.reactor.0.stop.get() == Stop::Begun => {
                state.stopped.set(true);
                driver.close(token, Close::Abort);
                end_factory(factory);
            }
            Ok(token) => {
                state.token.set(Some(token));
                let listener = Listener { state, factory, accepting: false, resting: false };
                drop(self.place(token, Slot::Listener(Box::new(listener))));
                self.ports.push(token);
                self.ports_changed = true;
            }
            Err(error) => tracing::error!(port = %state.addr, %error, "cannot serve a bound socket"),
        }
    }

    /// Serves the only connection of a port.
    pub(super) fn serve(
        &mut self,
        driver: &mut dyn Driver,
        stream: Established,
        state: Rc<PortState>,
        factory: Box<dyn Factory>,
    ) {
        let (peer, flags) = (Peer::new(stream.remote, stream.local), flags_of(&stream.ends));
        match driver.open(Open::Adopt(stream.ends)) {
            Ok(token) if self.reactor.0.stop.get() == Stop::Begun => {
                state.stopped.set(true);
                driver.close(token, Close::Abort);
                end_factory(factory);
            }
            Ok(token) => {
                state.live.set(1);
                let layers = state.layers.clone();
                let edge = state.policy.clone().map(Edge::of_connect);
                let origin = Origin::Only(Box::new(Only { port: state, factory }));
                self.enroll(token, peer, origin, layers, edge, flags);
            }
            Err(error) => tracing::error!(port = %state.addr, %error, "cannot serve a connection"),
        }
    }

    pub(super) fn rested(&mut self, state: &PortState) {
        if let Some(listener) = state.token.get().and_then(|token| self.listener(token)) {
            listener.resting = false;
            self.ports_changed = true;
        }
    }

    /// Ports stop accepting, protocols are told, and what is not done in time is aborted.
    pub(crate) fn begin_stop(&mut self, driver: &mut dyn Driver) {
        self.reactor.0.stop.set(Stop::Begun);
        let reactor = self.reactor.clone();
        let abort_rest = move || {
            reactor.0.late.set(true);
            reactor.connections().into_iter().for_each(|transport| transport.condemn(Reason::Stopped));
            reactor.0.command(Command::EndProcesses);
            let ports = reactor.0.udp_ports.borrow().clone();
            ports.iter().for_each(|port| port.condemn(Reason::Stopped));
        };
        let grace = self.services.grace_left(&self.reactor);
        self.reactor.call_later(grace, abort_rest).detach();
        for port in self.ports.clone() {
            if let Some(state) = self.listener(port).map(|listener| listener.state.clone()) {
                self.stop_port(driver, &state);
            }
        }
        for race in self.reactor.0.take_races() {
            contained("a drop", || race.end(Err(Reason::Stopped.into())));
        }
        for index in self.slots.indices() {
            if let Some(Slot::Connection(entry)) = self.slots.get_mut(index) {
                tell_stopping(entry);
            }
        }
        self.stop_processes();
        self.stop_udp();
    }

    pub(super) fn stop_port(&mut self, driver: &mut dyn Driver, state: &Rc<PortState>) {
        let others_go_on = self.reactor.0.stop.get() != Stop::Begun;
        if let (true, Some(spread), Some(token)) = (others_go_on, &state.spread, state.token.get()) {
            spread.serve(false);
            self.stop_accepting(driver, token);
            let left = state.clone();
            self.reactor.leave_port(move |reactor| reactor.0.command(Command::ClosePort(left)));
        } else {
            self.close_port(driver, state);
        }
        if !state.stopped.replace(true) {
            for slot in self.slots.iter_mut() {
                if let Slot::Connection(entry) = slot
                    && entry.origin.port().is_some_and(|port| Rc::ptr_eq(port, state))
                {
                    tell_stopping(entry);
                }
            }
        }
        state.tell_if_done();
    }

    pub(super) fn close_port(&mut self, driver: &mut dyn Driver, state: &Rc<PortState>) {
        if let Some(token) = state.token.take() {
            state.spread.iter().for_each(|spread| spread.serve(false));
            self.ports.retain(|port| *port != token || crate::broken("leave-port", 2));
            self.ports_changed = true;
            driver.close(token, Close::Abort);
            if let Slot::Listener(listener) = self.place(token, Slot::Free) {
                end_factory(listener.factory);
            }
        }
        state.tell_if_done();
    }

    /// Resets the connections of a port.
    pub(super) fn abort_port(&self, state: &Rc<PortState>) {
        for slot in self.slots.iter() {
            if let Slot::Connection(entry) = slot
                && entry.origin.port().is_some_and(|port| Rc::ptr_eq(port, state))
            {
                entry.transport.condemn(Reason::Stopped);
            }
        }
    }
}

pub(crate) fn end_factory(mut factory: Box<dyn Factory>) {
    contained("factory", || {
        factory.stopped();
        drop(factory);
    });
}

pub(crate) fn tell_stopping(entry: &mut Entry) {
    let flags = &entry.transport.0.flags;
    if !flags.any(Flags::TOLD) {
        return entry.transport.condemn(Reason::Stopped);
    }
    if !flags.any(Flags::STOPPING) && !entry.transport.0.is_over() {
        flags.set(Flags::STOPPING);
        let panicked = !contained("stopping", || entry.call(Protocol::stopping));
        if panicked {
            entry.transport.0.reactor.0.running.set(None);
            entry.transport.condemn(Reason::Panicked);
        }
    }
}
