//! [`Maildirs`]: messages that a server receives, into Maildirs.

use super::{Mailstore, Place};
use crate::smtp::{
    Mail, Rcpt, Recipient, Reply,
    server::{Answer, Client, Delivery, Envelope, Message, Mode},
};
use std::{fmt, rc::Rc};
use trenza_core::Deferred;
use trenza_storage::{Path, Storage};

/// Where a recipient's Maildir is, or why he has none.
type Find = Box<dyn Fn(&Client, &Recipient) -> Result<Path, Reply>>;

/// Puts messages into Maildirs, which it makes where there are none, for their owner only to look into.
///
/// What was taken is on the medium, as [`Mailstore`] says. At SMTP all recipients get a message or none, at LMTP each has an
/// outcome of its own.
///
/// ```
/// use trenza_mail::{maildir::Maildirs, smtp::{Code, Reply, SmtpServer, Status}};
/// use trenza_storage::{Path, Storage};
///
/// let net = trenza_sim::Net::gentle(1);
/// let host = net.host("mx");
/// let (disk, ann) = (host.disk(), Path::new("ann")?);
/// host.run(|reactor| {
///     let maildirs = Maildirs::new(&Storage::new(reactor, disk), "mx", move |_, to| match to.mailbox() {
///         Some(mailbox) if mailbox.local() == "ann" => Ok(ann.clone()),
///         _ => Err(Reply::new(Code::REFUSED, Status::NO_MAILBOX, "No such user here")),
///     });
///     reactor.listen_with("tcp:25", SmtpServer::reception("mx", ["example.org"]).on(maildirs)).map(drop)
/// })?;
///
/// let client = net.host("cli").probe("tcp:mx:25");
/// client.send("EHLO cli\r\nMAIL FROM:<b@c>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nHello!\r\n.\r\nQUIT\r\n");
/// net.run();
/// host.crash();
/// assert_eq!(host.disk().folder("ann/new")?.list()?.len(), 1);
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub struct Maildirs {
    store: Mailstore,
    find: Find,
}

impl Maildirs {
    /// Maildirs in a tree. `host` becomes part of their files' names; `find` says where the Maildir of a recipient is. An
    /// error of `find` is what the client is told.
    pub fn new(
        storage: &Storage,
        host: impl Into<String>,
        find: impl Fn(&Client, &Recipient) -> Result<Path, Reply> + 'static,
    ) -> Self {
        Self { store: Mailstore::new(storage, host), find: Box::new(find) }
    }
}

impl Delivery for Maildirs {
    fn recipient(&self, client: &Client, mail: &Mail, to: &Rcpt) -> Answer {
        match (self.find)(client, &to.to) {
            Err(reply) => Answer::Refuse(reply),
            Ok(folder) => self.store.admit(&folder.into(), mail.size),
        }
    }

    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        let find = |to: &Rcpt| (self.find)(&envelope.client, &to.to).map(Place::from);
        let places: Result<Vec<Place>, Reply> = envelope.recipients.iter().map(find).collect();
        match places {
            Ok(places) => {
                let together = envelope.client.mode != Mode::Lmtp;
                self.store.message(envelope.mail.sender.as_ref(), places, together)
            }
            Err(reply) => trenza_auth::at_once(self.store.storage().reactor(), Err(reply.into())),
        }
    }
}

impl fmt::Debug for Maildirs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maildirs").field("store", &self.store).finish_non_exhaustive()
    }
}
