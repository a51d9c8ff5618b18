//! [`Exchange`]: where a server brings what it receives.

use super::{Expansion, Local};
use crate::{
    maildir::{Mailstore, Place},
    queue::Inlet,
    smtp::{
        Code, Mail, Rcpt, Reply, Status,
        server::{Answer, Client, Delivery, Envelope, Message, Mode, Outcome},
    },
};
use std::{
    cell::Cell,
    fmt,
    rc::Rc,
    time::{Duration, Instant},
};
use trenza_core::{Deferred, Reactor};

/// How often accounts and aliases are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where a server of several ports brings what it receives: into the Maildirs that recipients stand for, and what is for
/// others too into a queue, whose [`Courier`](super::Courier) brings it on. A loop has its own; clones are the same, for all
/// ports.
///
/// Only at submission may somebody send to others; at reception, and by LMTP, an address of this server may stand for some.
/// Without a queue both are refused.
#[derive(Clone)]
pub struct Exchange(Rc<Inner>);

struct Inner {
    local: Local,
    store: Mailstore,
    queue: Option<Inlet>,
    looked: Cell<Option<Instant>>,
}

impl Exchange {
    /// For what `local` knows, into the Maildirs of `store`.
    pub fn new(local: Local, store: Mailstore) -> Self {
        Self(Rc::new(Inner { local, store, queue: None, looked: Cell::new(None) }))
    }

    /// The same with a queue, for what is for others.
    #[must_use]
    pub fn with_queue(&self, queue: Inlet) -> Self {
        let (local, store) = (self.0.local.clone(), self.0.store.clone());
        Self(Rc::new(Inner { local, store, queue: Some(queue), looked: Cell::new(None) }))
    }

    pub(super) fn local(&self) -> &Local {
        &self.0.local
    }

    pub(super) fn store(&self) -> &Mailstore {
        &self.0.store
    }

    /// Looks at accounts and aliases, if that was not done just now. With a pool that is too busy to look, they are as they
    /// were.
    pub(super) async fn look(&self) {
        if !self.is_stale() {
            return;
        }
        self.0.looked.set(Some(self.reactor().now()));
        let local = self.0.local.clone();
        let looked = self.reactor().in_thread(move || {
            local.look();
            Ok(())
        });
        let _ = looked.await;
    }

    fn reactor(&self) -> &Reactor {
        self.0.store.storage().reactor()
    }

    /// Accounts and aliases are to be looked at.
    fn is_stale(&self) -> bool {
        let now = self.reactor().now();
        let fresh = |looked| now.saturating_duration_since(looked) < LOOK_EVERY;
        !self.0.looked.get().is_some_and(fresh)
    }

    /// What a recipient stands for.
    fn expand(&self, client: &Client, to: &Rcpt) -> Result<Expansion, Reply> {
        let refusal = || Reply::new(Code::REFUSED, Status::DENIED, "This server sends nothing there");
        if !self.0.local.is_own(&to.to, client.peer.local.ip()) {
            let other = to.to.mailbox().filter(|_| client.mode == Mode::Submission && self.0.queue.is_some());
            let elsewhere = vec![other.ok_or_else(refusal)?.clone()];
            return Ok(Expansion { elsewhere, ..Expansion::default() });
        }
        let expansion = self.0.local.expand(&to.to)?;
        match expansion.elsewhere.first() {
            Some(other) if self.0.queue.is_none() => {
                tracing::warn!(to = %to.to, %other, "an address stands for one elsewhere, and there is no queue");
                Err(refusal())
            }
            _ => Ok(expansion),
        }
    }

    /// The envelope as the queue is to have it, which does not know how a client has reached this server.
    fn queued(&self, envelope: &Envelope) -> Envelope {
        let (local, reached_by) = (&self.0.local, envelope.client.peer.local.ip());
        let known = |to: &Rcpt| match local.is_own(&to.to, reached_by) {
            true => local.known_as(to),
            false => to.clone(),
        };
        Envelope { recipients: envelope.recipients.iter().map(known).collect(), ..envelope.clone() }
    }

