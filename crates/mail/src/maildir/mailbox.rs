//! [`Maildir`]: the messages that are in one.

use super::{Entry, Flags, name, quota, store, walk::each};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};
use trenza_core::Deferred;
use trenza_storage::{ErrorKind, File, OpenFolder, Path, Result, Storage, Tree};

/// The most messages that are listed; a Maildir with more cannot be ([`Unsupported`](ErrorKind::Unsupported)).
pub const MESSAGES_MAX: usize = 1_000_000;
/// After so long without a change nobody writes any more to what lies in `tmp`.
const TEMPORARY_AGE: Duration = Duration::from_secs(36 * 3600);
/// The most folders of one Maildir that are listed; more are [`Unsupported`](ErrorKind::Unsupported).
pub const FOLDERS_MAX: usize = 10_000;

/// A mailbox: the messages of a Maildir. Clones are the same.
///
/// Other programs may change it at the same time: a message that has got other flags meanwhile is found all the same.
/// Errors are those of [`Storage`]; [`NotFound`](ErrorKind::NotFound) is a message, or a Maildir, that is gone.
///
/// ```
/// use trenza_mail::maildir::{Flags, Maildir};
/// use trenza_storage::{Path, Storage};
///
/// let net = trenza_sim::Net::gentle(1);
/// let host = net.host("srv");
/// let disk = host.disk();
/// net.block_on(&host, async {
///     let storage = Storage::new(&trenza_core::Reactor::current(), disk);
///     let maildir = Maildir::new(&storage, Path::new("ann")?);
///     maildir.make().await?;
///     storage.upload(&Path::new("ann/new/1.a.srv")?, trenza_storage::Write::New).await?.finish(false).await?;
///
///     let message = maildir.list().await?.remove(0);
///     assert!(message.is_new());
///     let seen = maildir.set_flags(&message, Flags::SEEN).await?;
///     assert_eq!((seen.flags(), maildir.list().await?.len()), (Flags::SEEN, 1));
///     maildir.remove(&message).await?;
///     assert!(maildir.list().await?.is_empty());
///     Ok(())
/// })?;
/// # Ok::<(), trenza_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Maildir {
    storage: Storage,
    folder: Path,
}

impl Maildir {
    /// The Maildir in this folder, which need not be there yet.
    pub fn new(storage: &Storage, folder: Path) -> Self {
        Self { storage: storage.clone(), folder }
    }

    /// A folder of this Maildir, as Maildir++ has them: all beside each other in the Maildir, with dots for what lies within
    /// what. It need not be there yet. Messages go there whose recipient's Maildir it is.
    ///
    /// # Errors
    /// [`Name`](ErrorKind::Name): a part of the name between dots is empty or can be no name.
    pub fn folder(&self, name: &str) -> Result<Self> {
        if name.split('.').any(str::is_empty) || name.contains(['/', '\0']) {
            return Err(ErrorKind::Name.into());
        }
        let folder = match self.folder.name() {
            Some(own) if own.starts_with(b".") => {
                let own = [own, b".", name.as_bytes()].concat();
                self.folder.parent().unwrap_or_default().join(own)?
            }
            _ => self.folder.join(format!(".{name}"))?,
        };
        Ok(Self { storage: self.storage.clone(), folder })
    }

    /// The names of its folders, in the order of the alphabet; for [`Maildir::folder`].
    pub fn folders(&self) -> Deferred<Vec<String>> {
        self.run(|tree, folder| {
            let mut names = Vec::new();
            each(tree, folder, |found| {
                let name = found.name.to_str().and_then(|name| name.strip_prefix('.'));
                names.extend(name.filter(|_| found.metadata.is_folder()).map(str::to_owned));
                if names.len() > FOLDERS_MAX { Err(ErrorKind::Unsupported.into()) } else { Ok(()) }
            })?;
            names.sort_unstable();
            Ok(names)
        })
    }

    /// Where it is in its tree.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The storage that it is in.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Makes it, if it is not there; it is on the medium then.
    pub fn make(&self) -> Deferred<()> {
        self.run(store::make)
    }

