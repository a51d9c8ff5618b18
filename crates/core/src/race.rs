//! [`Race`]: the addresses of a name try to be the first to be connected to (RFC 8305).
//!
//! ```text
//!  lookup ──▶ racing ──────────────────▶ handshake ─────────▶ made
//!               │ ▲  the first connection    │ the layers are ready,
//!               │ │  ends the others         │ the protocol is built
//!               ▼ └──────────────────────────┘
//!            the next address, 250 ms later or   the layers failed: the race goes on
//!            as soon as one has failed           with the addresses that are left
//!
//!  from anywhere: cancelled, out of time, stopped, nothing left to try ──▶ over
//! ```
//!
//! The race is won by a connection, not by a handshake: one peer only sees layers begin. When they fail, what is left
//! is tried, losers included.

use crate::{
    Addr, Connecting, Error, Layers, Policy, Protocol, Reactor, Reason, Resolver, Result, Timer, Transport,
    connect::{Conclusive, ConnectError, by_families},
    driver::{Established, Token},
    engine::command::Command,
    engine::edge::Edge,
};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    net::SocketAddr,
    panic::Location,
    rc::Rc,
    time::Duration,
};

/// How long an address has before the next one is tried as well (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// How many addresses of a name are tried at most.
const ADDRESSES_MAX: usize = 64;

/// Makes the protocol of a connection.
pub(crate) type Build = Box<dyn FnOnce(&Transport) -> Box<dyn Protocol>>;

/// What an endpoint puts under its connections.
#[derive(Clone, Default)]
pub(crate) struct Beneath {
    pub(crate) layers: Layers,
    pub(crate) policy: Option<Rc<Policy>>,
}

impl Beneath {
    /// What is at the edge of a connection.
    pub(crate) fn edge(&self) -> Option<Edge> {
        self.policy.clone().map(Edge::of_connect)
    }
}

/// What the user gave for the connection.
struct Making {
    beneath: Beneath,
    build: Build,
}

/// One `connect` on its way: who waits for it, and what is being tried. It is owned by what goes on: the lookup, a
/// queued command, the places of connections in the loop's table. So it ends with them, and who waits is told.
pub(crate) struct Race {
    /// The code that connects.
    pub(crate) asked: &'static Location<'static>,
    reactor: Reactor,
    /// What goes with the connection.
    kept: Cell<Option<Box<dyn Any>>>,
    /// What errors call the place.
    shown: String,
    from: Option<Addr>,
    timeout: Duration,
    resolver: Cell<Option<Resolver<Transport>>>,
    making: RefCell<Option<Making>>,
    /// Until when there must be a protocol.
    limit: Cell<Option<Timer>>,
    /// Until when nobody else is tried.
    stagger: Cell<Option<Timer>>,
    untried: RefCell<VecDeque<Addr>>,
    /// The loop was asked to try the next one.
    starting: Cell<bool>,
    racing: RefCell<Vec<(Token, Addr)>>,
    /// The connection that is being made ready.
    winner: RefCell<Option<(Addr, Option<Transport>)>>,
    failed: RefCell<Vec<(Addr, Error)>>,
    over: Cell<bool>,
    /// What prepares the connect, or makes its stream, if code does.
    held: Cell<Option<Box<dyn Any>>>,
}

impl Race {
    pub(crate) fn new(
        asked: &'static Location<'static>,
        reactor: &Reactor,
        place: Connecting,
        build: Build,
        resolver: Resolver<Transport>,
    ) -> Rc<Self> {
        let beneath = Beneath { layers: place.layers, policy: place.policy };
        let race = Rc::new(Self {
            asked,
            reactor: reactor.clone(),
            shown: place.shown,
            kept: Cell::new(place.kept),
            from: place.from,
            timeout: place.timeout,
            resolver: Cell::new(None),
            making: RefCell::new(Some(Making { beneath, build })),
            limit: Cell::new(None),
            stagger: Cell::new(None),
            untried: RefCell::default(),
            starting: Cell::new(false),
            racing: RefCell::default(),
            winner: RefCell::default(),
            failed: RefCell::default(),
            over: Cell::new(false),
            held: Cell::new(None),
        });
        let cancelled = Rc::downgrade(&race);
        resolver.on_cancel(move || {
            cancelled.upgrade().into_iter().for_each(|race| race.end(Err(Reason::Aborted.into())));
        });
        race.resolver.set(Some(resolver));
        race.limit_time();
        race
    }

