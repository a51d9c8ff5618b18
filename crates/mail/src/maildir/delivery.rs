//! [`Maildirs`]: messages that a server receives, into Maildirs.

use super::{name, store};
use crate::smtp::{
    Code, Mail, Rcpt, Recipient, Reply, Status,
    server::{Answer, Client, Delivery, Envelope, Message, Mode, Outcome},
};
use std::{cell::RefCell, collections::BTreeSet, fmt, rc::Rc};
use trenza_core::{Deferred, Reactor};
use trenza_storage::{Error, ErrorKind, Path, Storage, Upload, Write};

/// So many Maildirs are known to be there; when there are more, all are looked at again.
const KNOWN_MAX: usize = 10_000;

/// Where a recipient's Maildir is, or why he has none.
type Find = Box<dyn Fn(&Client, &Recipient) -> Result<Path, Reply>>;

/// Puts messages into Maildirs, which it makes where there are none, for their owner only to look into.
///
/// # Durability
///
/// A message that was taken is on the medium: its bytes, its name, and the folders that lead there. It is written in
/// `tmp`, synced, moved to `new`, and `new` is synced, before the client is told. Of several recipients all have the same
/// file; at SMTP all get it or none, at LMTP each has an outcome of its own. What is not received whole leaves nothing; a
/// full disk is told as 452.
///
/// A message is stored as it came, in lines that end in CRLF, behind a Return-Path field and the server's Received field.
/// Its name tells its size (`,S=`).
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
    storage: Storage,
    host: String,
    find: Find,
    /// Those that are there, on the medium too.
    known: Rc<RefCell<BTreeSet<Path>>>,
}

impl Maildirs {
    /// Maildirs in a tree. `host` becomes part of their files' names; `find` says where the Maildir of a recipient is. An
    /// error of `find` is what the client is told.
    pub fn new(
        storage: &Storage,
        host: impl Into<String>,
        find: impl Fn(&Client, &Recipient) -> Result<Path, Reply> + 'static,
    ) -> Self {
        Self { storage: storage.clone(), host: host.into(), find: Box::new(find), known: Rc::default() }
    }

    /// Makes a Maildir, if there is none. Fails as [`Delivery::recipient`] does.
    fn make(&self, folder: Path) -> Deferred<()> {
        let (known, made) = (self.known.clone(), folder.clone());
        let job = self.storage.run(move |tree| store::make(tree, &folder));
        answered(self.storage.reactor(), job, move |()| {
            let mut known = known.borrow_mut();
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
            known.insert(made);
        })
    }
}

impl Delivery for Maildirs {
    fn recipient(&self, client: &Client, _: &Mail, to: &Rcpt) -> Answer {
        match (self.find)(client, &to.to) {
            Err(reply) => Answer::Refuse(reply),
            Ok(folder) if self.known.borrow().contains(&folder) => Answer::Accept,
            Ok(folder) => Answer::Later(self.make(folder)),
        }
    }

    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        let reactor = self.storage.reactor();
        let plan = match self.plan(&envelope) {
            Ok(plan) => plan,
            Err(reply) => return trenza_auth::at_once(reactor, Err(reply.into())),
        };
        let upload = self.storage.upload(&plan.temporary, Write::Create);
        let on = reactor.clone();
        answered(reactor, upload, move |upload| {
            let sender = envelope.mail.sender.as_ref().map(ToString::to_string).unwrap_or_default();
            upload.push(format!("Return-Path: <{sender}>\r\n").as_bytes());
            Box::new(Stored { upload, plan, reactor: on }) as Box<dyn Message>
        })
    }
}

/// Where a message goes.
struct Plan {
    temporary: Path,
    name: String,
    /// Each once.
    folders: Vec<Path>,
    /// Which of them is each recipient's.
    places: Vec<usize>,
    /// All get it or none.
    together: bool,
}

impl Maildirs {
    fn plan(&self, envelope: &Envelope) -> Result<Plan, Reply> {
        let (mut folders, mut places) = (Vec::new(), Vec::new());
        for to in &envelope.recipients {
            let folder = (self.find)(&envelope.client, &to.to)?;
            let place = folders.iter().position(|other| *other == folder);
            places.push(place.unwrap_or(folders.len()));
            if place.is_none() {
                folders.push(folder);
            }
        }
        let name = name::unique(self.storage.reactor(), &self.host);
        let first = folders.first().cloned().unwrap_or_default();
        let temporary = first.join("tmp").and_then(|tmp| tmp.join(&name)).map_err(|error| reply(&error))?;
        Ok(Plan { temporary, name, folders, places, together: envelope.client.mode != Mode::Lmtp })
    }
}

/// A message on its way to Maildirs.
struct Stored {
    upload: Upload,
    plan: Plan,
    reactor: Reactor,
}

impl Message for Stored {
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
        let Plan { temporary, name, folders, places, together } = self.plan;
        let job = self.upload.finish_with(move |tree, writer| {
            store::store(tree, writer, &temporary, &folders, &name, together)
        });
        answered(&self.reactor, job, move |stored| {
            let each: Vec<Result<(), Reply>> =
                stored.into_iter().map(|one| one.map_err(|error| reply(&error))).collect();
            let of = |place: &usize| {
                each.get(*place).cloned().unwrap_or_else(|| Err(reply(&ErrorKind::Io.into())))
            };
            Outcome::Each(places.iter().map(of).collect())
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
        resolver.fire(result.map(then).map_err(|error| reply(&Error::from(error)).into()));
    });
    deferred
}

/// What a client is told of an error. It is never for ever: the message is to come again.
pub(crate) fn reply(error: &Error) -> Reply {
    match error.kind() {
        ErrorKind::NoSpace => Reply::new(Code::NO_ROOM, Status::NO_ROOM, "No space is left, try again later"),
        ErrorKind::Quota => {
            Reply::new(Code::NO_ROOM, Status::FULL_NOW, "The mailbox is full, try again later")
        }
        ErrorKind::Busy => Reply::new(Code::LOCAL_ERROR, Status::STOPPING, "Too much to do, try again later"),
        _ => {
            tracing::error!(%error, "a message cannot be stored");
            let text = "The message cannot be stored, try again later";
            Reply::new(Code::LOCAL_ERROR, Status::LOCAL_ERROR, text)
        }
    }
}

impl fmt::Debug for Maildirs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maildirs")
            .field("storage", &self.storage)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}
