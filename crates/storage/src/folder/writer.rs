//! [`FolderWriter`]: a file of the machine that is being written.

use super::root::{NONBLOCK, Root, regular};
use crate::{Error, ErrorKind, Metadata, Result, TEMPORARY, Write, Writer};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use rustix::{
    fs::{AtFlags, linkat, renameat, unlinkat},
    io::Errno,
};
use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::{ffi::OsStringExt as _, fs::PermissionsExt as _},
    path::Path,
};

/// How often another temporary name is tried, should one be taken: they are random numbers of 64 bits.
const NAMES_MAX: usize = 8;

/// A file that is being written.
#[derive(Debug)]
pub(super) struct FolderWriter {
    file: fs::File,
    written: u64,
    /// The name that it has until the commit, and what it gets then.
    temporary: Option<Temporary>,
}

impl FolderWriter {
    /// A file that gets this name when it is whole.
    pub(super) fn whole(dir: Dir, name: &OsStr, replace: bool) -> Result<Self> {
        let found = match dir.symlink_metadata(name) {
            Ok(found) => Some(Metadata::from(&found)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let mut mode = None;
        match &found {
            Some(_) if !replace => return Err(ErrorKind::Exists.into()),
            // It is the link that is replaced.
            Some(found) if found.kind == crate::FileKind::Link => {}
            Some(found) => {
                regular(found)?;
                mode = Some(found.mode & 0o777);
            }
            None => {}
        }
        let (file, temporary) = Temporary::make(dir, name, replace, mode)?;
        if let Some(mode) = mode {
            file.set_permissions(fs::Permissions::from_mode(mode))?;
        }
        Ok(Self { file, written: 0, temporary: Some(temporary) })
    }

    /// A file that has its name at once.
    pub(super) fn new(dir: &Dir, name: &OsStr) -> Result<Self> {
        let file = dir.open_with(name, OpenOptions::new().write(true).create_new(true))?.into_std();
        Ok(Self { file, written: 0, temporary: None })
    }

    /// A file that is there, or for appending may be.
    pub(super) fn onto(root: &Root, path: &Path, how: Write) -> Result<Self> {
        // Opening a device or a FIFO can have effects, so look first.
        match root.look(path) {
            Ok(found) => regular(&found)?,
            Err(error) if error.kind() == ErrorKind::NotFound && how == Write::Append => {}
            Err(error) => return Err(error),
        }
        let mut file = match (root, how) {
            (Root::Sandbox(dir), Write::Append) => {
                let mut options = OpenOptions::new();
                options.append(true).create(true).custom_flags(NONBLOCK);
                dir.open_with(path, &options)?.into_std()
            }
            _ => root.open_for_writing(path)?,
        };
        let opened = (&file.metadata()?).into();
        regular(&opened)?;
        if let Write::At(at) = how {
            if at > opened.size {
                return Err(ErrorKind::Range.into());
            }
            file.seek(SeekFrom::Start(at))?;
        }
        Ok(Self { file, written: 0, temporary: None })
    }
}

impl Writer for FolderWriter {
    fn write(&mut self, mut bytes: &[u8]) -> Result {
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(ErrorKind::Io.into()),
                Ok(count) => {
                    self.written += count as u64;
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn sync(&mut self) -> Result {
        Ok(self.file.sync_all()?)
    }

    fn commit(mut self: Box<Self>) -> Result<Metadata> {
        if let Some(temporary) = &mut self.temporary {
            temporary.commit()?;
        }
        Ok((&self.file.metadata()?).into())
    }
}

/// A name that a file has until it gets its own. What is dropped before that is removed.
#[derive(Debug)]
struct Temporary {
    dir: Dir,
    /// None: the file has its own name.
    temporary: Option<OsString>,
    name: OsString,
    replace: bool,
}

impl Temporary {
    /// One that is to take the place of what only some may read may never be read by others: whoever has it open keeps it.
    fn make(dir: Dir, name: &OsStr, replace: bool, mode: Option<u32>) -> Result<(fs::File, Self)> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode.unwrap_or(0o666));
        for _ in 0..NAMES_MAX {
            let temporary = random_name()?;
            match dir.open_with(&temporary, &options) {
                Ok(file) => {
                    let temporary = Self { dir, temporary: Some(temporary), name: name.to_owned(), replace };
                    return Ok((file.into_std(), temporary));
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ErrorKind::Exists.into())
    }

    fn commit(&mut self) -> Result {
        let Some(temporary) = &self.temporary else { return Ok(()) };
        if self.replace {
            renameat(&self.dir, temporary, &self.dir, &self.name)?;
        } else {
            rename_new(&self.dir, temporary, &self.dir, &self.name)?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary
            && let Err(error) = unlinkat(&self.dir, temporary, AtFlags::empty())
        {
            tracing::warn!(%error, name = %self.name.display(), "cannot remove a temporary file");
        }
    }
}

/// A name that begins with [`TEMPORARY`].
fn random_name() -> Result<OsString> {
    let random = random()?;
    let mut name = TEMPORARY.to_vec();
    name.extend(format!("{:016x}", u64::from_ne_bytes(random)).bytes());
    Ok(OsString::from_vec(name))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn random() -> Result<[u8; 8]> {
    let mut random = [0; 8];
    // So few bytes come all at once.
    match rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())? {
        8 => Ok(random),
        _ => Err(ErrorKind::Io.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn random() -> Result<[u8; 8]> {
    use std::io::Read as _;
    let mut random = [0; 8];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random)
}

/// Renames without replacing anything.
pub(super) fn rename_new(from: &Dir, name: &OsStr, to: &Dir, new: &OsStr) -> Result {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    match rustix::fs::renameat_with(from, name, to, new, rustix::fs::RenameFlags::NOREPLACE) {
        // Not every file system can. A folder that would be inside itself is told below as well.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        done => return Ok(done?),
    }
    if !from.symlink_metadata(name)?.is_dir() {
        linkat(from, name, to, new, AtFlags::empty())?;
        return Ok(unlinkat(from, name, AtFlags::empty())?);
    }
    // Folders have one name. What could come in between is an empty folder, which nobody misses.
    match to.symlink_metadata(new) {
        Ok(_) => Err(Error::from(Errno::EXIST)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(renameat(from, name, to, new)?),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    #[test]
    fn what_takes_the_place_of_a_secret_is_one_from_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let (file, temporary) = Temporary::make(dir, OsStr::new("key"), true, Some(0o600)).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0);
        drop(temporary);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
