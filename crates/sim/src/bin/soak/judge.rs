//! [`Judge`]: who keeps all books of a run, and says what went wrong first.

use crate::{ledger::Pair, mail::Mail};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::{Rc, Weak},
};
use trenza_core::{Addr, Reactor, Transport};
use trenza_sim::Net;

/// What must hold in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invariant {
    Bytes,
    Mail,
    LostOnce,
    Order,
    Reasons,
    Limits,
    Timers,
    Answers,
    Hang,
    Left,
    SameTrace,
    Durable,
    Panic,
}

impl Invariant {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 13] = [
        Self::Bytes,
        Self::Mail,
        Self::LostOnce,
        Self::Order,
        Self::Reasons,
        Self::Limits,
        Self::Timers,
        Self::Answers,
        Self::Hang,
        Self::Left,
        Self::SameTrace,
        Self::Durable,
        Self::Panic,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "no byte is lost, changed, reordered or told twice",
            Self::Mail => "a datagram comes unchanged, from whom and where it was sent, or not at all",
            Self::LostOnce => "connection_lost, and stopped of a UDP port, comes exactly once",
            Self::Order => "callbacks come in order, none after the end, no bytes while paused",
            Self::Reasons => "a connection that nobody disturbs ends cleanly, when somebody closes it",
            Self::Limits => "no limit is exceeded",
            Self::Timers => "a timer fires once, at its time, and not after it was cancelled",
            Self::Answers => "a deferred fires exactly once",
            Self::Hang => "everything ends once all is closed and time passes",
            Self::Left => "nothing is left at the end",
            Self::SameTrace => "the same seed gives the same trace",
            Self::Durable => "what was synced survives a crash, and a rename is whole",
            Self::Panic => "nothing panics but what was told to",
        })
    }
}

/// The first thing that went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Breach {
    pub(crate) invariant: Invariant,
    pub(crate) what: String,
    /// The trace until then, oldest first.
    pub(crate) trace: Vec<String>,
}

/// All books of one run.
#[derive(Debug)]
pub(crate) struct Judge {
    net: Weak<Net>,
    pairs: RefCell<BTreeMap<String, Rc<Pair>>>,
    mail: Mail,
    breach: RefCell<Option<Breach>>,
    rough: Cell<bool>,
    late_bytes_max: Cell<usize>,
    connections_max: Cell<usize>,
    /// Deferreds whose answer has not come.
    unanswered: RefCell<BTreeMap<&'static str, u64>>,
    dropping: Cell<bool>,
    jobs_hang: Cell<bool>,
    /// The most bytes of one write of a role.
    large: Cell<usize>,
    callbacks: Cell<u64>,
}

impl Judge {
    pub(crate) fn new(net: &Rc<Net>) -> Rc<Self> {
        Rc::new(Self {
            net: Rc::downgrade(net),
            pairs: RefCell::default(),
            mail: Mail::default(),
            breach: RefCell::default(),
            rough: Cell::new(false),
            late_bytes_max: Cell::new(0),
            connections_max: Cell::new(usize::MAX),
            unanswered: RefCell::default(),
            dropping: Cell::new(false),
            jobs_hang: Cell::new(false),
            large: Cell::new(0),
            callbacks: Cell::new(0),
        })
    }

    /// Notes a breach, with the end of the trace. Only the first counts: what follows is its consequence.
    pub(crate) fn breach(&self, invariant: Invariant, what: impl Into<String>) {
        if self.breach.borrow().is_some() {
            return;
        }
        let trace = self.net.upgrade().map(|net| net.trace()).unwrap_or_default();
        *self.breach.borrow_mut() = Some(Breach { invariant, what: what.into(), trace });
    }

    pub(crate) fn take_breach(&self) -> Option<Breach> {
        self.breach.borrow_mut().take()
    }

    pub(crate) fn is_breached(&self) -> bool {
        self.breach.borrow().is_some()
    }

