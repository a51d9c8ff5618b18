//! [`Folder`]: a folder of the machine as a [`Tree`].

mod list;
mod open;
mod root;
mod sweep;
mod writer;

use crate::{Error, ErrorKind, File, List, Metadata, OpenFolder, Path, Result, Space, Tree, Write, Writer};
use cap_std::{
    ambient_authority,
    fs::{Dir, Permissions, PermissionsExt as _},
};
use list::FolderList;
use open::KeptFolder;
use root::Root;
use rustix::fs::{AtFlags, fstatvfs, linkat, renameat, unlinkat};
use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::FileExt as _},
    path::PathBuf,
    sync::Arc,
    time::SystemTime,
};
use writer::{FolderWriter, rename_new};

/// A folder of the machine. Nothing outside of it is ever read or changed, whatever symbolic links say, and whoever
/// changes them meanwhile: every path is resolved by the kernel below the open folder (`openat2`, or name by name where
/// there is none), and names are changed in the open folder that they are in. Devices, FIFOs and sockets are not opened.
///
/// It is opened by its path for every call, so that one that was replaced, as deploying and building tools do, is
/// served right from then on.
///
/// ```
/// use trenza_storage::{ErrorKind, Folder, Path, Tree, Write};
///
/// # let dir = tempfile::tempdir()?;
/// # let root = dir.path();
/// let folder = Folder::new(root)?;
/// let path = Path::new("notes.txt")?;
/// let mut file = folder.write(&path, Write::Replace)?;
/// file.write(b"all or nothing")?;
/// assert_eq!(folder.open(&path).unwrap_err().kind(), ErrorKind::NotFound);
/// file.commit()?;
/// assert_eq!(folder.metadata(&path)?.size, 14);
///
/// std::os::unix::fs::symlink("/etc/passwd", root.join("out"))?;
/// assert_eq!(folder.open(&Path::new("out")?).unwrap_err().kind(), ErrorKind::Escape);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Folder {
    /// Absolute.
    path: PathBuf,
    outside_symlinks: bool,
}

impl Folder {
    /// The folder at `root`, whose own path may be of symbolic links. Blocks for a moment.
    ///
    /// # Errors
    /// It does not exist, is not a folder, or may not be opened.
    pub fn new(root: impl AsRef<std::path::Path>) -> Result<Self> {
        let folder = Self { path: std::path::absolute(root.as_ref())?, outside_symlinks: false };
        Dir::open_ambient_dir(&folder.path, ambient_authority())?;
        Ok(folder)
    }

    /// Symbolic links may lead out of it for reading: [`open`](Tree::open), [`metadata`](Tree::metadata) and
    /// [`list`](Tree::list). What changes something stays inside all the same. Default: no; then they may lead anywhere
    /// below the root by a relative path.
    #[must_use]
    pub fn with_outside_symlinks(self, allowed: bool) -> Self {
        Self { outside_symlinks: allowed, ..self }
    }

    /// As reading sees it.
    fn root(&self) -> Result<Root> {
        if self.outside_symlinks {
            return Ok(Root::Path(self.path.clone()));
        }
        Ok(Root::Sandbox(self.sandbox()?))
    }

    fn sandbox(&self) -> Result<Dir> {
        Ok(Dir::open_ambient_dir(&self.path, ambient_authority())?)
    }

    /// The open folder that a name is in, and the name.
    fn place<'a>(&self, path: &'a Path) -> Result<(Dir, &'a OsStr)> {
        // What can be done to names cannot be done to the root.
        let name = path.name().ok_or(ErrorKind::Denied)?;
        let folder = path.parent().unwrap_or_default();
        let sandbox = self.sandbox()?;
        let dir = if folder.is_root() { sandbox } else { sandbox.open_dir(folder.as_system())? };
        Ok((dir, OsStr::from_bytes(name)))
    }

    /// A file or folder, open in order to do something to all of it.
    fn handle(&self, path: &Path) -> Result<fs::File> {
        let root = Root::Sandbox(self.sandbox()?);
        if root.look(path.as_system())?.kind == crate::FileKind::Special {
            return Err(ErrorKind::Special.into());
        }
        match root.open(path.as_system()) {
            Ok(file) => Ok(file),
            // Its owner may have kept himself from reading it.
            Err(error) if error.kind() == ErrorKind::Denied => root.open_for_writing(path.as_system()),
            Err(error) => Err(error),
        }
    }
}

