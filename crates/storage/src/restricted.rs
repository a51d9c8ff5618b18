//! [`Restricted`]: a tree that allows less.

use crate::{ErrorKind, File, List, Metadata, OpenFolder, Path, Result, Space, Tree, Write, Writer};
use std::{sync::Arc, time::SystemTime};

/// What a [`Restricted`] tree lets its users do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allow {
    /// Read files.
    pub read: bool,
    /// Replace files that are there, and write into them.
    pub write: bool,
    /// Make files and links, append to files.
    pub add: bool,
    /// Remove files and folders. To rename takes this and `add`.
    pub delete: bool,
    /// See names, sizes and times.
    pub list: bool,
    /// Make folders.
    pub make: bool,
    /// Set times and modes.
    pub touch: bool,
}

impl Allow {
    /// Everything.
    pub const ALL: Self =
        Self { read: true, write: true, add: true, delete: true, list: true, make: true, touch: true };
    /// Nothing.
    pub const NONE: Self =
        Self { read: false, write: false, add: false, delete: false, list: false, make: false, touch: false };
    /// To look and to read.
    pub const READ: Self = Self { read: true, list: true, ..Self::NONE };
}

/// A tree of which only some may be done; the rest is [`Denied`](ErrorKind::Denied). Bringing things to the medium, asking
/// for room and sweeping are always allowed.
///
/// ```
/// use std::sync::Arc;
/// use trenza_storage::{Allow, ErrorKind, Path, Restricted, Tree, Write};
///
/// let disk = Arc::new(trenza_sim::Disk::alone(1));
/// // A letter box: put in what you like, and look at nothing.
/// let tree = Restricted::new(disk, Allow { add: true, ..Allow::NONE });
/// let letter = Path::new("letter")?;
/// tree.write(&letter, Write::Replace)?.commit()?;
/// assert_eq!(tree.open(&letter).unwrap_err().kind(), ErrorKind::Denied);
/// assert_eq!(tree.write(&letter, Write::Replace).unwrap_err().kind(), ErrorKind::Denied);
/// # Ok::<(), trenza_storage::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Restricted {
    tree: Arc<dyn Tree>,
    allow: Allow,
}

impl Restricted {
    /// Allows so much of a tree.
    pub fn new(tree: Arc<dyn Tree>, allow: Allow) -> Self {
        Self { tree, allow }
    }

    /// True when a name is taken. Only asked for who may not do both: make files and replace them.
    fn is_taken(&self, path: &Path) -> Result<bool> {
        match self.tree.symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn check(allowed: bool) -> Result {
    if allowed { Ok(()) } else { Err(ErrorKind::Denied.into()) }
}

impl Tree for Restricted {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        check(self.allow.read)?;
        self.tree.open(path)
    }

    fn open_folder<'a>(&'a self, path: &Path) -> Result<Box<dyn OpenFolder + 'a>> {
        check(self.allow.read)?;
        self.tree.open_folder(path)
    }

    fn write(&self, path: &Path, how: Write) -> Result<Box<dyn Writer>> {
        let Allow { write, add, .. } = self.allow;
        let how = match how {
            Write::Create | Write::New | Write::Append => {
                check(add)?;
                how
            }
            Write::At(_) => {
                check(write)?;
                how
            }
            Write::Replace if write && add => how,
            Write::Replace => {
                check(if self.is_taken(path)? { write } else { add })?;
                // What comes there in between is not replaced by who may not.
                if write { how } else { Write::Create }
            }
        };
        self.tree.write(path, how)
    }

    fn metadata(&self, path: &Path) -> Result<Metadata> {
        check(self.allow.list || self.allow.read)?;
        self.tree.metadata(path)
    }

    fn symlink_metadata(&self, path: &Path) -> Result<Metadata> {
        check(self.allow.list || self.allow.read)?;
        self.tree.symlink_metadata(path)
    }

    fn list(&self, path: &Path) -> Result<Box<dyn List>> {
        check(self.allow.list)?;
        self.tree.list(path)
    }

    fn make_folder(&self, path: &Path) -> Result {
        check(self.allow.make)?;
        self.tree.make_folder(path)
    }

    fn remove_file(&self, path: &Path) -> Result {
        check(self.allow.delete)?;
        self.tree.remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> Result {
        check(self.allow.delete)?;
        self.tree.remove_folder(path)
    }

    fn rename(&self, from: &Path, to: &Path, replace: bool) -> Result {
        check(self.allow.delete && self.allow.add)?;
        if replace && !self.allow.write {
            check(!self.is_taken(to)?)?;
        }
        self.tree.rename(from, to, replace && self.allow.write)
    }

    fn link(&self, from: &Path, to: &Path) -> Result {
        check(self.allow.add)?;
        self.tree.link(from, to)
    }

    fn set_modified(&self, path: &Path, time: SystemTime) -> Result {
        check(self.allow.touch)?;
        self.tree.set_modified(path, time)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result {
        check(self.allow.touch)?;
        self.tree.set_mode(path, mode)
    }

    fn sync(&self, path: &Path) -> Result {
        self.tree.sync(path)
    }

    fn space(&self) -> Result<Space> {
        self.tree.space()
    }

    fn sweep(&self, before: SystemTime) -> Result<u64> {
        self.tree.sweep(before)
    }
}