    /// Adds a line to the trace.
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        if let Some(net) = self.net.upgrade() {
            net.note(what);
        }
    }

    /// The books of a connection, by the address of its client's end: whichever end is made first opens them.
    pub(crate) fn pair(&self, client: &Addr) -> Rc<Pair> {
        let name = client.to_string();
        let mut pairs = self.pairs.borrow_mut();
        pairs.entry(name.clone()).or_insert_with(|| Rc::new(Pair::new(name))).clone()
    }

    /// Those of a connection that was made here, or of one that came.
    pub(crate) fn pair_of(&self, transport: &Transport, client: bool) -> Rc<Pair> {
        let peer = transport.peer();
        self.pair(if client { &peer.local } else { &peer.remote })
    }

    /// The books of datagrams.
    pub(crate) fn mail(&self) -> &Mail {
        &self.mail
    }

    /// From here on the network or the hosts break connections, so that any may end in any way.
    pub(crate) fn get_rough(&self) {
        self.rough.set(true);
    }

    pub(crate) fn is_rough(&self) -> bool {
        self.rough.get()
    }

    /// How many bytes may come after reading was turned off.
    pub(crate) fn set_late_bytes_max(&self, bytes: usize) {
        self.late_bytes_max.set(bytes);
    }

    pub(crate) fn late_bytes_max(&self) -> usize {
        self.late_bytes_max.get()
    }

    /// How many connections a host may have.
    pub(crate) fn set_connections_max(&self, max: usize) {
        self.connections_max.set(max);
    }

    pub(crate) fn look_at_host(&self, reactor: &Reactor) {
        let (count, max) = (reactor.connections().len(), self.connections_max.get());
        if count > max {
            self.breach(Invariant::Limits, format!("a host has {count} connections, the limit is {max}"));
        }
    }

    pub(crate) fn count_callback(&self) {
        self.callbacks.set(self.callbacks.get() + 1);
    }

    /// Somebody waits for an answer, which must come.
    pub(crate) fn ask(self: &Rc<Self>, what: &'static str) -> Question {
        *self.unanswered.borrow_mut().entry(what).or_default() += 1;
        Question { judge: self.clone(), what, answered: false }
    }

    /// From here on programs end while somebody waits for an answer.
    pub(crate) fn let_answers_drop(&self) {
        self.dropping.set(true);
    }

    /// From here on a job may never end.
    pub(crate) fn let_jobs_hang(&self) {
        self.jobs_hang.set(true);
    }

    pub(crate) fn jobs_hang(&self) -> bool {
        self.jobs_hang.get()
    }

    /// How many answers have not come.
    pub(crate) fn unanswered(&self) -> u64 {
        self.unanswered.borrow().values().sum()
    }

    /// Does something that drops those who asked, on purpose: nobody hears the answer.
    pub(crate) fn dropping<T>(&self, f: impl FnOnce() -> T) -> T {
        let before = self.dropping.replace(true);
        let result = f();
        self.dropping.set(before);
        result
    }

    /// How many bytes are many here: the smaller the windows, the fewer.
    pub(crate) fn large(&self) -> usize {
        self.large.get()
    }

    pub(crate) fn set_large(&self, bytes: usize) {
        self.large.set(bytes);
    }

    /// How many connections there were, and how many callbacks.
    pub(crate) fn figures(&self) -> (u64, u64) {
        (self.pairs.borrow().len() as u64, self.callbacks.get())
    }

    /// Looks at all books when all is over.
    pub(crate) fn audit(&self) {
        let pairs: Vec<_> = self.pairs.borrow().values().cloned().collect();
        pairs.iter().for_each(|pair| pair.audit(self));
        self.mail.audit(self);
        if self.unanswered() != 0 {
            self.breach(Invariant::Answers, format!("answers never came: {:?}", self.unanswered.borrow()));
        }
    }
}

/// An answer that must come; it goes with the closure that hears it.
#[derive(Debug)]
pub(crate) struct Question {
    judge: Rc<Judge>,
    what: &'static str,
    answered: bool,
}

impl Question {
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(open) = self.judge.unanswered.borrow_mut().get_mut(self.what) {
            *open -= 1;
        }
        if !self.answered && !self.judge.dropping.get() {
            self.judge.breach(Invariant::Answers, format!("the answer to {} was dropped", self.what));
        }
    }
}
