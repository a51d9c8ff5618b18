//! [`Mirror`]: whole trees, down and up, over several connections.
//!
//! ```text
//!  level ─▶ list its folders ─▶ compare ─▶ move its files ─▶ the folders in it are the next level
//!              └────── Pool: N clients that take one item after another ──────┘
//! ```

mod compare;
mod down;
mod folder;
mod pool;
mod progress;
mod remove;
mod up;

pub use folder::{Folder, is_local_name};
pub use progress::{Failure, Outcome, Progress};

use crate::{Client, ClientError, Dial, Entry, Glob};
use progress::Report;
use std::{cell::Cell, path::Path, rc::Rc};

/// How trees are mirrored.
///
/// A file is left alone where the copy has its size and is not older; everything else is copied. What goes wrong with one
/// file or folder is noted, and the rest goes on. Symbolic links are passed over, at both ends.
///
/// Names that come from a server are taken for local names only if they are plain: no path, no `..`; and nothing outside
/// the local folder is touched, whatever links are in it.
#[derive(Clone)]
#[must_use]
pub struct Mirror {
    pub(crate) parallel: usize,
    pub(crate) resume: bool,
    pub(crate) delete: bool,
    pub(crate) always: bool,
    pub(crate) exclude: Vec<Glob>,
    pub(crate) limits: MirrorLimits,
    pub(crate) report: Rc<dyn Fn(Progress<'_>)>,
}

/// What a mirror holds and tries at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorLimits {
    /// How deep folders may lie in folders. 64: a link to a parent has no end.
    pub depth: usize,
    /// How many files and folders there may be in all. 10,000,000.
    pub entries: u64,
    /// How often one item is tried when the connection ends meanwhile. 3.
    pub attempts: usize,
    /// How many failures are kept with their errors; all are counted. 1000.
    pub failures: usize,
}

impl Default for MirrorLimits {
    fn default() -> Self {
        Self { depth: 64, entries: 10_000_000, attempts: 3, failures: 1000 }
    }
}

/// The most connections of a mirror.
pub const PARALLEL_MAX: usize = 64;

impl Default for Mirror {
    fn default() -> Self {
        Self {
            parallel: 1,
            resume: false,
            delete: false,
            always: false,
            exclude: Vec::new(),
            limits: MirrorLimits::default(),
            report: Rc::new(|_| {}),
        }
    }
}

impl Mirror {
    /// Over one connection; nothing is deleted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Over so many connections, 1 to [`PARALLEL_MAX`]. Where the server takes fewer, over as many as it takes.
    pub fn parallel(mut self, connections: usize) -> Self {
        self.parallel = connections.clamp(1, PARALLEL_MAX);
        self
    }

    /// Goes on where a former run was cut, within a file. Default: false.
    pub fn resume(mut self, on: bool) -> Self {
        self.resume = on;
        self
    }

    /// Deletes what the copy has and the original has not, except in folders that could not be listed. Default: false.
    pub fn delete(mut self, on: bool) -> Self {
        self.delete = on;
        self
    }

    /// Copies every file, whatever its copy is like. Default: false.
    pub fn always(mut self, on: bool) -> Self {
        self.always = on;
        self
    }

    /// Passes over files and folders whose names match: they are neither copied nor deleted, and a folder that has one in
    /// it stays, too.
    pub fn exclude(mut self, names: Glob) -> Self {
        self.exclude.push(names);
        self
    }

    /// Sets limits.
    pub fn limits(mut self, limits: MirrorLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Has every step told to `report`.
    pub fn on_progress(mut self, report: impl Fn(Progress<'_>) + 'static) -> Self {
        self.report = Rc::new(report);
        self
    }

    /// Copies a folder of a server into a local one.
    ///
    /// # Errors
    /// The server cannot be reached or logged in to; the folder cannot be listed at all. Everything else is in the
    /// outcome.
    ///
    /// # Panics
    /// Outside of a coroutine or callback of a reactor.
    pub async fn download(&self, dial: &Dial, from: &[u8], to: &Folder) -> Result<Outcome, ClientError> {
        down::Down::new(self, dial, to).run(from).await
    }

    /// Copies a local folder into one of a server, which is made if it is not there.
    ///
    /// # Errors
    /// The server cannot be reached or logged in to; the folder can neither be listed nor made. Everything else is in the
    /// outcome.
    ///
    /// # Panics
    /// Outside of a coroutine or callback of a reactor.
    pub async fn upload(&self, dial: &Dial, from: &Folder, to: &[u8]) -> Result<Outcome, ClientError> {
        up::Up::new(self, dial, from).run(to).await
    }

    /// Retrieves one file. It lies beside its place under another name until it is whole.
    ///
    /// # Errors
    /// Those of [`Client::retrieve`]; the file cannot be written; it has another size than `entry` says.
    pub async fn fetch(
        &self,
        client: &mut Client,
        from: &[u8],
        entry: &Entry,
        folder: &Folder,
        to: &Path,
    ) -> Result<u64, ClientError> {
        down::fetch(self, client, from, entry, folder, to).await
    }

    /// Stores one file; `entry` is what the server has under its name already.
    ///
    /// # Errors
    /// Those of [`Client::store_file`]; the file cannot be read.
    pub async fn store(
        &self,
        client: &mut Client,
        folder: &Folder,
        from: &Path,
        to: &[u8],
        entry: Option<&Entry>,
    ) -> Result<u64, ClientError> {
        up::store(self, client, folder, from, to, entry).await
    }

    fn excludes(&self, name: &[u8]) -> bool {
        self.exclude.iter().any(|glob| glob.matches(name))
    }

    fn report(&self) -> Report {
        Report::new(self.report.clone(), self.limits.failures)
    }
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror")
            .field("parallel", &self.parallel)
            .field("resume", &self.resume)
            .field("delete", &self.delete)
            .field("always", &self.always)
            .field("exclude", &self.exclude)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What the folders of one level have in them, all of which is in memory at once: a server may show any number of folders.
struct Listed {
    left: Cell<u64>,
}

impl Listed {
    fn new(max: u64) -> Self {
        Self { left: Cell::new(max) }
    }

    /// Lists a folder, unless those before it had too much in them.
    async fn list(&self, client: &mut Client, path: &[u8]) -> Result<Vec<Entry>, ClientError> {
        if self.left.get() == 0 {
            return Err(ClientError::local(shown(path), "there are too many files"));
        }
        let entries = client.list(Some(path)).await?;
        self.left.set(self.left.get().saturating_sub(entries.len() as u64));
        Ok(entries)
    }
}

/// A path of a server: a name in a folder.
fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match folder {
        b"" | b"." => name.into(),
        folder if folder.ends_with(b"/") => [folder, name].concat(),
        folder => [folder, b"/", name].concat(),
    }
}

/// A path of a server as people read it.
fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
