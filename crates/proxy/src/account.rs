//! [`Record`]: what came of one client, and [`Account`], which is kept until then.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};
use trenza_core::{Addr, Reactor, Transport};

/// What came of one client of a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The client.
    pub remote: Addr,
    /// Who it has shown to be.
    pub user: Option<String>,
    /// Where it wanted to go; None, if it did not come to say so.
    pub target: Option<String>,
    /// The address that it was connected with.
    pub far: Option<Addr>,
    /// When it came.
    pub time: SystemTime,
    /// How long it was there.
    pub duration: Duration,
    /// Bytes that it has sent to its target.
    pub sent: u64,
    /// Bytes that it was sent.
    pub received: u64,
    /// Why it did not go well. None: both sides closed.
    pub error: Option<String>,
}

/// Has a record when a client's time is over.
pub(crate) type OnEnd = Rc<dyn Fn(&Record)>;

/// What is known of one client so far. All that act for it share it; when the last one is gone, so is the client, and
/// the record is given.
pub(crate) struct Account {
    reactor: Reactor,
    began: Instant,
    record: RefCell<Record>,
    /// The client's bytes go to its target, and the other way round.
    pub(crate) joined: Cell<bool>,
    pub(crate) sent: Cell<u64>,
    pub(crate) received: Cell<u64>,
    on_end: Option<OnEnd>,
}

impl Account {
    pub(crate) fn new(client: &Transport, on_end: Option<OnEnd>) -> Rc<Self> {
        let reactor = client.reactor().clone();
        let record = Record {
            remote: client.peer().remote.clone(),
            user: None,
            target: None,
            far: None,
            time: reactor.wall(),
            duration: Duration::ZERO,
            sent: 0,
            received: 0,
            error: None,
        };
        Rc::new(Self {
            began: reactor.now(),
            reactor,
            record: record.into(),
            joined: Cell::new(false),
            sent: Cell::new(0),
            received: Cell::new(0),
            on_end,
        })
    }

    pub(crate) fn user(&self, user: String) {
        self.record.borrow_mut().user = Some(user);
    }

    pub(crate) fn target(&self, target: String) {
        self.record.borrow_mut().target = Some(target);
    }

    pub(crate) fn far(&self, far: &Transport) {
        self.record.borrow_mut().far = Some(far.peer().remote.clone());
    }

    /// Notes what went wrong; the first counts, since it is the cause of others.
    pub(crate) fn fail(&self, what: impl ToString) {
        let error = &mut self.record.borrow_mut().error;
        if error.is_none() {
            *error = Some(what.to_string());
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let Some(on_end) = self.on_end.take() else { return };
        let record = self.record.get_mut();
        record.duration = self.reactor.now().saturating_duration_since(self.began);
        record.sent = self.sent.get();
        record.received = self.received.get();
        on_end(record);
    }
}