    /// Gives up when the time is over.
    fn limit_time(self: &Rc<Self>) {
        let race = Rc::downgrade(self);
        let expired = move || race.upgrade().into_iter().for_each(|race| race.expire());
        let timer = self.reactor.call_later_from(self.asked, self.timeout, expired);
        self.limit.set(Some(timer));
    }

    fn expire(&self) {
        let time = self.timeout;
        let mut tried = self.failed.take();
        let (racing, winner) = (self.racing.borrow(), self.winner.borrow());
        let silent = racing.iter().map(|(_, to)| (to.clone(), format!("no answer within {time:?}").into()));
        tried.extend(silent);
        let layers = format!("its layers were not ready within {time:?}");
        tried.extend(winner.iter().map(|(to, _)| (to.clone(), layers.clone().into())));
        drop((racing, winner));
        if tried.is_empty() {
            return self.end(Err(self.error(io::ErrorKind::TimedOut, format!("no address within {time:?}"))));
        }
        self.end(Err(ConnectError::new(&self.shown, tried).of_kind(io::ErrorKind::TimedOut)));
    }

    /// Takes what a name stands for, and starts.
    pub(crate) fn begin(self: &Rc<Self>, found: Vec<SocketAddr>) {
        self.begin_with(by_families(found).into_iter().map(Addr::from).collect());
    }

    /// Takes addresses in their order, and starts.
    pub(crate) fn begin_with(self: &Rc<Self>, found: Vec<Addr>) {
        if self.over.get() {
            return;
        }
        let (named, from) = (!found.is_empty(), self.from.clone());
        let fits = |to: &Addr| from.as_ref().is_none_or(|from| from.is_ipv4() == to.is_ipv4());
        let sorted: VecDeque<_> = found.into_iter().filter(fits).take(ADDRESSES_MAX).collect();
        match from {
            Some(from) if named && sorted.is_empty() => {
                let ip = from.ip().map(|ip| ip.to_string()).unwrap_or_default();
                let what = format!("it has no address of the family of {ip}");
                self.end(Err(self.error(io::ErrorKind::AddrNotAvailable, what)));
            }
            _ => {
                self.untried.replace(sorted);
                self.go_on();
            }
        }
    }

    /// Has the next address tried at once; tells that all have failed, if they have.
    fn go_on(self: &Rc<Self>) {
        drop(self.stagger.take());
        if self.starting.get() || self.is_decided() {
            return;
        }
        if !self.untried.borrow().is_empty() {
            self.starting.set(true);
            self.reactor.0.command(Command::Connect(self.clone()));
        } else if self.racing.borrow().is_empty() {
            self.fail();
        }
    }

    /// Nobody is to be tried now: there is a winner, or it is over.
    pub(crate) fn is_decided(&self) -> bool {
        self.winner.borrow().is_some() || self.over.get()
    }

    /// Nobody waits for it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Nothing is left to try.
    fn fail(&self) {
        let mut tried = self.failed.take();
        if tried.is_empty() {
            return self.end(Err(self.error(io::ErrorKind::NotFound, "the name has no address".into())));
        }
        if let [(_, error)] = &tried[..]
            && !error.is::<io::Error>()
            && let Some((_, error)) = tried.pop()
        {
            // What the layers said of the only address is told as it is.
            return self.end(Err(error));
        }
        let mut errors = tried.iter().filter_map(|(_, error)| error.downcast_ref::<io::Error>());
        let kind = errors.next_back().map_or(io::ErrorKind::Other, io::Error::kind);
        self.end(Err(ConnectError::new(&self.shown, tried).of_kind(kind)));
    }

    /// An error that concerns no address.
    fn error(&self, kind: io::ErrorKind, what: String) -> Error {
        io::Error::new(kind, format!("cannot connect to {}: {what}", self.shown)).into()
    }

    /// What made the stream has failed.
    fn explain(&self, error: &Error) -> Error {
        let kind = error.downcast_ref().map_or(io::ErrorKind::Other, io::Error::kind);
        self.error(kind, error.to_string())
    }

    /// Tells how it ended, and leaves nothing behind, whatever the stage.
    pub(crate) fn end(&self, result: Result<Transport>) {
        self.over.set(true);
        drop((self.limit.take(), self.stagger.take(), self.held.take()));
        self.untried.take();
        drop(self.forget_all());
        if let Some((_, Some(transport))) = self.winner.take() {
            transport.abort();
        }
        if let Some(resolver) = self.resolver.take() {
            if let Ok(transport) = &result {
                let transport = transport.clone();
                resolver.on_cancel(move || transport.abort());
            }
            resolver.fire(result);
        }
        // These are the user's.
        drop(self.failed.take());
        drop(self.making.take());
    }

