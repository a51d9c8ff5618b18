//! How a connection ends: everybody who waits is told, and what belonged to it is dropped.

use crate::{
    Reason, Transport,
    connection::{Connection, Extra, Origin},
    driver::{Close, Driver, Token},
    engine::entry::Entry,
    engine::flush::leftovers,
    engine::ports::end_factory,
    engine::turn::{Slot, Turn},
    flags::Flags,
    protocol::Protocol,
};
use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

/// How often the queues are emptied when the loop ends. What is dropped may queue more; who insists leaks.
const DRAINS_MAX: usize = 100;

/// Runs user code whose panic must not keep the rest from being done; false when it panicked.
pub(crate) fn contained(what: &str, f: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => true,
        Err(payload) => {
            discard(payload);
            tracing::error!("{what} panicked");
            false
        }
    }
}

/// Drops what a panic has thrown. It may be anything of the user's, and panic in its turn; what that throws is leaked, or
/// there would be no end.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(next);
    }
}

impl Turn {
    /// Ends a condemned connection.
    pub(crate) fn finish(&mut self, driver: &mut dyn Driver, transport: &Transport) {
        let connection = &*transport.0;
        if connection.flags.any(Flags::LOST) {
            return;
        }
        connection.flags.set(Flags::LOST);
        connection.frozen.set(true);
        let how = match connection.flags.any(Flags::GRACEFUL) {
            true if connection.flags.any(Flags::EOF_SEEN | Flags::UNLINGERING) => Close::Drained,
            true => Close::Graceful,
            false => Close::Abort,
        };
        if !crate::broken("leave-socket", 8) {
            driver.close(connection.token, how);
        }
        let slot = self.place(connection.token, Slot::Free);
        connection.reactor.0.strike(connection);
        if !crate::broken("leave-timer", 8) {
            drop(connection.reactor.0.timers.borrow_mut().remove(connection.timer.get()));
        }
        self.one_less();
        let edge = if let Slot::Connection(entry) = &slot { entry.edge.as_ref() } else { None };
        if let Some(key) = edge.and_then(|edge| edge.timer()) {
            drop(connection.reactor.0.timers.borrow_mut().remove(key));
        }
        let reason = connection.with_extra(|extra| extra.reason.take()).unwrap_or(Reason::Aborted);
        let mut reason = if crate::broken("wrong-reason", 8) { Reason::Aborted } else { reason };
        tracing::debug!(connection = %connection.id(), %reason, "lost");
        if connection.flags.any(Flags::FULL) {
            connection.flags.clear(Flags::FULL);
            transport.hold_back_sources(false);
        }
        if let Slot::Connection(mut entry) = slot {
            let belongings = entry.belongings.take().unwrap_or_default();
            reason = entry.lose(reason);
            for task in belongings.tasks.into_iter().filter(|_| !crate::broken("leave-task", 4)) {
                let task = self.tasks.take(task);
                contained("a drop", || drop(task));
            }
            for guard in belongings.guards {
                contained("a drop", || drop(guard));
            }
        }
        tell_waiting(connection, reason);
        let leftovers = leftovers(transport);
        contained("a drop", || drop(leftovers));
    }

    /// The loop ends: everything that is left is dropped.
    pub(crate) fn end(&mut self, driver: &mut dyn Driver) {
        self.reactor.0.stop.set(crate::shared::Stop::Begun);
        let (services, kinds) = (self.services.take(), self.reactor.0.kinds.take());
        contained("a drop", || drop(services));
        contained("a drop", || drop(kinds));
        for index in self.slots.indices() {
            let Some(slot) = self.slots.get_mut(index) else { break };
            match mem::replace(slot, Slot::Free) {
                Slot::Free => {}
                Slot::Listener(listener) => {
                    if let Some(token) = listener.state.token.take() {
                        driver.close(token, Close::Abort);
                    }
                    contained("a drop", || drop(listener));
                }
                Slot::Connecting(generation, race) => {
                    driver.close(Token { index, generation }, Close::Abort);
                    contained("a drop", || drop(race));
                }
                Slot::Watch(entry) => Self::end_watch(driver, entry),
                Slot::Udp(entry) => {
                    let port = entry.port.clone();
                    port.condemn(Reason::Stopped);
                    if let Some(token) = port.0.token.get() {
                        drop(self.place(token, Slot::Udp(entry)));
                    }
                    self.finish_udp(driver, &port);
                }
                Slot::Connection(entry) => {
                    let transport = entry.transport.clone();
                    transport.condemn(Reason::Stopped);
                    drop(self.place(transport.0.token, Slot::Connection(entry)));
                    self.finish(driver, &transport);
                }
            }
        }
        self.end_processes();
        self.take_parked().into_iter().for_each(|parked| driver.close(parked, Close::Abort));
        for task in self.tasks.drain() {
            contained("a drop", || drop(task));
        }
        self.flushing.clear();
        for _ in 0..DRAINS_MAX {
            let Some(left) = self.reactor.0.drain() else { break };
            contained("a drop", || drop(left));
        }
        self.reactor.0.ended.set(true);
    }
}

