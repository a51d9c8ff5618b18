//! Connecting: names, attempts and who is told.

use crate::{
    Deferred, Error, Protocol, Reactor, Resolver, Result, Timer, Transport,
    command::Command,
    driver::Token,
    endpoint::{ConnectPlace, MakeLayers},
};
use std::{
    cell::Cell,
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

/// One `connect` on its way: who waits for it, and what cancels it. The [`Connector`] owns it, so that it ends with
/// whatever holds that: then who waits is told, and no time is limited any more.
pub(crate) struct Attempt {
    reactor: Reactor,
    resolver: Cell<Option<Resolver<Transport>>>,
    timer: Cell<Option<Timer>>,
    /// The address that is being tried.
    pub(crate) to: Cell<Option<SocketAddr>>,
    /// While the driver is connecting.
    pub(crate) token: Cell<Option<Token>>,
    /// From when there is a connection.
    pub(crate) transport: Cell<Option<Transport>>,
    pub(crate) cancelled: Cell<bool>,
}

impl Attempt {
    /// Leaves nothing behind, whatever the stage.
    fn cancel(&self) {
        self.cancelled.set(true);
        drop(self.timer.take());
        if let Some(transport) = self.transport.take() {
            transport.abort();
        } else if let Some(token) = self.token.take() {
            self.reactor.0.command(Command::Forget(token));
        }
    }

    fn tell(&self, result: Result<Transport>) {
        drop(self.timer.take());
        let Some(resolver) = self.resolver.take() else { return };
        if let Ok(transport) = &result {
            let transport = transport.clone();
            resolver.on_cancel(move || transport.abort());
        }
        resolver.fire(result);
    }

    /// Gives up when the time is over.
    fn limit(self: &Rc<Self>, place: &ConnectPlace) {
        let what = format!("{}:{} did not answer within {:?}", place.host, place.port, place.timeout);
        let attempt = Rc::downgrade(self);
        let expired = move || {
            let Some(attempt) = attempt.upgrade() else { return };
            attempt.cancel();
            attempt.tell(Err(io::Error::new(io::ErrorKind::TimedOut, what).into()));
        };
        let timer = self.reactor.call_later(place.timeout, expired);
        self.timer.set(Some(timer));
    }
}

/// Builds the protocol of a connection that was made, and tells who asked.
pub(crate) trait Connector {
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>>;
    fn layers(&self) -> Option<MakeLayers>;
    fn attempt(&self) -> &Rc<Attempt>;
    /// Tells the outcome. After an error the next address is tried, if there is one.
    fn done(self: Box<Self>, result: Result<Transport>);
}

struct Connect<F> {
    build: Option<F>,
    layers: Option<MakeLayers>,
    attempt: Rc<Attempt>,
    /// The addresses that were not tried, last one first.
    untried: Vec<SocketAddr>,
    from: Option<SocketAddr>,
}

impl<P: Protocol, F: FnOnce(&Transport) -> P + 'static> Connector for Connect<F> {
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        let build = self.build.take()?;
        Some(Box::new(build(transport)))
    }

    fn layers(&self) -> Option<MakeLayers> {
        self.layers.clone()
    }

    fn attempt(&self) -> &Rc<Attempt> {
        &self.attempt
    }

    fn done(self: Box<Self>, result: Result<Transport>) {
        if result.is_err()
            && self.build.is_some()
            && !self.untried.is_empty()
            && !self.attempt.cancelled.get()
        {
            return self.next();
        }
        self.attempt.tell(result);
    }
}

impl<P: Protocol, F: FnOnce(&Transport) -> P + 'static> Connect<F> {
    /// Tries the next address.
    fn next(mut self: Box<Self>) {
        if self.attempt.cancelled.get() {
            return;
        }
        let Some(to) = self.untried.pop() else {
            return self.done(Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into()));
        };
        // The connection to the former address has ended: it is not what a cancel has to end now.
        drop(self.attempt.transport.take());
        let (reactor, from) = (self.attempt.reactor.clone(), self.from);
        reactor.0.command(Command::Connect { to, from, connector: self });
    }
}

impl<F> Drop for Connect<F> {
    /// Whoever waits is told in any case. The attempt and its deferred hold each other, so that they would otherwise
    /// stay when the loop ends.
    fn drop(&mut self) {
        self.attempt.tell(Err("the connect was given up".into()));
    }
}

/// Starts to connect.
pub(crate) fn connect<P: Protocol>(
    reactor: &Reactor,
    place: ConnectPlace,
    layers: Option<MakeLayers>,
    build: impl FnOnce(&Transport) -> P + 'static,
) -> Deferred<Transport> {
    let (deferred, resolver) = reactor.deferred();
    let attempt = Rc::new(Attempt {
        reactor: reactor.clone(),
        resolver: Cell::new(None),
        timer: Cell::new(None),
        to: Cell::new(None),
        token: Cell::new(None),
        transport: Cell::new(None),
        cancelled: Cell::new(false),
    });
    let cancel = Rc::downgrade(&attempt);
    resolver.on_cancel(move || cancel.upgrade().into_iter().for_each(|attempt| attempt.cancel()));
    attempt.resolver.set(Some(resolver));
    attempt.limit(&place);
    let mut connect =
        Box::new(Connect { build: Some(build), layers, attempt, untried: Vec::new(), from: place.from });
    if let Ok(ip) = place.host.parse::<IpAddr>() {
        connect.untried.push(SocketAddr::new(ip, place.port));
        connect.next();
        return deferred;
    }
    let (resolve, host) = (reactor.0.host.resolver(), place.host);
    let lookup =
        reactor.in_thread(move || resolve(&host, place.port).map_err(|error| unresolved(&host, error)));
    lookup.then(move |found| match found {
        Ok(mut addresses) => {
            addresses.reverse();
            connect.untried = addresses;
            connect.next();
        }
        Err(error) => connect.done(Err(error)),
    });
    deferred
}

fn unresolved(host: &str, error: io::Error) -> Error {
    io::Error::new(error.kind(), format!("cannot look up {host:?}: {error}")).into()
}
