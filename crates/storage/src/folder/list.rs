//! [`FolderList`]: the names of a folder of the machine.

use super::root::Root;
use crate::{Entry, FileKind, List, Metadata, Path, Result, TEMPORARY};
use cap_std::fs::{DirEntry, ReadDir};
use std::{os::unix::ffi::OsStrExt as _, path::PathBuf};

/// A folder that is being listed. It holds two descriptors, and a piece of the folder in memory.
#[derive(Debug)]
pub(super) struct FolderList {
    /// What links are followed in.
    root: Root,
    path: PathBuf,
    names: ReadDir,
}

impl FolderList {
    pub(super) fn new(root: Root, path: &Path) -> Result<Self> {
        let names = root.list(path.as_system())?;
        Ok(Self { root, path: path.as_system().to_owned(), names })
    }

    /// What a name stands for; None if it is to be left out.
    fn entry(&self, found: &DirEntry) -> Option<Entry> {
        let name = found.file_name();
        if name.as_bytes().starts_with(TEMPORARY) {
            return None;
        }
        let mut metadata = Metadata::from(&found.metadata().ok()?);
        let is_link = metadata.kind == FileKind::Link;
        if is_link && let Ok(target) = self.root.look(&self.path.join(&name)) {
            metadata = target;
        }
        Some(Entry { name, is_link, metadata })
    }
}

impl List for FolderList {
    fn next(&mut self, most: usize) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while entries.len() < most
            && let Some(found) = self.names.next()
        {
            entries.extend(self.entry(&found?));
        }
        Ok(entries)
    }
}