impl Entry {
    /// Tells the protocol and whoever made the connection, then drops what belonged to it.
    fn lose(mut self, reason: Reason) -> Reason {
        let transport = self.transport.clone();
        if transport.0.flags.any(Flags::TOLD)
            && let Some(protocol) = self.protocol.as_deref_mut()
        {
            for _ in 0..times_lost() {
                contained("connection_lost", || protocol.connection_lost(&transport, &reason));
            }
            if crate::broken("call-after-lost", 8) {
                contained("writable", || drop(protocol.writable(&transport)));
            }
        }
        contained("a drop", || drop(self.protocol));
        if let Some(mut edge) = self.edge {
            let stack = self.stack.as_ref();
            let lent = stack.map_or_else(|| transport.0.out.borrow().lent(), |stack| stack.wire.lent());
            contained("a tap", || edge.ended(&transport, &reason, lent));
            contained("a drop", || drop(edge));
        }
        let reason = match self.origin {
            Origin::Port(port) => {
                port.leave();
                reason
            }
            Origin::Only(only) => {
                end_factory(only.factory);
                only.port.leave();
                reason
            }
            Origin::Connect(race) => {
                let copy = reason.copy();
                contained("a drop", || race.lost(reason));
                copy
            }
            Origin::Told(_) => reason,
        };
        contained("a drop", || drop(self.stack));
        reason
    }

    /// Gives the connection to another protocol.
    pub(crate) fn switch(&mut self, next: Box<dyn Protocol>) {
        let connection = self.transport.0.clone();
        connection.changing.set(connection.changing.get().saturating_sub(1));
        if connection.is_over() || !connection.flags.any(Flags::TOLD) {
            return;
        }
        connection.flags.clear(Flags::PAUSED | Flags::EOF_TOLD);
        self.reset_times();
        if let Some(mut former) = self.protocol.replace(next) {
            let transport = self.transport.clone();
            contained("connection_lost", || former.connection_lost(&transport, &Reason::Switched));
            contained("a drop", || drop(former));
        }
        if connection.flags.any(Flags::CONDEMNED) {
            // It never heard of the connection, so it is not told of its end either.
            let next = self.protocol.take();
            contained("a drop", || drop(next));
            return;
        }
        self.transport.mark_dirty();
        self.make();
    }
}

/// Once, as the contract says.
pub(crate) fn times_lost() -> usize {
    match () {
        () if crate::broken("lose-connection-lost", 8) => 0,
        () if crate::broken("call-connection-lost-twice", 8) => 2,
        () => 1,
    }
}

/// Those who wait for the connection are told or cancelled.
pub(crate) fn tell_waiting(connection: &Connection, reason: Reason) {
    unflushed(connection);
    let reason = Rc::new(reason);
    let end = Extra { end: Some(reason.clone()), ..Extra::default() };
    let extra = connection.with_extra(|extra| mem::replace(extra, end));
    extra.ended.into_iter().for_each(|resolver| resolver.fire(Ok(reason.clone())));
    extra.cancels.cancel();
}

/// Those who wait until bytes have left are told that they will not.
pub(crate) fn unflushed(connection: &Connection) {
    let flushed = match &mut *connection.extra.borrow_mut() {
        Some(extra) => mem::take(&mut extra.flushed),
        None => return,
    };
    for waiter in flushed {
        waiter.resolver.fire(Err("the connection ended before everything was sent".into()));
    }
}
