//! A [`Disk`] as what suites know of file systems.

use super::{
    Disk, DiskFile, DiskOpen, DiskVerb, Folder,
    folder::{DiskMetadata, metadata},
    node::{Id, Modified, ROOT, What},
    state::State,
};
use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt as _,
    sync::{Arc, MutexGuard},
    time::SystemTime,
};
use trenza_storage::{
    DEPTH_MAX, Entry, ErrorKind, File, FileId, FileKind, List, Metadata, Path, Result, Space, TEMPORARY,
    Tree, Write, Writer,
};

impl Disk {
    /// What lies at a path. It is no call of its own, so no rule is asked.
    fn find(&self, state: &State, path: &Path) -> Result<Id> {
        if state.boot != self.boot {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        }
        path.names().try_fold(ROOT, |folder, name| {
            let names = state.nodes.folder(folder).ok_or(ErrorKind::NotAFolder)?;
            Ok(*names.get(OsStr::from_bytes(name)).ok_or(ErrorKind::NotFound)?)
        })
    }

    fn folder_at(&self, path: &Path) -> Result<Folder> {
        let state = self.lock();
        let id = self.find(&state, path)?;
        state.nodes.folder(id).ok_or(ErrorKind::NotAFolder)?;
        Ok(Folder::new(self.clone(), id, name_of(path)))
    }

    /// The folder that a name is in, and the name.
    fn place<'a>(&self, path: &'a Path) -> Result<(Folder, &'a OsStr)> {
        let folder = path.parent().ok_or(ErrorKind::Denied)?;
        Ok((self.folder_at(&folder)?, name_of(path)))
    }

    /// Begins a call about what lies at a path.
    fn enter_at(&self, verb: DiskVerb, path: &Path) -> Result<(MutexGuard<'_, State>, Id)> {
        let state = self.enter(verb, name_of(path))?;
        let id = self.find(&state, path)?;
        Ok((state, id))
    }

    fn change_at(&self, verb: DiskVerb, path: &Path, what: impl FnOnce(Id) -> What) -> Result {
        let (mut state, id) = self.enter_at(verb, path)?;
        state.change(what(id), self.shared.trace.now());
        self.note(format_args!("{verb} {}", name_of(path).display()));
        Ok(())
    }
}

/// The last name of a path, for the trace.
fn name_of(path: &Path) -> &OsStr {
    OsStr::from_bytes(path.name().unwrap_or(b"/"))
}

