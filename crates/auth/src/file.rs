//! [`AccountsFile`]: a checker over a file that may change, and [`FileError`].

use crate::{
    Account, Checker, Credentials, Denied, Hashing, Mechanisms, TextError, record::Records, scram::ScramKeys,
};
use std::{
    fmt, fs, io,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use trenza_core::{Deferred, Reactor};

/// The largest file of accounts, in bytes.
pub const FILE_MAX: u64 = 64 << 20;
/// How often the file is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A file that cannot be used, and where it is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Something in it is wrong.
    #[error("{}:{line}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
}

impl FileError {
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }
}

/// Reads accounts from text.
pub(crate) type Parse = fn(&str) -> Result<Records, TextError>;

/// Accounts of a file. When it has changed, it is read again, at the next login that comes a second after the last look;
/// one that is broken is warned of, and what was read before stays. Clones are one, on other loops too.
///
/// ```
/// use trenza_auth::{AccountsFile, Checker, Mechanism};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("htpasswd");
/// std::fs::write(&path, "ann:$2y$05$fMmxPRdiUuWQ7OhNmGPV3.fHRmG1QRkzuJ4QFT3v8rQ1yxK2bV7GK\n")?;
/// let users = AccountsFile::htpasswd(&path)?;
/// assert_eq!(users.mechanisms(), Mechanism::Password.into());
///
/// std::fs::write(&path, "# people\nann:secret\n")?;
/// let error = AccountsFile::htpasswd(&path).unwrap_err().to_string();
/// assert!(error.contains("htpasswd:2: this is a password as it is"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AccountsFile {
    inner: Arc<Inner>,
    hashing: Hashing,
}

struct Inner {
    path: PathBuf,
    parse: Parse,
    state: Mutex<State>,
}

struct State {
    records: Arc<Records>,
    /// What the file looked like when it was read.
    stamp: Option<Stamp>,
    looked: Option<Instant>,
}

/// What changes when a file does.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl AccountsFile {
    /// Accounts of a `users.toml`: see [`users`](crate::users) for what stands in it. This blocks: for when a program
    /// starts.
    ///
    /// # Errors
    /// It cannot be read; something in it is wrong.
    pub fn toml(path: impl AsRef<Path>) -> Result<Self, FileError> {
        Self::open(path.as_ref(), crate::users::parse)
    }

    /// Accounts of a file as Apache's `htpasswd` writes it: a line of `NAME:HASH` for each; empty lines and those that
    /// begin with `#` are left out. Hashes are bcrypt (`htpasswd -B`), argon2 (`$argon2id$...`), `$apr1$`
    /// (`htpasswd -m`) or `{SHA}` (`htpasswd -s`); a password as it is and the system's `crypt` are refused. Accounts
    /// have all rights and the service's root; they can do passwords, not SCRAM. This blocks: for when a program starts.
    ///
    /// # Errors
    /// It cannot be read; a line in it is wrong.
    pub fn htpasswd(path: impl AsRef<Path>) -> Result<Self, FileError> {
        Self::open(path.as_ref(), crate::htpasswd::parse)
    }

    /// Hashes in common with other checkers.
    #[must_use]
    pub fn hashing(self, hashing: Hashing) -> Self {
        Self { hashing, ..self }
    }

    /// The accounts, each with what it can do, in the order of the file.
    pub fn accounts(&self) -> Vec<(Arc<Account>, Mechanisms)> {
        self.records().iter().map(|record| (record.account().clone(), record.mechanisms())).collect()
    }

    /// The account of this name, as the file was when it was last looked at.
    pub fn account(&self, name: &str) -> Option<Arc<Account>> {
        self.records().get(name).map(|record| record.account().clone())
    }

    /// Looks at the file, and reads it again if it has changed. This blocks. Logins see to it themselves.
    pub fn look(&self) {
        self.inner.look();
    }

    /// How many accounts there are.
    pub fn len(&self) -> usize {
        self.records().len()
    }

    /// True when there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn open(path: &Path, parse: Parse) -> Result<Self, FileError> {
        let (records, stamp) = read(path, parse)?;
        let state = Mutex::new(State { records: Arc::new(records), stamp: Some(stamp), looked: None });
        let inner = Arc::new(Inner { path: path.to_owned(), parse, state });
        Ok(Self { inner, hashing: Hashing::default() })
    }

    fn records(&self) -> Arc<Records> {
        self.inner.lock().records.clone()
    }

    /// The accounts as they are now.
    fn fresh(&self, reactor: &Reactor) -> Deferred<Arc<Records>> {
        let now = reactor.now();
        let mut state = self.inner.lock();
        if state.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK_EVERY) {
            return crate::at_once(reactor, Ok(state.records.clone()));
        }
        state.looked = Some(now);
        drop(state);
        let (inner, on) = (self.inner.clone(), reactor.clone());
        reactor.spawn(async move {
            let look = inner.clone();
            // With a pool that is too busy to look, the accounts are as they were.
            let looked = on.in_thread(move || {
                look.look();
                Ok(())
            });
            let _ = looked.await;
            Ok(inner.lock().records.clone())
        })
    }
}

