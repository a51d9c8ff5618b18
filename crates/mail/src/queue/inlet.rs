//! [`Inlet`]: messages into the queue.

use super::{Queue, QueueId, RECORD_MAX, Record};
use crate::smtp::{
    Code, Mail, Rcpt, Reply, Status,
    server::{Envelope, Message, Outcome},
};
use std::sync::atomic::Ordering::SeqCst;
use trenza_core::{Deferred, Reactor};
use trenza_storage::{Error, ErrorKind, Storage, Upload, Write};

/// A loop's way into a queue. Clones are the same.
#[derive(Debug, Clone)]
pub struct Inlet {
    queue: Queue,
    storage: Storage,
}

/// A message's place among those of the queue; dropping it leaves.
struct Place(Queue);

impl Place {
    /// The message is there, and whoever removes it gives its place back.
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.count.fetch_sub(1, SeqCst);
    }
}

impl Inlet {
    pub(super) fn new(queue: Queue, reactor: &Reactor) -> Self {
        let storage = Storage::over(reactor, queue.0.tree.clone());
        Self { queue, storage }
    }

    /// A message that a server receives, under the name that it has there.
    ///
    /// # Errors
    /// Those of [`Inlet::submit`].
    pub fn receive(&self, envelope: &Envelope) -> Deferred<Box<dyn Message>> {
        let id = envelope.id.parse().unwrap_or_else(|_| QueueId::random(self.storage.reactor()));
        self.take(id, envelope.mail.clone(), envelope.recipients.clone())
    }

    /// A message that comes from elsewhere: somebody forwards it, or a program sends it. Its bytes are to be lines that
    /// end in CRLF.
    ///
    /// When [`Message::finish`] says that it is accepted it is on the medium. What is not finished leaves nothing.
    ///
    /// # Errors
    /// A [`Reply`] that can be told to a client: there are [`QueueLimits::messages`](super::QueueLimits::messages), the
    /// disk is full (452), there are too many recipients.
    pub fn submit(&self, mail: Mail, recipients: Vec<Rcpt>) -> Deferred<Box<dyn Message>> {
        self.take(QueueId::random(self.storage.reactor()), mail, recipients)
    }

    fn take(&self, id: QueueId, mail: Mail, recipients: Vec<Rcpt>) -> Deferred<Box<dyn Message>> {
        let reactor = self.storage.reactor();
        let (place, record) = match self.prepare(mail, recipients) {
            Ok(prepared) => prepared,
            Err(reply) => return trenza_auth::at_once(reactor, Err(reply.into())),
        };
        let Ok(path) = super::spool::mail(&id) else {
            return trenza_auth::at_once(reactor, Err(refusal(&ErrorKind::Name.into()).into()));
        };
        let upload = self.storage.upload(&path, Write::Create);
        let queue = self.queue.clone();
        let on = reactor.clone();
        answered(reactor, upload, move |upload| {
            Box::new(Incoming { upload, place, id, record, queue, reactor: on }) as Box<dyn Message>
        })
    }

    fn prepare(&self, mail: Mail, recipients: Vec<Rcpt>) -> Result<(Place, Record), Reply> {
        let shared = &self.queue.0;
        let record = Record::new(mail, recipients, self.storage.reactor().wall());
        // What is said of recipients is added later.
        if record.to_text().len() > RECORD_MAX / 2 {
            return Err(Reply::new(Code::NO_ROOM, Status::TOO_MANY_RECIPIENTS, "Too many recipients"));
        }
        let (max, add) = (shared.options.limits.messages, |now: usize| now.checked_add(1));
        let entered = shared.count.fetch_update(SeqCst, SeqCst, |now| add(now).filter(|_| now < max));
        if entered.is_err() {
            return Err(Reply::new(Code::NO_ROOM, Status::NO_ROOM, "The queue is full, try again later"));
        }
        Ok((Place(self.queue.clone()), record))
    }
}

/// A message on its way into the queue.
struct Incoming {
    upload: Upload,
    place: Place,
    id: QueueId,
    record: Record,
    queue: Queue,
    reactor: Reactor,
}

impl Message for Incoming {
    fn push(&mut self, bytes: &[u8]) {
        self.upload.push(bytes);
    }

    fn is_full(&self) -> bool {
        self.upload.is_full()
    }

    fn room(&self) -> Option<Deferred<()>> {
        Some(answered(&self.reactor, self.upload.room(), |()| ()))
    }

    fn finish(self: Box<Self>) -> Deferred<Outcome> {
        let Self { upload, place, id, record, queue, reactor } = *self;
        let (spool, name, known) = (queue.0.spool.clone(), id.clone(), record.clone());
        let job = upload.finish_with(move |_, writer| spool.enter(&name, writer, known));
        // Also if nobody waits for the answer any more: the message is there.
        answered(&reactor, job, move |()| {
            place.keep();
            queue.arrived(id, record);
            Outcome::Accepted
        })
    }
}

/// The result of what storage does, with an error that a client can be told.
fn answered<T: 'static, U: 'static>(
    reactor: &Reactor,
    what: Deferred<T>,
    then: impl FnOnce(T) -> U + 'static,
) -> Deferred<U> {
    let (deferred, resolver) = reactor.deferred();
    what.then(move |result| {
        resolver.fire(result.map(then).map_err(|error| refusal(&Error::from(error)).into()));
    });
    deferred
}

/// What a client is told of an error. It is never for ever: the message is to come again.
fn refusal(error: &Error) -> Reply {
    match error.kind() {
        ErrorKind::NoSpace | ErrorKind::Quota => {
            Reply::new(Code::NO_ROOM, Status::NO_ROOM, "No space is left, try again later")
        }
        ErrorKind::Busy => Reply::new(Code::LOCAL_ERROR, Status::STOPPING, "Too much to do, try again later"),
        _ => {
            tracing::error!(%error, "a message cannot be put into the queue");
            let text = "The message cannot be stored, try again later";
            Reply::new(Code::LOCAL_ERROR, Status::LOCAL_ERROR, text)
        }
    }
}