impl Tree for Disk {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        let Some(folder) = path.parent() else { return Err(ErrorKind::IsAFolder.into()) };
        let file = self.folder_at(&folder)?.open(name_of(path), DiskOpen::Read)?;
        let opened = file.metadata()?.into();
        Ok(Arc::new(Opened { file, opened }))
    }

    fn write(&self, path: &Path, how: Write) -> Result<Box<dyn Writer>> {
        let Some(folder) = path.parent() else { return Err(ErrorKind::IsAFolder.into()) };
        let (folder, name) = (self.folder_at(&folder)?, name_of(path));
        let open = |how| folder.open(name, how);
        let (file, at, temporary) = match how {
            Write::Replace | Write::Create => {
                let temporary = self.temporary(folder, path, how == Write::Replace)?;
                (temporary.folder.open(&temporary.name, DiskOpen::Write)?, Some(0), Some(temporary))
            }
            Write::New => (open(DiskOpen::CreateNew)?, Some(0), None),
            Write::Append => (open(DiskOpen::Create)?, None, None),
            Write::At(at) => {
                let file = open(DiskOpen::Write)?;
                if at > file.metadata()?.length {
                    return Err(ErrorKind::Range.into());
                }
                (file, Some(at), None)
            }
        };
        Ok(Box::new(DiskWriter { file, at, written: 0, temporary }))
    }

    fn metadata(&self, path: &Path) -> Result<Metadata> {
        let (state, id) = self.enter_at(DiskVerb::Metadata, path)?;
        Ok(metadata(&state, id).ok_or(ErrorKind::NotFound)?.into())
    }

    fn symlink_metadata(&self, path: &Path) -> Result<Metadata> {
        self.metadata(path)
    }

    fn list(&self, path: &Path) -> Result<Box<dyn List>> {
        let folder = self.folder_at(path)?;
        let names = folder.list()?.into_iter().map(|entry| entry.name).collect();
        Ok(Box::new(DiskList { folder, names }))
    }

    fn make_folder(&self, path: &Path) -> Result {
        if path.is_root() {
            return Err(ErrorKind::Exists.into());
        }
        let (folder, name) = self.place(path)?;
        folder.make_folder(name)?;
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> Result {
        let (folder, name) = self.place(path)?;
        Ok(folder.unlink(name)?)
    }

    fn remove_folder(&self, path: &Path) -> Result {
        let (folder, name) = self.place(path)?;
        let inner = folder.folder(name)?;
        let names = inner.list()?;
        if names.iter().all(|entry| entry.name.as_bytes().starts_with(TEMPORARY)) {
            names.iter().try_for_each(|entry| inner.unlink(&entry.name))?;
        }
        Ok(folder.remove_folder(name)?)
    }

    fn rename(&self, from: &Path, to: &Path, replace: bool) -> Result {
        let ((folder, name), (to, new)) = (self.place(from)?, self.place(to)?);
        Ok(folder.move_to(name, &to, new, replace)?)
    }

    fn link(&self, from: &Path, to: &Path) -> Result {
        let ((folder, name), (to, new)) = (self.place(from)?, self.place(to)?);
        if folder.metadata(name)?.is_folder {
            return Err(ErrorKind::IsAFolder.into());
        }
        Ok(folder.link(name, &to, new)?)
    }

    fn set_modified(&self, path: &Path, time: SystemTime) -> Result {
        self.change_at(DiskVerb::SetModified, path, |id| What::Modified(id, Modified::Set(time)))
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result {
        self.change_at(DiskVerb::SetMode, path, |id| What::Mode(id, mode & 0o777))
    }

    fn sync(&self, path: &Path) -> Result {
        match self.folder_at(path) {
            Ok(folder) => Ok(folder.sync()?),
            Err(error) if error.kind() == ErrorKind::NotAFolder && !path.is_root() => {
                let (folder, name) = self.place(path)?;
                Ok(folder.open(name, DiskOpen::Read)?.sync()?)
            }
            Err(error) => Err(error),
        }
    }

    fn space(&self) -> Result<Space> {
        let state = self.lock();
        Ok(Space { free: state.room(), total: state.capacity })
    }

    fn sweep(&self, before: SystemTime) -> Result<u64> {
        let (mut left, mut removed) = (vec![(0, Folder::new(self.clone(), ROOT, OsStr::new("/")))], 0);
        while let Some((depth, folder)) = left.pop() {
            for entry in folder.list()? {
                if entry.is_folder && depth < DEPTH_MAX {
                    left.extend(folder.folder(&entry.name).map(|inner| (depth + 1, inner)));
                } else if entry.name.as_bytes().starts_with(TEMPORARY)
                    && folder.metadata(&entry.name).is_ok_and(|found| found.modified < before)
                {
                    removed += u64::from(folder.unlink(&entry.name).is_ok());
                }
            }
        }
        Ok(removed)
    }
}

impl Disk {
    /// Makes a file with a temporary name for one that is to be at `path` when it is whole.
    fn temporary(&self, folder: Folder, path: &Path, replace: bool) -> Result<Temporary> {
        let mode = match self.metadata(path) {
            Ok(_) if !replace => return Err(ErrorKind::Exists.into()),
            Ok(found) if found.is_folder() => return Err(ErrorKind::IsAFolder.into()),
            Ok(found) => Some(found.mode),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let name = self.lock().temporary_name();
        folder.open(&name, DiskOpen::CreateNew)?;
        if let Some(mode) = mode {
            let mut state = self.lock();
            if let Some(id) = folder.find(&state, &name) {
                state.change(What::Mode(id, mode), self.shared.trace.now());
            }
        }
        Ok(Temporary { folder, name, to: name_of(path).to_owned(), replace, is_named: false })
    }
}

impl From<DiskMetadata> for Metadata {
    fn from(of: DiskMetadata) -> Self {
        Self {
            kind: if of.is_folder { FileKind::Folder } else { FileKind::File },
            size: of.length,
            modified: of.modified,
            changed: of.changed,
            mode: of.mode,
            links: of.links.into(),
            owner: 0,
            group: 0,
            id: FileId { device: 0, inode: of.id },
        }
    }
}

/// A file that is open for reading.
#[derive(Debug)]
struct Opened {
    file: DiskFile,
    opened: Metadata,
}

impl File for Opened {
    fn opened(&self) -> &Metadata {
        &self.opened
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(self.file.metadata()?.into())
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> Result<usize> {
        Ok(self.file.read_at(into, at)?)
    }
}

/// A file that is being written.
#[derive(Debug)]
struct DiskWriter {
    file: DiskFile,
    /// Where the next bytes go; None: to the end, wherever that is.
    at: Option<u64>,
    written: u64,
    temporary: Option<Temporary>,
}

impl Writer for DiskWriter {
    fn write(&mut self, mut bytes: &[u8]) -> Result {
        while !bytes.is_empty() {
            let count = match &mut self.at {
                Some(at) => {
                    let count = self.file.write_at(bytes, *at)?;
                    *at += count as u64;
                    count
                }
                None => self.file.append(bytes)?,
            };
            self.written += count as u64;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn sync(&mut self) -> Result {
        Ok(self.file.sync()?)
    }

    fn commit(mut self: Box<Self>) -> Result<Metadata> {
        if let Some(temporary) = &mut self.temporary {
            temporary.folder.move_to(&temporary.name, &temporary.folder, &temporary.to, temporary.replace)?;
            temporary.is_named = true;
        }
        Ok(self.file.metadata()?.into())
    }
}

/// A name that a file has until it gets its own. What is dropped before that is removed.
#[derive(Debug)]
struct Temporary {
    folder: Folder,
    name: OsString,
    to: OsString,
    replace: bool,
    /// The file has its own name.
    is_named: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_named {
            // It fails after a crash; then the sweep finds what is left.
            let _ = self.folder.unlink(&self.name);
        }
    }
}

/// A folder that is being listed.
#[derive(Debug)]
struct DiskList {
    folder: Folder,
    names: Vec<OsString>,
}

impl List for DiskList {
    fn next(&mut self, most: usize) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while entries.len() < most
            && let Some(name) = self.names.pop()
        {
            if name.as_bytes().starts_with(TEMPORARY) {
                continue;
            }
            match self.folder.metadata(&name) {
                Ok(found) => entries.push(Entry { name, is_link: false, metadata: found.into() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(entries)
    }
}