    /// All of its messages, in the order in which they were received.
    pub fn list(&self) -> Deferred<Vec<Entry>> {
        self.run(list)
    }

    /// Opens a message, to be read by [`Storage::read`] or sent by [`Storage::send`].
    pub fn open(&self, message: &Entry) -> Deferred<Arc<dyn File>> {
        let message = message.clone();
        self.run(move |tree, folder| found(tree, folder, &message, |path| tree.open(path)))
    }

    /// Opens messages, each when it is asked for, and reads from them, as one job: many small ones cost one way to the pool
    /// and back.
    pub fn read<T: Send + 'static>(
        &self,
        messages: Vec<Entry>,
        read: impl FnOnce(&mut dyn Iterator<Item = Result<Arc<dyn File>>>) -> Result<T> + Send + 'static,
    ) -> Deferred<T> {
        self.run(move |tree, folder| {
            let mut places = Places::default();
            read(&mut messages.iter().map(|message| places.open(tree, folder, &messages, message)))
        })
    }

    /// Sets the flags of a message, which is not new any more then. As it is from there on.
    pub fn set_flags(&self, message: &Entry, flags: Flags) -> Deferred<Entry> {
        let message = message.clone();
        self.run(move |tree, folder| {
            let named = Entry { is_new: false, flags, ..message.clone() };
            let to = named.path(folder)?;
            found(
                tree,
                folder,
                &message,
                |path| if *path == to { Ok(()) } else { tree.rename(path, &to, false) },
            )?;
            Ok(named)
        })
    }

    /// Removes a message. After a loss of power it may be there again.
    pub fn remove(&self, message: &Entry) -> Deferred<()> {
        let message = message.clone();
        self.run(move |tree, folder| {
            found(tree, folder, &message, |path| tree.remove_file(path))?;
            quota::subtract(tree, folder, message.size, 1);
            Ok(())
        })
    }

    /// Removes messages; those that are gone already are no errors. They stay away after a loss of power, too.
    ///
    /// Of several errors it is the first; all others are removed all the same.
    pub fn remove_all(&self, messages: Vec<Entry>) -> Deferred<()> {
        self.run(move |tree, folder| remove_all(tree, folder, &messages))
    }

    /// Removes what deliveries have left in `tmp` that ended with their process: what was not changed for 36 hours. How
    /// many there were.
    pub fn sweep(&self) -> Deferred<u64> {
        let before =
            self.storage.reactor().wall().checked_sub(TEMPORARY_AGE).unwrap_or(SystemTime::UNIX_EPOCH);
        self.run(move |tree, folder| {
            let (tmp, mut removed) = (folder.join("tmp")?, 0);
            each(tree, &tmp, |found| {
                let is_old = found.metadata.is_file() && found.metadata.modified < before;
                if is_old && tree.remove_file(&tmp.join(found.name.as_encoded_bytes())?).is_ok() {
                    removed += 1;
                }
                Ok(())
            })?;
            Ok(removed)
        })
    }

    fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&dyn Tree, &Path) -> Result<T> + Send + 'static,
    ) -> Deferred<T> {
        let folder = self.folder.clone();
        self.storage.run(move |tree| job(tree, &folder))
    }
}

/// The folders of a Maildir, kept open once something is opened in them.
#[derive(Default)]
struct Places<'a> {
    new: Option<Box<dyn OpenFolder + 'a>>,
    cur: Option<Box<dyn OpenFolder + 'a>>,
    /// Where messages are that were not where they should be, once they were looked for.
    moved: Option<Moved>,
}

impl<'a> Places<'a> {
    /// Opens one of these messages.
    fn open(
        &mut self,
        tree: &'a dyn Tree,
        folder: &Path,
        messages: &[Entry],
        message: &Entry,
    ) -> Result<Arc<dyn File>> {
        let place = if message.is_new { &mut self.new } else { &mut self.cur };
        let kept = match place {
            Some(kept) => kept,
            None => place.insert(tree.open_folder(&folder.join(message.place())?)?),
        };
        match kept.open(message.name().as_bytes()) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        let moved = match &self.moved {
            Some(moved) => moved,
            None => self.moved.insert(look_for(tree, folder, &messages.iter().map(Entry::id).collect())?),
        };
        let (path, _) = moved.get(message.id()).ok_or(ErrorKind::NotFound)?;
        tree.open(path)
    }
}

