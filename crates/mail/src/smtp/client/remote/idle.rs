//! [`Idle`]: clients that wait for the next message to the same server.

use super::super::Client;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};
use trenza_core::{Deferred, Reactor, timeout};

/// Clients that have done their work and wait for more, by the server's name. A clone is the same.
#[derive(Clone, Default)]
pub(super) struct Idle(Rc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: RefCell<BTreeMap<String, VecDeque<Waiting>>>,
    count: Cell<usize>,
}

/// A client that waits.
struct Waiting {
    client: Slot,
    /// Says goodbye in the end; dropped, it does not.
    _end: Deferred<()>,
}

/// None: somebody has it.
type Slot = Rc<RefCell<Option<Kept>>>;

/// A client, and how many messages it has sent.
pub(super) struct Kept {
    pub(super) client: Client,
    pub(super) messages: u32,
}

impl Idle {
    /// A client that is connected to this server, if one waits.
    pub(super) fn take(&self, server: &str) -> Option<Kept> {
        loop {
            let waiting = self.0.waiting.borrow_mut().get_mut(server)?.pop_back()?;
            self.0.count.set(self.0.count.get().saturating_sub(1));
            let kept = waiting.client.borrow_mut().take();
            if let Some(kept) = kept.filter(|kept| kept.client.is_open()) {
                return Some(kept);
            }
        }
    }

    /// Lets a client wait for a while; then, or at a stop, it says goodbye. So it does at once where too many wait.
    pub(super) fn put(&self, reactor: &Reactor, server: &str, kept: Kept, limits: &super::RemoteLimits) {
        let mut all = self.0.waiting.borrow_mut();
        let full = self.0.count.get() >= limits.idle_max
            || all.get(server).is_some_and(|clients| clients.len() >= limits.idle_per_server);
        if full || kept.messages >= limits.messages || reactor.is_stopping() {
            drop(all);
            return reactor.spawn(async move { Ok(kept.client.quit().await?) }).detach();
        }
        let client: Slot = Rc::new(RefCell::new(Some(kept)));
        let end = reactor.spawn(wait(self.clone(), server.to_owned(), client.clone(), limits.idle));
        all.entry(server.to_owned()).or_default().push_back(Waiting { client, _end: end });
        self.0.count.set(self.0.count.get() + 1);
    }

    /// Forgets a client whose time is over.
    fn forget(&self, server: &str, gone: &Slot) -> Option<Waiting> {
        let mut all = self.0.waiting.borrow_mut();
        let clients = all.get_mut(server)?;
        let at = clients.iter().position(|waiting| Rc::ptr_eq(&waiting.client, gone))?;
        let waiting = clients.remove(at);
        if clients.is_empty() {
            all.remove(server);
        }
        self.0.count.set(self.0.count.get().saturating_sub(1));
        waiting
    }
}

async fn wait(idle: Idle, server: String, slot: Slot, limit: Duration) -> trenza_core::Result {
    let stopping = poll_fn(|cx| match &*slot.borrow() {
        Some(kept) => pin!(kept.client.stopping()).poll(cx).map(Ok),
        None => Poll::Ready(Ok(())),
    });
    // By a stop or by the clock: it is over.
    let _ = timeout(limit, stopping).await;
    let waiting = idle.forget(&server, &slot);
    let kept = slot.borrow_mut().take();
    if let Some(kept) = kept {
        // A server that has gone meanwhile needs no goodbye.
        let _ = kept.client.quit().await;
    }
    // Only now: with it this task ends.
    drop(waiting);
    Ok(())
}
