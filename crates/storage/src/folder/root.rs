//! [`Root`]: an open folder that paths are resolved in.

use crate::{ErrorKind, FileKind, Metadata, Result};
use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions, OpenOptionsExt as _, ReadDir},
};
use rustix::fs::{OFlags, fcntl_setfl};
use std::{
    fs,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Opening without waiting: a FIFO may have come in the place of a file that was looked at.
pub(super) const NONBLOCK: i32 = OFlags::NONBLOCK.bits() as i32;

/// An open folder.
#[derive(Debug)]
pub(super) enum Root {
    /// Opens only what is below it, whatever symbolic links say.
    Sandbox(Dir),
    /// Links may lead out of it.
    Path(PathBuf),
}

impl Root {
    /// What lies at a path, links followed.
    pub(super) fn look(&self, path: &Path) -> Result<Metadata> {
        Ok(match self {
            Self::Sandbox(dir) => (&dir.metadata(path)?).into(),
            Self::Path(root) => (&fs::metadata(root.join(path))?).into(),
        })
    }

    /// Opens anything for reading, without waiting. Who is not sure that it is a file or folder looks first.
    pub(super) fn open(&self, path: &Path) -> Result<fs::File> {
        Ok(match self {
            Self::Sandbox(dir) => {
                dir.open_with(path, OpenOptions::new().read(true).custom_flags(NONBLOCK))?.into_std()
            }
            Self::Path(root) => {
                fs::OpenOptions::new().read(true).custom_flags(NONBLOCK).open(root.join(path))?
            }
        })
    }

    /// Opens a file for writing, without waiting. Always in the sandbox.
    pub(super) fn open_for_writing(&self, path: &Path) -> Result<fs::File> {
        match self {
            Self::Sandbox(dir) => {
                Ok(dir.open_with(path, OpenOptions::new().write(true).custom_flags(NONBLOCK))?.into_std())
            }
            Self::Path(_) => Err(ErrorKind::Denied.into()),
        }
    }

    /// Opens a regular file for reading.
    pub(super) fn open_file(&self, path: &Path) -> Result<(fs::File, Metadata)> {
        // Opening a device or a FIFO can have effects, so look first.
        regular(&self.look(path)?)?;
        let file = self.open(path)?;
        let opened = regular_file(&file)?;
        Ok((file, opened))
    }

    pub(super) fn list(&self, path: &Path) -> Result<ReadDir> {
        Ok(match self {
            Self::Sandbox(dir) => dir.read_dir(path)?,
            Self::Path(root) => Dir::open_ambient_dir(root.join(path), ambient_authority())?.entries()?,
        })
    }
}

/// Is it a regular file?
pub(super) fn regular(found: &Metadata) -> Result {
    match found.kind {
        FileKind::File => Ok(()),
        FileKind::Folder => Err(ErrorKind::IsAFolder.into()),
        FileKind::Link | FileKind::Special => Err(ErrorKind::Special.into()),
    }
}

/// Is what was opened without waiting a regular file? It waits from then on: who uses it later may take the flag at its
/// word, as io_uring does on some file systems.
pub(super) fn regular_file(file: &fs::File) -> Result<Metadata> {
    let opened = (&file.metadata()?).into();
    regular(&opened)?;
    fcntl_setfl(file, OFlags::empty())?;
    Ok(opened)
}
