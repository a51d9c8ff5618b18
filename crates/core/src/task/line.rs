//! [`Line`]: those who wait for their turn.

use crate::{Deferred, Error, Reactor, Resolver};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

/// How many may wait for one lock, semaphore or end of a queue unless told otherwise.
pub(crate) const WAITERS_MAX: usize = 10_000;

/// More wait already than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} wait already, which is the limit")]
pub struct TooManyWaiters(
    /// The limit.
    pub usize,
);

/// Resolvers in the order they came, each with what it brought. Whoever is cancelled leaves the line.
///
/// No cell is borrowed while something of the user's is dropped, or a resolver fires: it may wake anything.
pub(crate) struct Line<T: 'static, V: 'static = ()> {
    reactor: Reactor,
    max: Cell<usize>,
    serial: Cell<u64>,
    places: RefCell<BTreeMap<u64, (Resolver<T>, V)>>,
    serving: Cell<bool>,
}

impl<T: 'static, V: 'static> Line<T, V> {
    pub(crate) fn new(reactor: &Reactor) -> Rc<Self> {
        Rc::new(Self {
            reactor: reactor.clone(),
            max: Cell::new(WAITERS_MAX),
            serial: Cell::new(0),
            places: RefCell::default(),
            serving: Cell::new(false),
        })
    }

    /// One at least: who is served at once stands in the line for a moment too.
    pub(crate) fn set_max(&self, max: usize) {
        self.max.set(max.max(1));
    }

    /// How many wait; one that was cancelled counts until the loop has heard of it.
    pub(crate) fn len(&self) -> usize {
        self.places.borrow().len()
    }

    /// Takes the last place.
    pub(crate) fn join(self: &Rc<Self>, brought: V) -> Deferred<T> {
        if self.len() >= self.max.get() {
            drop(brought);
            return self.refuse(TooManyWaiters(self.max.get()).into());
        }
        let (deferred, resolver) = self.reactor.deferred();
        let number = self.serial.get();
        self.serial.set(number + 1);
        let line = Rc::downgrade(self);
        resolver.on_cancel(move || {
            let place = line.upgrade().and_then(|line| line.places.borrow_mut().remove(&number));
            drop(place);
        });
        self.places.borrow_mut().insert(number, (resolver, brought));
        deferred
    }

    /// A result that is an error.
    pub(crate) fn refuse(&self, error: Error) -> Deferred<T> {
        let (deferred, resolver) = self.reactor.deferred();
        resolver.fire(Err(error));
        deferred
    }

    /// Takes the first who still waits out of the line.
    pub(crate) fn next(&self) -> Option<(Resolver<T>, V)> {
        loop {
            let first = self.places.borrow_mut().pop_first();
            let (_, place) = first?;
            if !place.0.is_cancelled() {
                return Some(place);
            }
        }
    }

    /// Serves those who wait, until `serve` has nothing to give. A call from within does nothing: what it would do,
    /// the outer one does after it, so that a chain of those who give back at once does not fill the stack.
    pub(crate) fn serve(&self, mut serve: impl FnMut() -> bool) {
        struct Serving<'a>(&'a Cell<bool>);
        impl Drop for Serving<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        if !self.serving.replace(true) {
            let _serving = Serving(&self.serving);
            while serve() {}
        }
    }

    /// True within [`Line::serve`].
    pub(crate) fn is_serving(&self) -> bool {
        self.serving.get()
    }
}