    fn admit(&self, client: &Client, mail: &Mail, to: &Rcpt) -> Answer {
        let places = match self.expand(client, to) {
            Ok(expansion) => expansion.maildirs,
            Err(reply) => return Answer::Refuse(reply),
        };
        let mut waits = Vec::new();
        for place in &places {
            match self.0.store.admit(place, mail.size) {
                Answer::Accept => {}
                Answer::Refuse(reply) => return Answer::Refuse(reply),
                Answer::Later(wait) => waits.push(wait),
            }
        }
        match waits.pop() {
            None => Answer::Accept,
            Some(only) if waits.is_empty() => Answer::Later(only),
            Some(last) => Answer::Later(self.reactor().spawn(async move {
                for wait in waits {
                    wait.await?;
                }
                last.await
            })),
        }
    }
}

impl Delivery for Exchange {
    fn recipient(&self, client: &Client, mail: &Mail, to: &Rcpt) -> Answer {
        if !self.is_stale() {
            return self.admit(client, mail, to);
        }
        let (exchange, client, mail, to) = (self.clone(), client.clone(), mail.clone(), to.clone());
        Answer::Later(self.reactor().spawn(async move {
            exchange.look().await;
            exchange.admit(&client, &mail, &to).wait().await
        }))
    }

    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        let expand = |to: &Rcpt| self.expand(&envelope.client, to);
        let expansions: Result<Vec<Expansion>, Reply> = envelope.recipients.iter().map(expand).collect();
        let expansions = match expansions {
            Ok(expansions) => expansions,
            Err(reply) => return trenza_auth::at_once(self.reactor(), Err(reply.into())),
        };
        // What is for others, and what the sender wants to be told of, is the queue's.
        let told = |to: &Rcpt| to.notify.is_some_and(|notify| notify.success);
        let away = expansions.iter().any(|expansion| !expansion.elsewhere.is_empty());
        if let Some(queue) = self.0.queue.as_ref().filter(|_| away || envelope.recipients.iter().any(told)) {
            return queue.receive(&self.queued(&envelope));
        }
        let counts: Vec<usize> = expansions.iter().map(|expansion| expansion.maildirs.len()).collect();
        let places: Vec<Place> = expansions.into_iter().flat_map(|expansion| expansion.maildirs).collect();
        if places.is_empty() {
            let nobody: Box<dyn Message> = Box::new(Nobody(self.reactor().clone()));
            return trenza_auth::at_once(self.reactor(), Ok(nobody));
        }
        let together = envelope.client.mode != Mode::Lmtp;
        let inner = self.0.store.message(envelope.mail.sender.as_ref(), places, together);
        let reactor = self.reactor().clone();
        self.reactor().spawn(async move {
            Ok(Box::new(Spread { inner: inner.await?, counts, reactor }) as Box<dyn Message>)
        })
    }
}

/// A message whose recipients stand for several Maildirs each.
struct Spread {
    inner: Box<dyn Message>,
    /// How many of the places are each recipient's.
    counts: Vec<usize>,
    reactor: Reactor,
}

impl Message for Spread {
    fn push(&mut self, bytes: &[u8]) {
        self.inner.push(bytes);
    }

    fn is_full(&self) -> bool {
        self.inner.is_full()
    }

    fn room(&self) -> Option<Deferred<()>> {
        self.inner.room()
    }

    fn finish(self: Box<Self>) -> Deferred<Outcome> {
        let Self { inner, counts, reactor } = *self;
        let outcome = inner.finish();
        reactor.spawn(async move {
            let Outcome::Each(each) = outcome.await? else { return Ok(Outcome::Accepted) };
            let mut each = each.into_iter();
            // Of several the first that is wrong: what comes again may come twice to the others.
            let of = |count: usize| {
                let own: Vec<Result<(), Reply>> = each.by_ref().take(count).collect();
                own.into_iter().collect::<Result<(), Reply>>()
            };
            Ok(Outcome::Each(counts.into_iter().map(of).collect()))
        })
    }
}

/// A message that goes nowhere.
struct Nobody(Reactor);

impl Message for Nobody {
    fn push(&mut self, _: &[u8]) {}

    fn finish(self: Box<Self>) -> Deferred<Outcome> {
        trenza_auth::at_once(&self.0, Ok(Outcome::Accepted))
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("local", &self.0.local)
            .field("store", &self.0.store)
            .finish_non_exhaustive()
    }
}