fn list(tree: &dyn Tree, folder: &Path) -> Result<Vec<Entry>> {
    let mut entries = BTreeMap::new();
    // A message that is moved from `new` to `cur` meanwhile is seen in both.
    for is_new in [true, false] {
        each(tree, &folder.join(if is_new { "new" } else { "cur" })?, |found| {
            let Some(entry) = found.name.to_str().filter(|_| found.metadata.is_file()) else { return Ok(()) };
            let (id, flags) = entry.split_once(":2,").unwrap_or((entry, ""));
            if id.starts_with('.') {
                return Ok(());
            }
            let entry = Entry {
                id: id.to_owned(),
                is_new,
                flags: Flags::parse(flags),
                size: found.metadata.size,
                received: name::received(id).unwrap_or(found.metadata.modified),
            };
            entries.insert(entry.id.clone(), entry);
            if entries.len() > MESSAGES_MAX { Err(ErrorKind::Unsupported.into()) } else { Ok(()) }
        })?;
    }
    let mut entries: Vec<Entry> = entries.into_values().collect();
    entries.sort_by_key(|entry| entry.received);
    Ok(entries)
}

/// Does something with a message where it is, also if its name has got other flags.
fn found<T>(tree: &dyn Tree, folder: &Path, message: &Entry, does: impl Fn(&Path) -> Result<T>) -> Result<T> {
    match does(&message.path(folder)?) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        done => return done,
    }
    let moved = look_for(tree, folder, &BTreeSet::from([message.id()]))?;
    let (path, _) = moved.get(message.id()).ok_or(ErrorKind::NotFound)?;
    does(path)
}

/// Where messages are by now, by their ids, and how large they are.
type Moved = BTreeMap<String, (Path, u64)>;

/// Looks for messages whose names others have changed: for all at once, in all of the Maildir.
fn look_for(tree: &dyn Tree, folder: &Path, ids: &BTreeSet<&str>) -> Result<Moved> {
    let mut moved = Moved::new();
    // What goes from `new` to `cur` meanwhile is seen in one of them.
    for place in ["new", "cur"] {
        let place = folder.join(place)?;
        each(tree, &place, |found| {
            let id = found.name.to_str().map(|name| name.split_once(":2,").map_or(name, |(id, _)| id));
            if let Some(id) = id.filter(|id| ids.contains(id)) {
                let path = place.join(found.name.as_encoded_bytes())?;
                moved.insert(id.to_owned(), (path, found.metadata.size));
            }
            Ok(())
        })?;
    }
    Ok(moved)
}

fn remove_all(tree: &dyn Tree, folder: &Path, messages: &[Entry]) -> Result {
    let (mut missing, mut result) = (BTreeSet::new(), Ok(()));
    let (mut bytes, mut count) = (0_u64, 0);
    let mut remove = |path: &Path, size: u64| {
        tree.remove_file(path)?;
        bytes = bytes.saturating_add(size);
        count += 1;
        Ok(())
    };
    let gone = |removed: &Result| matches!(removed, Err(error) if error.kind() == ErrorKind::NotFound);
    for message in messages {
        let removed = message.path(folder).and_then(|path| remove(&path, message.size));
        if gone(&removed) {
            missing.insert(message.id());
        } else {
            result = result.and(removed);
        }
    }
    if !missing.is_empty() {
        match look_for(tree, folder, &missing) {
            Ok(moved) => {
                let removed = moved.values().map(|(path, size)| remove(path, *size));
                result = removed.filter(|removed| !gone(removed)).fold(result, Result::and);
            }
            Err(error) => result = result.and(Err(error)),
        }
    }
    for place in ["new", "cur"] {
        let synced = folder.join(place).and_then(|place| tree.sync(&place));
        result = result.and(synced);
    }
    quota::subtract(tree, folder, bytes, count);
    result
}
