//! [`Disk`]: the storage of a simulated host, and what is left of it when the power fails.
//!
//! ```text
//!   Disk ── root, folder ──▶ Folder ── open ──────────────▶ DiskFile
//!     │                        │ rename link unlink list     │ read_at write_at append set_length
//!     │ rule                   │ sync                        │ sync
//!     ▼                        ▼                             ▼
//!   DiskFate            State: what programs see, what is on the medium, and the changes between them
//! ```
//!
//! # What a crash does
//!
//! Programs see each change at once. On the medium it is only when it was synced:
//!
//! - [`DiskFile::sync`] (POSIX `fsync`) brings a file's bytes, length and times there, not its name.
//! - [`Folder::sync`] brings there what was done to the folder's names: files and folders made, linked, renamed,
//!   removed. A rename from one folder to another is one change, and is synced with either.
//!
//! At [`HostHandle::crash`](crate::HostHandle::crash) any subset of the other changes is lost, as the seed chooses. A
//! write may be torn: of its sectors ([`DISK_SECTOR`] bytes) any subset arrives, and the length of a file may arrive
//! without the bytes, which are zeros then. A change to names is never torn, a rename neither. Open files and folders
//! are of no use afterwards; [`HostHandle::disk`](crate::HostHandle::disk) gives a new way in. A process that is only
//! killed ([`HostHandle::kill`](crate::HostHandle::kill)) loses nothing, since the system lives.
//!
//! That is as much as is promised, and less than most systems keep. POSIX.1-2024, `fsync`: the data of the file are
//! on the medium, nothing is said of names, and `rename` is atomic for those who look, with no word of crashes. The
//! manual page fsync(2) of Linux: "Calling fsync() does not necessarily ensure that the entry in the directory
//! containing the file has also reached disk. For that an explicit fsync() on a file descriptor for the directory is
//! also needed." The ext4 documentation of Linux (admin-guide/ext4, `data=ordered`, `auto_da_alloc`): changes to
//! names are committed by a journal in their order, every 5 s by default; data is written before the names that
//! need it only in some patterns (replace by rename, replace by truncation), and with delayed allocation may
//! otherwise come much later. A program that is right here does not depend on any of that.
//!
//! What nobody has synced is written back sooner or later all the same: beyond [`DISK_DIRTY_MAX`] bytes or
//! [`DISK_CHANGES_MAX`] changes the oldest are.
//!
//! # What else may go wrong
//!
//! [`Disk::set_capacity`] makes it small: a write takes what fits, and then says that the disk is full. [`Disk::rule`]
//! decides about single calls: full, an error of the device, or the power fails before the call, so that a test can try
//! every point of a sequence. When a [`DiskFile::sync`] fails by such an error, some of the pages may have been
//! written; the others count as clean from then on, as on Linux: they are still read, a second `sync` succeeds
//! without writing them, and a crash loses them. A failed [`Folder::sync`] leaves its changes unsynced.
//!
//! All calls block, as on a real system, and belong into [`in_thread`](trenza_core::Reactor::in_thread): how long such
//! jobs take is what [`Net::job_time`](crate::Net::job_time) and [`Fate::Slow`](crate::Fate::Slow) say.
//!
//! There are no symbolic links, locks or mapped files, and permissions are kept and not obeyed.
//!
//! # For suites
//!
//! A disk is a [`trenza_storage::Tree`], so that whatever stores its files in one is tried on a disk that crashes, is
//! full, or fails.

mod file;
mod folder;
mod medium;
mod node;
mod rule;
mod state;
mod tree;

pub use file::DiskFile;
pub use folder::{DISK_NAME_MAX, DiskEntry, DiskMetadata, DiskOpen, Folder};
pub use medium::{DISK_CHANGES_MAX, DISK_DIRTY_MAX, DISK_SECTOR};
pub use rule::{DiskAccess, DiskFate, DiskVerb};
pub use state::{DISK_CAPACITY, DISK_NODES_MAX};

