//! [`FtpFactory`]: a server on one loop.

use super::{
    config::Config,
    session::{Session, Turned},
};
use std::{
    cell::RefCell,
    fmt,
    rc::{Rc, Weak},
    sync::Arc,
};
use trenza_core::{Bucket, Factory, Map, Protocol, Rate, Reactor, Transport};

/// A server on one loop: what [`Reactor::listen_with`] takes. Clones are the same, for several ports.
#[derive(Clone)]
pub struct FtpFactory(Rc<Here>);

/// What the sessions of one loop share.
pub(super) struct Here {
    pub(super) config: Arc<Config>,
    /// How many loops share what is for all.
    loops: u64,
    all: Pipes,
    accounts: RefCell<Map<String, Weak<AccountPipes>>>,
}

/// How fast data come in and go out.
#[derive(Debug, Clone, Default)]
pub(super) struct Pipes {
    pub(super) input: Option<Bucket>,
    pub(super) output: Option<Bucket>,
}

/// The pipes that the sessions of an account share.
pub(super) struct AccountPipes {
    pipes: Pipes,
    name: String,
    here: Weak<Here>,
}

impl FtpFactory {
    pub(super) fn new(config: Arc<Config>, reactor: &Reactor) -> Self {
        let loops = reactor.loops().len().max(1) as u64;
        let rates = &config.rates;
        let all = Pipes::default().within(loops, rates.all_in, rates.all_out);
        Self(Rc::new(Here { config, loops, all, accounts: RefCell::default() }))
    }
}

impl Factory for FtpFactory {
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        let config = &self.0.config;
        let Some(place) = config.seats.enter(config.limits.sessions) else {
            return Some(Box::new(Turned("Too many sessions, try again later")));
        };
        let seat = transport.peer().remote.ip().map(|ip| config.addresses.enter(ip)).transpose();
        let Ok(seat) = seat else {
            return Some(Box::new(Turned("Too many sessions from your address")));
        };
        Some(Box::new(Session::new(self.0.clone(), transport, (place, seat))))
    }
}

impl Here {
    /// What the data connections of a new session go through.
    pub(super) fn pipes(self: &Rc<Self>, account: &str) -> (Pipes, Rc<AccountPipes>) {
        let shared = self.account(account);
        let rates = &self.config.rates;
        (shared.pipes.within(1, rates.session_in, rates.session_out), shared)
    }

    fn account(self: &Rc<Self>, name: &str) -> Rc<AccountPipes> {
        if let Some(shared) = self.accounts.borrow().get(name).and_then(Weak::upgrade) {
            return shared;
        }
        let rates = &self.config.rates;
        let pipes = self.all.within(self.loops, rates.account_in, rates.account_out);
        let shared = Rc::new(AccountPipes { pipes, name: name.to_owned(), here: Rc::downgrade(self) });
        self.accounts.borrow_mut().insert(name.to_owned(), Rc::downgrade(&shared));
        shared
    }
}

impl Pipes {
    /// A part of these: of so many bytes a second one in `parts`.
    fn within(&self, parts: u64, input: Option<u64>, output: Option<u64>) -> Self {
        let part = |outer: &Option<Bucket>, bytes: Option<u64>| match (outer, bytes) {
            (Some(outer), Some(bytes)) => Some(outer.within(Rate::new(bytes / parts))),
            (None, Some(bytes)) => Some(Bucket::new(Rate::new(bytes / parts))),
            (outer, None) => outer.clone(),
        };
        Self { input: part(&self.input, input), output: part(&self.output, output) }
    }
}

impl Drop for AccountPipes {
    fn drop(&mut self) {
        if let Some(here) = self.here.upgrade() {
            here.accounts.borrow_mut().remove(&self.name);
        }
    }
}

impl fmt::Debug for FtpFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FtpFactory").field("rates", &self.0.config.rates).finish_non_exhaustive()
    }
}