impl Checker for AccountsFile {
    fn check(&self, reactor: &Reactor, credentials: &Arc<Credentials>) -> Deferred<Option<Arc<Account>>> {
        let (fresh, on) = (self.fresh(reactor), reactor.clone());
        let (hashing, credentials) = (self.hashing.clone(), credentials.clone());
        reactor.spawn(async move {
            let records = fresh.await.map_err(|_| Denied::Unavailable)?;
            records.check(&on, &hashing, &credentials).await
        })
    }

    fn mechanisms(&self) -> Mechanisms {
        self.records().mechanisms()
    }

    fn mechanisms_of(&self, name: &str) -> Mechanisms {
        self.records().mechanisms_of(name)
    }

    fn scram_keys(&self, reactor: &Reactor, name: &str) -> Deferred<Option<ScramKeys>> {
        let (fresh, name) = (self.fresh(reactor), name.to_owned());
        reactor.spawn(async move { Ok(fresh.await?.scram_keys(&name)) })
    }
}

impl fmt::Debug for AccountsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountsFile")
            .field("path", &self.inner.path)
            .field("accounts", &self.records().len())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again if it has changed.
    fn look(&self) {
        let stamp = fs::metadata(&self.path).map(|facts| Stamp::of(&facts)).ok();
        let mut state = self.lock();
        if state.stamp == stamp {
            return;
        }
        // Remembered whatever comes, so that a broken file is warned of once.
        state.stamp = stamp;
        drop(state);
        match read(&self.path, self.parse) {
            Ok((records, stamp)) => {
                let mut state = self.lock();
                (state.records, state.stamp) = (Arc::new(records), Some(stamp));
            }
            Err(error) => {
                // What cannot be read now, without a descriptor say, is tried again. Else an account that was removed
                // meanwhile could log in until the next change.
                if matches!(error, FileError::Io { .. }) {
                    self.lock().stamp = None;
                }
                tracing::warn!(%error, "the file of accounts has changed and cannot be used: what was read before stays")
            }
        }
    }
}

impl Stamp {
    fn of(facts: &fs::Metadata) -> Self {
        Self {
            inode: (facts.dev(), facts.ino()),
            size: facts.size(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        }
    }
}

fn read(path: &Path, parse: Parse) -> Result<(Records, Stamp), FileError> {
    let text = read_text(path)?;
    let records = parse(&text.0).map_err(|wrong| wrong.at(path))?;
    Ok((records, Stamp::of(&text.1)))
}

/// Accounts are in files, not in folders, FIFOs or devices.
fn regular(path: &Path, facts: &fs::Metadata) -> Result<(), FileError> {
    let error = match facts {
        facts if facts.is_dir() => io::ErrorKind::IsADirectory.into(),
        facts if facts.is_file() => return Ok(()),
        _ => io::Error::other("it is no file, but a pipe, socket or device"),
    };
    Err(FileError::io(path, error))
}

/// The text of a file, and what the system says of it.
pub(crate) fn read_text(path: &Path) -> Result<(String, fs::Metadata), FileError> {
    let io = |error| FileError::io(path, error);
    // To open a FIFO may take for ever, and a device has effects: so look first, and again at what was opened.
    regular(path, &fs::metadata(path).map_err(io)?)?;
    let file = fs::File::open(path).map_err(io)?;
    let facts = file.metadata().map_err(io)?;
    regular(path, &facts)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(TextError::new(1, "it has more than 64 MiB").at(path));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, facts)),
        Err(error) => {
            let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = 1 + valid.filter(|byte| **byte == b'\n').count();
            Err(TextError::new(line, "it is no text in UTF-8").at(path))
        }
    }
}
