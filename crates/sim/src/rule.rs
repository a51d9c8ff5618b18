//! Rules: what becomes of a segment or datagram on its way, as closures that a test installs.

use std::{cell::RefCell, fmt, rc::Rc, time::Duration};
use trenza_core::Addr;

/// What a segment carries, or that it is a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The request for a connection (SYN).
    Connect,
    /// Its acceptance (SYN and ACK).
    Accept,
    /// Bytes, and how many.
    Data(usize),
    /// A descriptor, before the byte that it goes with.
    Descriptor,
    /// The end of a direction (FIN).
    Fin,
    /// The end of a connection (RST).
    Reset,
    /// The receiver has taken so many bytes: the window opens again.
    Window(usize),
    /// A datagram of so many bytes, on its way to one host.
    Datagram(usize),
}

/// A segment or datagram that leaves a host.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) source: &'a Addr,
    pub(crate) destination: &'a Addr,
    pub(crate) kind: Kind,
}

impl Packet<'_> {
    /// True when it goes to the host of this name.
    pub fn to(&self, host: &str) -> bool {
        self.to == host
    }

    /// True when it comes from the host of this name.
    pub fn from(&self, host: &str) -> bool {
        self.from == host
    }

    /// True when it travels between these two hosts, either way.
    pub fn between(&self, one: &str, other: &str) -> bool {
        (self.from(one) && self.to(other)) || (self.from(other) && self.to(one))
    }

    /// Where it comes from.
    pub fn source(&self) -> &Addr {
        self.source
    }

    /// Where it goes.
    pub fn destination(&self) -> &Addr {
        self.destination
    }

    /// What it carries.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// What becomes of a segment or datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It travels as usual.
    Pass,
    /// It travels so much longer, and what follows on its connection stays behind it. Other datagrams overtake it.
    Delay(Duration),
    /// It is never delivered. Streams lose no bytes in the middle, so nothing that follows in its direction
    /// is delivered either, also after the rule is gone: the direction is a black hole. A connect that is
    /// dropped never ends by itself. Of a datagram nothing but itself is lost.
    Drop,
    /// Both ends get a reset in its place; a connect is refused. A datagram is refused as if nobody listened.
    Reset,
}

/// A rule for segments.
pub(crate) type Judge = Box<dyn FnMut(&Packet<'_>) -> Verdict>;

/// The rules of one kind that are installed, in the order in which they came.
pub(crate) struct Rules<R>(Rc<RefCell<Vec<(u64, R)>>>);

impl<R> Default for Rules<R> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<R> Clone for Rules<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: 'static> Rules<R> {
    pub(crate) fn add(&self, rule: R) -> RuleGuard {
        let mut rules = self.0.borrow_mut();
        let id = rules.last().map_or(0, |(id, _)| id + 1);
        rules.push((id, rule));
        let rules = Rc::downgrade(&self.0);
        RuleGuard::new(move || {
            let Some(rules) = rules.upgrade() else { return };
            let place = rules.borrow().iter().position(|(other, _)| *other == id);
            // Moved out first: the closure's own captures may be dropped only when nothing is borrowed.
            let removed = place.map(|place| rules.borrow_mut().remove(place));
            drop(removed);
        })
    }

    /// The first verdict that is not `pass`.
    pub(crate) fn judge<V: PartialEq>(&self, pass: V, mut ask: impl FnMut(&mut R) -> V) -> V {
        let mut rules = self.0.borrow_mut();
        rules.iter_mut().map(|(_, rule)| ask(rule)).find(|verdict| *verdict != pass).unwrap_or(pass)
    }
}

/// Keeps a rule or a partition; dropping it ends that.
#[must_use = "dropping a RuleGuard ends its rule: keep it, or call detach()"]
pub struct RuleGuard(Option<Box<dyn FnOnce()>>);

impl RuleGuard {
    pub(crate) fn new(undo: impl FnOnce() + 'static) -> Self {
        Self(Some(Box::new(undo)))
    }

    /// Leaves it in force until the network ends.
    pub fn detach(mut self) {
        self.0 = None;
    }
}

impl Drop for RuleGuard {
    fn drop(&mut self) {
        if let Some(undo) = self.0.take() {
            undo();
        }
    }
}

impl fmt::Debug for RuleGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RuleGuard")
    }
}
