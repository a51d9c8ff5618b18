//! [`KeptFolder`]: a folder of the machine that is kept open.

use super::{
    Folder, FolderFile,
    root::{Root, regular_file},
};
use crate::{ErrorKind, File, OpenFolder, Path, Result, Tree};
use cap_std::fs::Dir;
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, openat, statat},
    io::Errno,
};
use std::{fs, sync::Arc};

/// A folder that is kept open. A name in it that is no link leads nowhere else, so the kernel has nothing to look up but that.
#[derive(Debug)]
pub(super) struct KeptFolder<'a> {
    tree: &'a Folder,
    path: Path,
    dir: Dir,
}

impl<'a> KeptFolder<'a> {
    pub(super) fn new(tree: &'a Folder, path: &Path) -> Result<Self> {
        let dir = match tree.root()? {
            Root::Sandbox(dir) if path.is_root() => dir,
            Root::Sandbox(dir) => dir.open_dir(path.as_system())?,
            Root::Path(root) => {
                Dir::open_ambient_dir(root.join(path.as_system()), cap_std::ambient_authority())?
            }
        };
        Ok(Self { tree, path: path.clone(), dir })
    }
}

impl OpenFolder for KeptFolder<'_> {
    fn open(&self, name: &[u8]) -> Result<Arc<dyn File>> {
        let path = self.path.join(name)?;
        // Opening a device or a FIFO can have effects, so look first.
        match FileType::from_raw_mode(statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink => return self.tree.open(&path),
            FileType::Directory => return Err(ErrorKind::IsAFolder.into()),
            _ => return Err(ErrorKind::Special.into()),
        }
        let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match openat(&self.dir, name, how, Mode::empty()) {
            // It has become one meanwhile.
            Err(Errno::LOOP) => return self.tree.open(&path),
            file => fs::File::from(file?),
        };
        let opened = regular_file(&file)?;
        Ok(Arc::new(FolderFile { file: Arc::new(file), opened }))
    }
}
