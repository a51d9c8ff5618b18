//! [`Log`]: what actors have heard, and a way to wait for it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

/// What actors have heard, in order, and the bytes that each has received.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<Inner>);

#[derive(Default)]
struct Inner {
    lines: RefCell<Vec<String>>,
    bytes: RefCell<BTreeMap<&'static str, Vec<u8>>>,
    waiting: Cell<Vec<Waker>>,
}

impl Log {
    /// Notes that `who` has heard `what`.
    pub(crate) fn note(&self, who: &str, what: impl AsRef<str>) {
        self.0.lines.borrow_mut().push(format!("{who} {}", what.as_ref()));
        self.wake();
    }

    /// Notes bytes that `who` has received.
    pub(crate) fn receive(&self, who: &'static str, data: &[u8]) {
        self.0.bytes.borrow_mut().entry(who).or_default().extend_from_slice(data);
        self.wake();
    }

    /// What `who` has heard so far.
    pub(crate) fn of(&self, who: &str) -> Vec<String> {
        let lines = self.0.lines.borrow();
        let own = lines.iter().filter_map(|line| line.strip_prefix(who)?.strip_prefix(' '));
        own.map(str::to_owned).collect()
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lines.borrow().clone()
    }

    /// What `who` has received so far.
    pub(crate) fn bytes(&self, who: &str) -> Vec<u8> {
        self.0.bytes.borrow().get(who).cloned().unwrap_or_default()
    }

    /// How many bytes `who` has received so far.
    pub(crate) fn count(&self, who: &str) -> usize {
        self.0.bytes.borrow().get(who).map_or(0, Vec::len)
    }

    /// Waits until `who` has heard `what`.
    pub(crate) async fn heard(&self, who: &str, what: &str) {
        self.until(|log| log.of(who).iter().any(|line| line == what)).await;
    }

    /// Waits until `who` was told that its connection is lost; says why.
    pub(crate) async fn lost(&self, who: &str) -> String {
        let lost = || self.of(who).iter().find_map(|line| line.strip_prefix("lost ").map(str::to_owned));
        self.until(|_| lost().is_some()).await;
        lost().unwrap()
    }

    /// Waits until `who` has received so many bytes.
    pub(crate) async fn received(&self, who: &str, least: usize) {
        self.until(|log| log.count(who) >= least).await;
    }

    /// Waits until `done`, looking after every note.
    pub(crate) async fn until(&self, mut done: impl FnMut(&Self) -> bool) {
        poll_fn(|context| {
            if done(self) {
                return Poll::Ready(());
            }
            let mut waiting = self.0.waiting.take();
            waiting.push(context.waker().clone());
            self.0.waiting.set(waiting);
            Poll::Pending
        })
        .await;
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        self.0.lines.take();
        self.0.bytes.take();
    }

    fn wake(&self) {
        self.0.waiting.take().into_iter().for_each(Waker::wake);
    }
}
