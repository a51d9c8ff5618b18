//! [`Mailstore`]: messages into Maildirs.

use super::{name, quota, store, trouble::Trouble};
use crate::smtp::{
    Code, Mailbox, Reply, Status,
    server::{Answer, Message, Outcome},
};
use std::{cell::RefCell, collections::BTreeSet, fmt, rc::Rc};
use trenza_core::{Deferred, Reactor};
use trenza_storage::{Error, ErrorKind, Path, Storage, Upload, Write};

/// So many Maildirs are known to be there; when there are more, all are looked at again.
const KNOWN_MAX: usize = 10_000;

/// A Maildir that messages go to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Where it is in its tree.
    pub folder: Path,
    /// How many bytes it may hold, with all of its folders; None: as many as there is room for. It is counted as Maildir++
    /// has it, in the file `maildirsize`.
    pub quota: Option<u64>,
}

impl From<Path> for Place {
    /// Without a quota.
    fn from(folder: Path) -> Self {
        Self { folder, quota: None }
    }
}

/// The Maildirs of a tree, and messages on their way into them. Clones are the same.
///
/// # Durability
///
/// A message that was taken is on the medium: its bytes, its name, and the folders that lead there. It is written in
/// `tmp`, synced, moved to `new`, and `new` is synced, before anybody is told. In several Maildirs it is one file. What is
/// not finished leaves nothing; a full disk, and a full Maildir, are told as 452, a message that is larger than a quota as
/// 552.
///
/// A message is stored as it came, in lines that end in CRLF, behind a Return-Path field. Its name tells its size (`,S=`).
#[derive(Clone)]
pub struct Mailstore(Rc<Inner>);

struct Inner {
    storage: Storage,
    host: String,
    /// Those that are there, on the medium too.
    known: RefCell<BTreeSet<Path>>,
}

impl Mailstore {
    /// Maildirs in a tree. `host` becomes part of their files' names.
    pub fn new(storage: &Storage, host: impl Into<String>) -> Self {
        let (storage, host) = (storage.clone(), host.into());
        Self(Rc::new(Inner { storage, host, known: RefCell::default() }))
    }

    /// The tree.
    pub fn storage(&self) -> &Storage {
        &self.0.storage
    }

    /// Whether a message can go to a Maildir, which is made if there is none, for its owner only to look into. `size` is
    /// about how large the message will be, if that is known.
    pub fn admit(&self, place: &Place, size: Option<u64>) -> Answer {
        let (quota, known) = (place.quota, self.0.known.borrow().contains(&place.folder));
        if quota.is_none() && known {
            return Answer::Accept;
        }
        let (folder, now) = (place.folder.clone(), self.reactor().wall());
        let job = self.0.storage.run(move |tree| {
            if !known {
                store::make(tree, &folder)?;
            }
            let fits = |quota| quota::check(tree, &folder, quota, size.unwrap_or(1), Some(now));
            Ok(match quota.map_or(Ok(()), fits) {
                Err(Trouble::Storage(error)) => return Err(error),
                checked => checked.map_err(|trouble| reply(&trouble)),
            })
        });
        let (store, made) = (self.clone(), place.folder.clone());
        Answer::Later(answered(self.reactor(), job, move |admitted| {
            store.know(made);
            admitted
        }))
    }

    fn know(&self, folder: Path) {
        let mut known = self.0.known.borrow_mut();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(folder);
    }

    /// A message from somebody to these Maildirs, which were [admitted](Mailstore::admit) before. Its
    /// [outcome](Outcome::Each) tells of each place, in their order; one may be there twice. With `together` all of them
    /// have it or none. Fails with a [`Reply`].
    pub fn message(
        &self,
        sender: Option<&Mailbox>,
        places: impl IntoIterator<Item = Place>,
        together: bool,
    ) -> Deferred<Box<dyn Message>> {
        let reactor = self.reactor();
        let plan = match Plan::new(places, name::unique(reactor, &self.0.host), together) {
            Ok(plan) => plan,
            Err(error) => return trenza_auth::at_once(reactor, Err(reply(&error.into()).into())),
        };
        let head = format!("Return-Path: <{}>\r\n", sender.map(ToString::to_string).unwrap_or_default());
        let upload = self.noticed(&plan.places, self.0.storage.upload(&plan.temporary, Write::Create));
        let store = self.clone();
        answered(reactor, upload, move |upload| {
            upload.push(head.as_bytes());
            Ok(Box::new(Stored { upload, plan, store }) as Box<dyn Message>)
        })
    }

