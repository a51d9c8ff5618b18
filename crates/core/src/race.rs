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
    Error, Policy, Protocol, Reactor, Reason, Resolver, Result, Timer, Transport,
    connect::{ConnectError, by_families},
    driver::Token,
    endpoint::{ConnectPlace, MakeLayers},
    engine::command::Command,
};
use std::{
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
    pub(crate) layers: Option<MakeLayers>,
    pub(crate) policy: Option<Rc<Policy>>,
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
    place: ConnectPlace,
    resolver: Cell<Option<Resolver<Transport>>>,
    making: RefCell<Option<Making>>,
    /// Until when there must be a protocol.
    limit: Cell<Option<Timer>>,
    /// Until when nobody else is tried.
    stagger: Cell<Option<Timer>>,
    untried: RefCell<VecDeque<SocketAddr>>,
    /// The loop was asked to try the next one.
    starting: Cell<bool>,
    racing: RefCell<Vec<(Token, SocketAddr)>>,
    /// The connection that is being made ready.
    winner: RefCell<Option<(SocketAddr, Option<Transport>)>>,
    failed: RefCell<Vec<(SocketAddr, Error)>>,
    over: Cell<bool>,
}

impl Race {
    #[track_caller]
    pub(crate) fn new(
        reactor: &Reactor,
        place: ConnectPlace,
        beneath: Beneath,
        build: Build,
        resolver: Resolver<Transport>,
    ) -> Rc<Self> {
        let race = Rc::new(Self {
            asked: Location::caller(),
            reactor: reactor.clone(),
            place,
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
        let timer = self.reactor.call_later_from(self.asked, self.place.timeout, expired);
        self.limit.set(Some(timer));
    }

    fn expire(&self) {
        let time = self.place.timeout;
        let mut tried = self.failed.take();
        let (racing, winner) = (self.racing.borrow(), self.winner.borrow());
        let silent = racing.iter().map(|(_, to)| (*to, format!("no answer within {time:?}").into()));
        tried.extend(silent);
        let layers = format!("its layers were not ready within {time:?}");
        tried.extend(winner.iter().map(|(to, _)| (*to, layers.clone().into())));
        drop((racing, winner));
        if tried.is_empty() {
            return self.end(Err(self.error(io::ErrorKind::TimedOut, format!("no address within {time:?}"))));
        }
        self.end(Err(ConnectError::new(&self.place, tried).of_kind(io::ErrorKind::TimedOut)));
    }

    /// Takes what a name stands for, and starts.
    pub(crate) fn begin(self: &Rc<Self>, found: Vec<SocketAddr>) {
        if self.over.get() {
            return;
        }
        let (named, from) = (!found.is_empty(), self.place.from);
        let fits = |to: &SocketAddr| from.is_none_or(|from| from.is_ipv4() == to.is_ipv4());
        let mut sorted = by_families(found.into_iter().filter(fits).collect());
        sorted.truncate(ADDRESSES_MAX);
        match from {
            Some(from) if named && sorted.is_empty() => {
                let what = format!("it has no address of the family of {}", from.ip());
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
    fn is_decided(&self) -> bool {
        self.winner.borrow().is_some() || self.over.get()
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
        self.end(Err(ConnectError::new(&self.place, tried).of_kind(kind)));
    }

    /// An error that concerns no address.
    fn error(&self, kind: io::ErrorKind, what: String) -> Error {
        io::Error::new(kind, format!("cannot connect to {}: {what}", self.place)).into()
    }

    /// Tells how it ended, and leaves nothing behind, whatever the stage.
    pub(crate) fn end(&self, result: Result<Transport>) {
        self.over.set(true);
        drop((self.limit.take(), self.stagger.take()));
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
    fn forget_all(&self) -> Vec<SocketAddr> {
        let (tokens, addresses): (Vec<_>, Vec<_>) = self.racing.take().into_iter().unzip();
        tokens.into_iter().for_each(|token| self.reactor.0.command(Command::Forget(token)));
        addresses
    }

    // ── what the loop tells ──

    /// The address that is to be tried now, if one is. After a while the next one is tried as well.
    pub(crate) fn next(self: &Rc<Self>) -> Option<(SocketAddr, Option<SocketAddr>)> {
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
        Some((next, self.place.from))
    }

    /// The driver is connecting.
    pub(crate) fn runs(&self, to: SocketAddr, token: Token) {
        self.racing.borrow_mut().push((token, to));
    }

    /// The address that the driver is connecting to.
    pub(crate) fn address(&self, token: Token) -> Option<SocketAddr> {
        self.racing.borrow().iter().find(|(other, _)| *other == token).map(|(_, to)| *to)
    }

    /// The driver has ended connecting. None: nobody is interested any more.
    pub(crate) fn arrived(&self, token: Token) -> Option<SocketAddr> {
        let mut racing = self.racing.borrow_mut();
        let place = racing.iter().position(|(other, _)| *other == token)?;
        Some(racing.remove(place).1)
    }

    /// An address could not be connected to.
    pub(crate) fn failed(self: &Rc<Self>, to: SocketAddr, error: Error) {
        self.failed.borrow_mut().push((to, error));
        self.go_on();
    }

    /// There is a connection: the others are given up, but tried again if its layers fail. Gives what is beneath.
    pub(crate) fn won(&self, to: SocketAddr) -> Beneath {
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
        self.failed(to, reason.into());
    }
}