    /// Gives up those that are being connected to.
    fn forget_all(&self) -> Vec<Addr> {
        let (tokens, addresses): (Vec<_>, Vec<_>) = self.racing.take().into_iter().unzip();
        tokens.into_iter().for_each(|token| self.reactor.0.command(Command::Forget(token)));
        addresses
    }

    // ── what the loop tells ──

    /// The address that is to be tried now, if one is. After a while the next one is tried as well.
    pub(crate) fn next(self: &Rc<Self>) -> Option<(Addr, Option<Addr>)> {
        self.starting.set(false);
        if self.is_decided() {
            return None;
        }
        let next = self.untried.borrow_mut().pop_front()?;
        if !self.untried.borrow().is_empty() {
            let race = Rc::downgrade(self);
            let waited = move || race.upgrade().into_iter().for_each(|race| race.go_on());
            let timer = self.reactor.call_later_from(self.asked, STAGGER, waited);
            self.stagger.set(Some(timer));
        }
        Some((next, self.from.clone()))
    }

    /// Has the loop take over a stream that code has made.
    pub(crate) fn adopt(self: &Rc<Self>, made: Result<Established>) {
        match made {
            _ if self.over.get() => {}
            Ok(stream) => self.reactor.0.command(Command::Adopt(self.clone(), stream)),
            Err(error) => self.end(Err(self.explain(&error))),
        }
    }

    /// Holds what the connect waits for, until that is over; it is cancelled when the race is.
    pub(crate) fn hold(&self, making: impl Sized + 'static) {
        if !self.over.get() {
            self.held.replace(Some(Box::new(making)));
        }
    }

    /// The driver is connecting.
    pub(crate) fn runs(&self, to: Addr, token: Token) {
        self.racing.borrow_mut().push((token, to));
    }

    /// The address that the driver is connecting to.
    pub(crate) fn address(&self, token: Token) -> Option<Addr> {
        self.racing.borrow().iter().find(|(other, _)| *other == token).map(|(_, to)| to.clone())
    }

    /// The driver has ended connecting. None: nobody is interested any more.
    pub(crate) fn arrived(&self, token: Token) -> Option<Addr> {
        let mut racing = self.racing.borrow_mut();
        let place = racing.iter().position(|(other, _)| *other == token)?;
        Some(racing.remove(place).1)
    }

    /// An address could not be connected to.
    pub(crate) fn failed(self: &Rc<Self>, to: Addr, error: Error) {
        self.failed.borrow_mut().push((to, error));
        self.go_on();
    }

    /// There is a connection: the others are given up, but tried again if its layers fail. Gives what is beneath.
    pub(crate) fn won(&self, to: Addr) -> Beneath {
        drop(self.stagger.take());
        self.winner.replace(Some((to, None)));
        let mut untried = self.untried.borrow_mut();
        self.forget_all().into_iter().rev().for_each(|loser| untried.push_front(loser));
        self.making.borrow().as_ref().map(|making| making.beneath.clone()).unwrap_or_default()
    }

    /// The winner is in the loop's table.
    pub(crate) fn enrolled(&self, transport: &Transport) {
        if let Some((_, winner)) = &mut *self.winner.borrow_mut() {
            *winner = Some(transport.clone());
        }
        if let Some(kept) = self.kept.take() {
            transport.attach(kept);
        }
    }

    /// Builds the protocol, once.
    pub(crate) fn build(&self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        let making = self.making.take()?;
        Some((making.build)(transport))
    }

    /// The winner's protocol was built.
    pub(crate) fn made(&self, transport: Transport) {
        drop(self.winner.take());
        self.end(Ok(transport));
    }

    /// The winner was lost before its protocol was told of it.
    pub(crate) fn lost(self: &Rc<Self>, reason: Reason) {
        let Some((to, _)) = self.winner.take() else { return };
        if self.making.borrow().is_none() {
            return self.end(Err(reason.into()));
        }
        match reason {
            Reason::Failed(error) => match error.downcast::<Conclusive>() {
                Ok(conclusive) => self.end(Err(conclusive.0)),
                Err(error) => self.failed(to, Reason::Failed(error).into()),
            },
            reason => self.failed(to, reason.into()),
        }
    }
}