    /// The same result. When it is an error, a Maildir may have been removed, so the next message finds out.
    fn noticed<T: 'static>(&self, places: &[Place], what: Deferred<T>) -> Deferred<T> {
        let (store, places) = (self.clone(), places.to_vec());
        let (deferred, resolver) = self.reactor().deferred();
        what.then(move |result| {
            if result.is_err() {
                store.forget(&places);
            }
            resolver.fire(result);
        });
        deferred
    }

    fn forget<'a>(&self, places: impl IntoIterator<Item = &'a Place>) {
        let mut known = self.0.known.borrow_mut();
        places.into_iter().for_each(|place| _ = known.remove(&place.folder));
    }

    fn reactor(&self) -> &Reactor {
        self.0.storage.reactor()
    }
}

/// Where a message goes.
struct Plan {
    temporary: Path,
    name: String,
    /// Each once.
    places: Vec<Place>,
    /// Which of them is meant by each that was given.
    given: Vec<usize>,
    /// All get it or none.
    together: bool,
}

impl Plan {
    fn new(
        all: impl IntoIterator<Item = Place>,
        name: String,
        together: bool,
    ) -> trenza_storage::Result<Self> {
        let (mut places, mut given) = (Vec::<Place>::new(), Vec::new());
        for place in all {
            let known = places.iter().position(|other| other.folder == place.folder);
            given.push(known.unwrap_or(places.len()));
            if known.is_none() {
                places.push(place);
            }
        }
        let first = places.first().ok_or(ErrorKind::NotFound)?;
        let temporary = first.folder.join("tmp")?.join(&name)?;
        Ok(Self { temporary, name, places, given, together })
    }
}

/// A message on its way to Maildirs.
struct Stored {
    upload: Upload,
    plan: Plan,
    store: Mailstore,
}

impl Message for Stored {
    fn push(&mut self, bytes: &[u8]) {
        self.upload.push(bytes);
    }

    fn is_full(&self) -> bool {
        self.upload.is_full()
    }

    fn room(&self) -> Option<Deferred<()>> {
        Some(answered(self.store.reactor(), self.upload.room(), Ok))
    }

    fn finish(self: Box<Self>) -> Deferred<Outcome> {
        let Self { upload, plan: Plan { temporary, name, places, given, together }, store } = *self;
        let all = places.clone();
        let job = upload.finish_with(move |tree, writer| {
            store::store(tree, writer, &temporary, &places, &name, together)
        });
        let (job, on) = (store.noticed(&all, job), store.reactor().clone());
        answered(&on, job, move |stored| {
            let wrong = |(_, one): &(_, &Result<(), Trouble>)| matches!(one, Err(Trouble::Storage(_)));
            store.forget(all.iter().zip(&stored).filter(wrong).map(|(place, _)| place));
            let each: Vec<Result<(), Reply>> =
                stored.into_iter().map(|one| one.map_err(|trouble| reply(&trouble))).collect();
            let unknown = || Err(reply(&Error::from(ErrorKind::Io).into()));
            let of = |place: &usize| each.get(*place).cloned().unwrap_or_else(unknown);
            Ok(Outcome::Each(given.iter().map(of).collect()))
        })
    }
}

/// The result of what storage does, with an error that a client can be told.
fn answered<T: 'static, U: 'static>(
    reactor: &Reactor,
    what: Deferred<T>,
    then: impl FnOnce(T) -> Result<U, Reply> + 'static,
) -> Deferred<U> {
    let (deferred, resolver) = reactor.deferred();
    what.then(move |result| {
        let answer = match result {
            Ok(value) => then(value),
            Err(error) => Err(reply(&Error::from(error).into())),
        };
        resolver.fire(answer.map_err(Into::into));
    });
    deferred
}

/// What a client is told of an error of storage, which passes.
pub(crate) fn refusal(error: Error) -> Reply {
    reply(&error.into())
}

/// What a client is told. All but a message that can never fit may come again.
fn reply(trouble: &Trouble) -> Reply {
    let error = match trouble {
        Trouble::Full => {
            return Reply::new(Code::NO_ROOM, Status::FULL_NOW, "The mailbox is full, try again later");
        }
        Trouble::TooLarge => {
            return Reply::new(
                Code::TOO_LARGE,
                Status::FULL,
                "The message is larger than the mailbox may be",
            );
        }
        Trouble::Storage(error) => error,
    };
    match error.kind() {
        ErrorKind::NoSpace => Reply::new(Code::NO_ROOM, Status::NO_ROOM, "No space is left, try again later"),
        ErrorKind::Quota => reply(&Trouble::Full),
        ErrorKind::Busy => Reply::new(Code::LOCAL_ERROR, Status::STOPPING, "Too much to do, try again later"),
        _ => {
            tracing::error!(%error, "a message cannot be stored");
            let text = "The message cannot be stored, try again later";
            Reply::new(Code::LOCAL_ERROR, Status::LOCAL_ERROR, text)
        }
    }
}

impl fmt::Debug for Mailstore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailstore")
            .field("storage", &self.0.storage)
            .field("host", &self.0.host)
            .finish_non_exhaustive()
    }
}