impl Tree for Folder {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        let (file, opened) = self.root()?.open_file(path.as_system())?;
        Ok(Arc::new(FolderFile { file: Arc::new(file), opened }))
    }

    fn open_folder<'a>(&'a self, path: &Path) -> Result<Box<dyn OpenFolder + 'a>> {
        Ok(Box::new(KeptFolder::new(self, path)?))
    }

    fn write(&self, path: &Path, how: Write) -> Result<Box<dyn Writer>> {
        if path.is_root() {
            return Err(ErrorKind::IsAFolder.into());
        }
        let (dir, name) = self.place(path)?;
        Ok(Box::new(match how {
            Write::Replace => FolderWriter::whole(dir, name, true)?,
            Write::Create => FolderWriter::whole(dir, name, false)?,
            Write::New => FolderWriter::new(&dir, name)?,
            Write::Append | Write::At(_) => {
                FolderWriter::onto(&Root::Sandbox(self.sandbox()?), path.as_system(), how)?
            }
        }))
    }

    fn metadata(&self, path: &Path) -> Result<Metadata> {
        self.root()?.look(path.as_system())
    }

    fn symlink_metadata(&self, path: &Path) -> Result<Metadata> {
        if path.is_root() {
            return self.metadata(path);
        }
        let (dir, name) = self.place(path)?;
        Ok((&dir.symlink_metadata(name)?).into())
    }

    fn list(&self, path: &Path) -> Result<Box<dyn List>> {
        Ok(Box::new(FolderList::new(self.root()?, path)?))
    }

    fn make_folder(&self, path: &Path) -> Result {
        if path.is_root() {
            return Err(ErrorKind::Exists.into());
        }
        let (dir, name) = self.place(path)?;
        Ok(dir.create_dir(name)?)
    }

    fn remove_file(&self, path: &Path) -> Result {
        let (dir, name) = self.place(path)?;
        match unlinkat(&dir, name, AtFlags::empty()) {
            Ok(()) => Ok(()),
            // POSIX and Linux disagree about the number for a folder.
            Err(errno) => Err(match dir.symlink_metadata(name) {
                Ok(found) if found.is_dir() => Error::new(ErrorKind::IsAFolder, std::io::Error::from(errno)),
                _ => errno.into(),
            }),
        }
    }

    fn remove_folder(&self, path: &Path) -> Result {
        let (dir, name) = self.place(path)?;
        let remove = || unlinkat(&dir, name, AtFlags::REMOVEDIR).map_err(Error::from);
        match remove() {
            Err(error) if error.kind() == ErrorKind::NotEmpty && sweep::only_temporary(&dir, name)? => {
                remove()
            }
            done => done,
        }
    }

    fn rename(&self, from: &Path, to: &Path, replace: bool) -> Result {
        let (from, name) = self.place(from)?;
        let (to, new) = self.place(to)?;
        if replace {
            return Ok(renameat(&from, name, &to, new)?);
        }
        rename_new(&from, name, &to, new)
    }

    fn link(&self, from: &Path, to: &Path) -> Result {
        let (from, name) = self.place(from)?;
        let (to, new) = self.place(to)?;
        let found = from.symlink_metadata(name)?;
        match () {
            () if found.is_dir() => Err(ErrorKind::IsAFolder.into()),
            () if !found.is_file() => Err(ErrorKind::Special.into()),
            () => Ok(linkat(&from, name, &to, new, AtFlags::empty())?),
        }
    }

    fn set_modified(&self, path: &Path, time: SystemTime) -> Result {
        Ok(self.handle(path)?.set_times(fs::FileTimes::new().set_modified(time))?)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result {
        let sandbox = self.sandbox()?;
        let root = Root::Sandbox(sandbox.try_clone()?);
        if root.look(path.as_system())?.kind == crate::FileKind::Special {
            return Err(ErrorKind::Special.into());
        }
        Ok(sandbox.set_permissions(path.as_system(), Permissions::from_mode(mode & 0o777))?)
    }

    fn sync(&self, path: &Path) -> Result {
        Ok(self.handle(path)?.sync_all()?)
    }

    fn space(&self) -> Result<Space> {
        let found = fstatvfs(self.sandbox()?)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }

    fn sweep(&self, before: SystemTime) -> Result<u64> {
        sweep::sweep(&self.sandbox()?, before)
    }
}

/// An open file of a folder.
#[derive(Debug)]
struct FolderFile {
    file: Arc<fs::File>,
    opened: Metadata,
}

impl File for FolderFile {
    fn opened(&self) -> &Metadata {
        &self.opened
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok((&self.file.metadata()?).into())
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> Result<usize> {
        loop {
            match self.file.read_at(into, at) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => return Ok(read?),
            }
        }
    }

    fn system(&self) -> Option<&Arc<fs::File>> {
        Some(&self.file)
    }
}
