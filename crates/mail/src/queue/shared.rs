//! [`Queue`]: what all loops know of a queue.

use super::{Carrier, Inlet, QueueId, QueueLimits, QueueRunner, Record, Schedule, Spool};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::SystemTime,
};
use trenza_core::{Reactor, RemoteResolver};
use trenza_storage::{Result, Tree};

/// So many messages that have come wait to be looked at by the loop that carries them; what is more it finds on the disk.
const ARRIVED_MAX: usize = 10_000;

/// How a queue is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueOptions {
    /// The name of this host, which reports are from.
    pub host: String,
    /// How many, how large, how long.
    pub limits: QueueLimits,
    /// When messages are tried again.
    pub schedule: Schedule,
}

impl QueueOptions {
    /// With the usual limits and schedule.
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: host.into(), limits: QueueLimits::default(), schedule: Schedule::default() }
    }
}

/// A queue of messages in a tree of its own. Clones are the same queue, and can be sent: every loop takes messages in, by
/// an [`Inlet`] of its own, and one of them carries them on.
///
/// # Durability
///
/// What was taken is on the medium with its record: it survives a loss of power at any time, until all recipients have it
/// or the sender was told. A recipient may get it twice if the power fails after another server has taken it and before
/// that is noted; nobody can know then.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use trenza_core::Result;
/// use trenza_mail::{
///     queue::{Carried, Carrier, Carrying, Fate, Parcel, Queue, QueueOptions},
///     smtp::{Code, Mail, Mailbox, Rcpt, Recipient, Reply, Status},
/// };
///
/// /// Says who gets something.
/// struct Nowhere;
///
/// impl Carrier for Nowhere {
///     fn destination(&self, to: &Recipient) -> String {
///         to.mailbox().map(|mailbox| mailbox.host().to_string()).unwrap_or_default()
///     }
///     fn carry(&self, parcel: Parcel) -> Carrying {
///         println!("{} gets {} bytes", parcel.destination, parcel.message.size());
///         let reply = Reply::new(Code::OK, Status::OK, "It is gone");
///         Box::pin(async move { parcel.recipients.iter().map(|_| Carried::new(Fate::Delivered(reply.clone()))).collect() })
///     }
/// }
///
/// let net = trenza_sim::Net::gentle(1);
/// let host = net.host("mx");
/// let disk = Arc::new(host.disk());
/// let queue = Queue::open(disk, QueueOptions::new("mx.example.org"), host.reactor().wall())?;
/// let running = queue.clone();
/// host.run(|reactor| reactor.start(running.carried_by(Nowhere)))?;
///
/// let inlet = queue.inlet(&host.reactor());
/// net.block_on(&host, async move {
///     let to = Mailbox::parse("bob@example.com").ok_or("an address")?;
///     let mut message = inlet.submit(Mail::default(), vec![Rcpt::new(to)]).await?;
///     message.push(b"Subject: hello\r\n\r\nHello!\r\n");
///     message.finish().await?;
///     Ok(())
/// })?;
/// net.advance(Duration::from_secs(1));
/// assert_eq!(queue.len(), 0);
/// # Ok::<(), trenza_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Queue(pub(super) Arc<Shared>);

/// What clones share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: QueueOptions,
    pub(super) tree: Arc<dyn Tree>,
    pub(super) spool: Spool,
    /// How many messages there are, and are coming.
    pub(super) count: AtomicUsize,
    inbox: Mutex<Inbox>,
}

/// What has come and was not looked at.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) arrived: Vec<(QueueId, Record)>,
    /// More has come.
    pub(super) missed: bool,
    /// Wakes the loop that looks.
    bell: Option<RemoteResolver<()>>,
}

impl Queue {
    /// Opens the queue of a tree, which is made if it is not there, and removes what was being written when its last server
    /// ended. It blocks, for as long as a list of all messages takes: do it before the loops run. `now` is the wall clock.
    ///
    /// Nobody else may have it open; for programs there is [`QueueLock`](super::QueueLock).
    ///
    /// # Errors
    /// Those of the tree.
    pub fn open(tree: Arc<dyn Tree>, options: QueueOptions, now: SystemTime) -> Result<Self> {
        let spool = Spool::over(tree.clone());
        let count = spool.recover(now)?.into();
        Ok(Self(Arc::new(Shared { options, tree, spool, count, inbox: Mutex::default() })))
    }

    /// How many messages there are, those that are coming included.
    pub fn len(&self) -> usize {
        self.0.count.load(SeqCst)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The way in of a loop: one for each, which is cloned.
    pub fn inlet(&self, reactor: &Reactor) -> Inlet {
        Inlet::new(self.clone(), reactor)
    }

    /// What carries the messages on. One loop starts it, once ([`Reactor::start`]). When it stops, what is under way is
    /// finished or counts as not tried.
    pub fn carried_by(&self, carrier: impl Carrier) -> QueueRunner {
        QueueRunner::new(self.clone(), Box::new(carrier))
    }

    /// A message has come.
    pub(super) fn arrived(&self, id: QueueId, record: Record) {
        let mut inbox = self.inbox();
        if inbox.arrived.len() < ARRIVED_MAX {
            inbox.arrived.push((id, record));
        } else {
            inbox.missed = true;
        }
        let bell = inbox.bell.take();
        drop(inbox);
        if let Some(bell) = bell {
            bell.fire(Ok(()));
        }
    }

    /// There are so many messages more.
    pub(super) fn count(&self, more: isize) {
        let add = |now: usize| Some(now.saturating_add_signed(more));
        let _ = self.0.count.fetch_update(SeqCst, SeqCst, add);
    }

    /// What has come since this was asked for last.
    pub(super) fn take_arrived(&self) -> (Vec<(QueueId, Record)>, bool) {
        let mut inbox = self.inbox();
        (std::mem::take(&mut inbox.arrived), std::mem::take(&mut inbox.missed))
    }

    /// Rings when something comes; None: nobody listens.
    pub(super) fn listen(&self, bell: Option<RemoteResolver<()>>) {
        let former = std::mem::replace(&mut self.inbox().bell, bell);
        drop(former);
    }

    /// Nothing is left halfway by a panic.
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("arrived", &self.arrived.len()).finish_non_exhaustive()
    }
}
