//! [`AliasesFile`]: aliases of a file that may change.

use super::Aliases;
use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The largest file of aliases, and the largest list, in bytes.
pub const FILE_MAX: u64 = 16 << 20;

/// A file of aliases that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AliasError {
    /// It cannot be read.
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

/// Aliases of a file, which is read again when it, or a list that it includes, has changed. One that is broken is warned of,
/// and what was read before stays. Clones are one, on other loops too.
#[derive(Clone)]
pub struct AliasesFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    maildirs: PathBuf,
    state: Mutex<State>,
}

struct State {
    aliases: Arc<Aliases>,
    /// What was read, and what it looked like then.
    read: Vec<(PathBuf, Option<Stamp>)>,
}

/// What changes when a file does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let facts = fs::metadata(path).ok()?;
        Some(Self {
            inode: (facts.dev(), facts.ino()),
            size: facts.size(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        })
    }
}

impl AliasesFile {
    /// Reads a file; `maildirs` is the folder that the tree of Maildirs is. Lists lie beside the file, unless their paths
    /// begin with a slash. This blocks: for when a program starts.
    ///
    /// # Errors
    /// It, or a list in it, cannot be read; something in them is wrong.
    pub fn open(path: impl Into<PathBuf>, maildirs: impl Into<PathBuf>) -> Result<Self, AliasError> {
        let (path, maildirs) = (path.into(), maildirs.into());
        let mut read = Vec::new();
        let aliases = Arc::new(parse(&path, &maildirs, &mut read)?);
        Ok(Self(Arc::new(Inner { path, maildirs, state: Mutex::new(State { aliases, read }) })))
    }

    /// The aliases, as they were when the file was last looked at.
    pub fn aliases(&self) -> Arc<Aliases> {
        self.lock().aliases.clone()
    }

    /// Looks at the file and its lists, and reads them again if one has changed. This blocks.
    pub fn look(&self) {
        let before = self.lock().read.clone();
        if before.iter().all(|(path, stamp)| Stamp::of(path) == *stamp) {
            return;
        }
        let mut read = Vec::new();
        let parsed = parse(&self.0.path, &self.0.maildirs, &mut read);
        let mut state = self.lock();
        // Remembered whatever comes, so that a broken file is warned of once.
        state.read = read;
        match parsed {
            Ok(aliases) => state.aliases = Arc::new(aliases),
            Err(error) => {
                tracing::warn!(%error, "the file of aliases has changed and cannot be used: what was read before stays");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the file; `read` gets all that was read for it, also if it is wrong.
fn parse(
    path: &Path,
    maildirs: &Path,
    read: &mut Vec<(PathBuf, Option<Stamp>)>,
) -> Result<Aliases, AliasError> {
    let mut text_of = |path: &Path| {
        // Before it is read: a change meanwhile is found the next time.
        read.push((path.to_owned(), Stamp::of(path)));
        text(path)
    };
    let all = text_of(path).map_err(|error| AliasError::Io { path: path.to_owned(), error })?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut include = |file: &Path| {
        let file = folder.join(file);
        text_of(&file).map_err(|error| format!("{}: {error}", file.display()))
    };
    let parsed = Aliases::parse(&all, maildirs, &mut include);
    parsed.map_err(|wrong| AliasError::Content { path: path.to_owned(), line: wrong.line, what: wrong.what })
}

fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has more than 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

impl fmt::Debug for AliasesFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AliasesFile")
            .field("path", &self.0.path)
            .field("aliases", &self.aliases().len())
            .finish_non_exhaustive()
    }
}