use crate::{dice::Dice, rule::RuleGuard, trace::Trace};
use node::ROOT;
use rule::DiskRule;
use state::State;
use std::{
    ffi::OsStr,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The storage of a host. It can be sent, as jobs of thread pools need; clones are the same disk.
///
/// ```
/// use trenza_sim::{Disk, DiskOpen, Net};
///
/// /// All of the new content or all of the old, whenever the power fails.
/// fn save(disk: &Disk, content: &[u8]) -> std::io::Result<()> {
///     let root = disk.root();
///     let file = root.open("state.new", DiskOpen::Truncate)?;
///     file.write_all_at(content, 0)?;
///     file.sync()?;
///     root.rename("state.new", &root, "state")?;
///     root.sync()
/// }
///
/// fn run(seed: u64) -> std::io::Result<()> {
///     let net = Net::new(seed);
///     let host = net.host("srv");
///     let disk = host.disk();
///     save(&disk, b"old")?;
///     host.run(|reactor| reactor.in_thread(move || Ok(save(&disk, b"new")?)).then(drop));
///     if seed % 2 == 0 {
///         net.run(); // the job as well
///     }
///     host.crash();
///     let found = host.disk().root().open("state", DiskOpen::Read)?.read_all()?;
///     assert_eq!(found, if seed % 2 == 0 { b"new" } else { b"old" });
///     Ok(())
/// }
///
/// trenza_sim::for_seeds(0..20, |seed| run(seed).unwrap());
/// ```
#[derive(Clone)]
pub struct Disk {
    shared: Arc<Shared>,
    /// At which start of the machine it was asked for.
    boot: u32,
}

/// What clones share.
struct Shared {
    host: String,
    trace: Trace,
    state: Mutex<State>,
    rules: Mutex<Rules>,
}

#[derive(Default)]
struct Rules {
    last: u64,
    rules: Vec<(u64, DiskRule)>,
}

impl Disk {
    /// A disk of no host, for tests without a network. Its clock stands still; [`Disk::crash`] is its loss of power.
    ///
    /// ```
    /// use trenza_sim::{Disk, DiskOpen};
    ///
    /// let disk = Disk::alone(7);
    /// disk.root().open("state", DiskOpen::CreateNew)?;
    /// disk.root().sync()?;
    /// let disk = disk.crash();
    /// assert!(disk.root().open("state", DiskOpen::Read).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn alone(seed: u64) -> Self {
        Self::new("nobody", Dice::new(seed, crate::world::DISKS), Trace::default())
    }

    pub(crate) fn new(host: &str, dice: Dice, trace: Trace) -> Self {
        let state = Mutex::new(State::new(dice, trace.now()));
        let shared = Shared { host: host.to_owned(), trace, state, rules: Mutex::default() };
        Self { shared: Arc::new(shared), boot: 0 }
    }

    /// The folder that everything is in.
    pub fn root(&self) -> Folder {
        Folder::new(self.clone(), ROOT, OsStr::new("/"))
    }

    /// The folder at a path from the root, as in `mail/new`.
    ///
    /// # Errors
    /// `NotFound`, or `NotADirectory` for a file; and those of [`Folder`].
    pub fn folder(&self, path: &str) -> io::Result<Folder> {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(self.root(), |folder, name| folder.folder(name))
    }

    /// Sets how many bytes the files may have in all, from now on. Default [`DISK_CAPACITY`]; what is there already stays.
    pub fn set_capacity(&self, bytes: u64) {
        self.lock().capacity = bytes;
    }

    /// How many bytes the files have, those included that have no name any more and are still open.
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// Installs a rule, which is asked about every call before it does anything. Of several rules the first that does
    /// not say [`DiskFate::Go`] decides. The closure must not use the disk.
    pub fn rule(&self, judge: impl FnMut(&DiskAccess<'_>) -> DiskFate + Send + 'static) -> RuleGuard {
        let mut rules = lock(&self.shared.rules);
        rules.last += 1;
        let id = rules.last;
        rules.rules.push((id, Box::new(judge)));
        let shared = Arc::downgrade(&self.shared);
        RuleGuard::new(move || {
            let Some(shared) = shared.upgrade() else { return };
            let removed: Vec<_> =
                lock(&shared.rules).rules.extract_if(.., |(other, _)| *other == id).collect();
            // What the closure has captured is dropped when nothing is locked.
            drop(removed);
        })
    }

    /// The same disk for the machine that runs now.
    pub(crate) fn current(&self) -> Self {
        Self { boot: self.lock().boot, ..self.clone() }
    }

    /// Its power fails: what is on the medium stays, and some of the rest. Gives the new way in; what was opened before is
    /// of no use afterwards. The disk of a host crashes with it, by [`HostHandle::crash`](crate::HostHandle::crash).
    pub fn crash(&self) -> Self {
        let (kept, of) = self.lock().crash();
        if of > 0 {
            self.note(format_args!("keeps {kept} of {of} unsynced changes"));
        }
        self.current()
    }

    /// Asks the rules; and gives the state, if the call may do what it is for.
    fn enter(&self, verb: DiskVerb, name: &OsStr) -> io::Result<MutexGuard<'_, State>> {
        self.enter_or(verb, name, |_| ())
    }

    /// The same, and runs `fail` if the device fails.
    fn enter_or(
        &self,
        verb: DiskVerb,
        name: &OsStr,
        fail: impl FnOnce(&mut State),
    ) -> io::Result<MutexGuard<'_, State>> {
        let fate = {
            let mut rules = lock(&self.shared.rules);
            let access = DiskAccess { verb, name };
            let mut fates = rules.rules.iter_mut().map(|(_, judge)| judge(&access));
            fates.find(|fate| *fate != DiskFate::Go).unwrap_or(DiskFate::Go)
        };
        let mut state = self.lock();
        let gone = |why| Err(self.error(verb, name, io::ErrorKind::NotConnected, why));
        if state.boot != self.boot {
            return gone("the machine has crashed since");
        }
        if fate == DiskFate::PowerOff && !state.dark {
            state.dark = true;
            self.note(format_args!("loses power before: {verb} {}", name.display()));
        }
        if state.dark {
            return gone("the power has failed");
        }
        match fate {
            DiskFate::Go | DiskFate::PowerOff => Ok(state),
            DiskFate::Full => Err(self.full(verb, name)),
            DiskFate::Fail => {
                fail(&mut state);
                self.note(format_args!("fails to {verb} {}", name.display()));
                Err(self.error(verb, name, io::ErrorKind::Other, "input/output error"))
            }
        }
    }

    fn full(&self, verb: DiskVerb, name: &OsStr) -> io::Error {
        self.error(verb, name, io::ErrorKind::StorageFull, "no space is left on the disk")
    }

    fn error(&self, verb: DiskVerb, name: &OsStr, kind: io::ErrorKind, why: &str) -> io::Error {
        io::Error::new(kind, format!("disk of {}: {verb} {}: {why}", self.shared.host, name.display()))
    }

    fn note(&self, what: fmt::Arguments<'_>) {
        self.shared.trace.note(format_args!("{} disk: {what}", self.shared.host));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }
}

/// A panic of a rule leaves nothing halfway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk").field(&self.shared.host).finish()
    }
}
