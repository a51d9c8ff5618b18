//! [`Folder`]: names, and what they stand for.

use super::{
    Disk, DiskVerb,
    file::DiskFile,
    node::{Id, Modified, Name, Node},
    state::State,
};
use crate::world::wall;
use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    os::unix::ffi::OsStrExt as _,
    sync::MutexGuard,
    time::{Duration, SystemTime},
};

/// The most bytes of a name.
pub const DISK_NAME_MAX: usize = 255;

/// How to open a file. All but `Read` are for reading and writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskOpen {
    /// One that is there, for reading only.
    Read,
    /// One that is there.
    Write,
    /// It is made if it is not there (`O_CREAT`).
    Create,
    /// It is made, and it is an error if the name is taken (`O_CREAT | O_EXCL`).
    CreateNew,
    /// It is made, or emptied if it is there (`O_CREAT | O_TRUNC`).
    Truncate,
}

/// A name of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskEntry {
    /// The name.
    pub name: OsString,
    /// It stands for a folder.
    pub is_folder: bool,
}

/// What is known of a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskMetadata {
    /// It is a folder.
    pub is_folder: bool,
    /// In bytes; of a folder 0.
    pub length: u64,
    /// How many names stand for it.
    pub links: u32,
    /// When its bytes or names were changed (`mtime`), on the wall clock of the network.
    pub modified: SystemTime,
    /// When it was changed in any way (`ctime`).
    pub changed: SystemTime,
    /// Who may do what, as in `chmod`. It is kept and not obeyed.
    pub mode: u32,
    /// Tells files apart, also those that have the same name one after the other.
    pub id: u64,
}

/// An open folder of a [`Disk`]. Names are single ones, without `/`; `.` and `..` are none.
///
/// Every method may fail for a name that is none (`InvalidInput`), because a rule says so, because the folder was
/// removed (`NotFound`), and because the machine has crashed since (`NotConnected`). The errors name the host, the
/// call and the name.
#[derive(Clone)]
pub struct Folder {
    disk: Disk,
    id: Id,
    name: OsString,
}

impl Folder {
    pub(super) fn new(disk: Disk, id: Id, name: &OsStr) -> Self {
        Self { disk, id, name: name.to_owned() }
    }

    /// Opens or makes a file.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists`, `IsADirectory`; `StorageFull`: there are [`super::DISK_NODES_MAX`] files and folders.
    pub fn open(&self, name: impl AsRef<OsStr>, how: DiskOpen) -> io::Result<DiskFile> {
        let name = name.as_ref();
        let mut call = self.call(DiskVerb::Open, name)?;
        let found = call.find(self.id, name);
        if found.is_some_and(|id| call.is_folder(id)) && how != DiskOpen::CreateNew {
            return Err(call.error(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        let id = match (found, how) {
            (Some(_), DiskOpen::CreateNew) => return Err(call.exists()),
            (None, DiskOpen::Read | DiskOpen::Write) => return Err(call.missing()),
            (None, _) => {
                let id = call.make(self.id, false)?;
                call.note(format_args!("makes {}", name.display()));
                id
            }
            (Some(id), DiskOpen::Truncate) => {
                call.empty(id);
                call.note(format_args!("empties {}", name.display()));
                id
            }
            (Some(id), _) => id,
        };
        call.state.opened(id);
        Ok(DiskFile::new(self.disk.clone(), id, name, how != DiskOpen::Read))
    }

    /// Opens a folder in it.
    ///
    /// # Errors
    /// `NotFound`; `NotADirectory` for a file.
    pub fn folder(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = name.as_ref();
        let call = self.call(DiskVerb::Open, name)?;
        let id = call.find(self.id, name).ok_or_else(|| call.missing())?;
        if !call.is_folder(id) {
            return Err(call.no_folder());
        }
        Ok(Self::new(self.disk.clone(), id, name))
    }

    /// Makes a folder in it, and opens it.
    ///
    /// # Errors
    /// `AlreadyExists`; `StorageFull`: there are [`super::DISK_NODES_MAX`] files and folders.
    pub fn make_folder(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = name.as_ref();
        let mut call = self.call(DiskVerb::MakeFolder, name)?;
        if call.find(self.id, name).is_some() {
            return Err(call.exists());
        }
        let id = call.make(self.id, true)?;
        call.note(format_args!("makes folder {}", name.display()));
        Ok(Self::new(self.disk.clone(), id, name))
    }

    /// Gives a file or folder another name, here or in another folder of this disk. What had that name is replaced at
    /// once: nobody sees neither of the two. If both are names of one file, nothing happens.
    ///
    /// # Errors
    /// `NotFound`; `IsADirectory` and `NotADirectory`: one is a folder and the other is not; `DirectoryNotEmpty`: the
    /// replaced folder is not; `InvalidInput`: a folder would be inside itself, or the other folder is not of this
    /// disk.
    pub fn rename(&self, name: impl AsRef<OsStr>, to: &Self, new: impl AsRef<OsStr>) -> io::Result<()> {
        self.move_to(name.as_ref(), to, new.as_ref(), true)
    }

    /// The same; unless it may `replace` something, the new name must be free.
    pub(super) fn move_to(&self, name: &OsStr, to: &Self, new: &OsStr, replace: bool) -> io::Result<()> {
        let mut call = self.call(DiskVerb::Rename, name)?;
        call.check(self, to, new)?;
        let id = call.find(self.id, name).ok_or_else(|| call.missing())?;
        let replaced = call.find(to.id, new);
        if replaced.is_some() && !replace {
            return Err(call.exists());
        }
        if replaced == Some(id) {
            return Ok(());
        }
        let is_folder = call.is_folder(id);
        if let Some(replaced) = replaced {
            match (is_folder, call.is_folder(replaced)) {
                (false, true) => {
                    return Err(call.error(io::ErrorKind::IsADirectory, "the new name is a folder"));
                }
                (true, false) => return Err(call.no_folder()),
                (true, true) if !call.is_empty(replaced) => return Err(call.not_empty()),
                _ => {}
            }
        }
        if is_folder && call.is_within(to.id, id) {
            return Err(call.error(io::ErrorKind::InvalidInput, "a folder cannot be inside itself"));
        }
        let from = Name { folder: self.id, name: name.to_owned(), to: None };
        let to = Name { folder: to.id, name: new.to_owned(), to: Some(id) };
        call.name(vec![from, to]);
        call.note(format_args!("renames {} to {}", name.display(), new.display()));
        Ok(())
    }

    /// Gives a file one more name, here or in another folder of this disk.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists`; `PermissionDenied` for a folder; `InvalidInput`: the other folder is not of this
    /// disk.
    pub fn link(&self, name: impl AsRef<OsStr>, to: &Self, new: impl AsRef<OsStr>) -> io::Result<()> {
        let (name, new) = (name.as_ref(), new.as_ref());
        let mut call = self.call(DiskVerb::Link, name)?;
        call.check(self, to, new)?;
        let id = call.find(self.id, name).ok_or_else(|| call.missing())?;
        if call.is_folder(id) {
            return Err(call.error(io::ErrorKind::PermissionDenied, "a folder has one name"));
        }
        if call.find(to.id, new).is_some() {
            return Err(call.exists());
        }
        call.name(vec![Name { folder: to.id, name: new.to_owned(), to: Some(id) }]);
        call.note(format_args!("links {} to {}", name.display(), new.display()));
        Ok(())
    }

    /// Takes a name from a file. The file is gone when it has no other and nobody has it open.
    ///
    /// # Errors
    /// `NotFound`; `IsADirectory` for a folder.
    pub fn unlink(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let name = name.as_ref();
        let mut call = self.call(DiskVerb::Unlink, name)?;
        let id = call.find(self.id, name).ok_or_else(|| call.missing())?;
        if call.is_folder(id) {
            return Err(call.error(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        call.name(vec![Name { folder: self.id, name: name.to_owned(), to: None }]);
        call.note(format_args!("unlinks {}", name.display()));
        Ok(())
    }

    /// Removes a folder.
    ///
    /// # Errors
    /// `NotFound`; `NotADirectory` for a file; `DirectoryNotEmpty`.
    pub fn remove_folder(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let name = name.as_ref();
        let mut call = self.call(DiskVerb::RemoveFolder, name)?;
        let id = call.find(self.id, name).ok_or_else(|| call.missing())?;
        if !call.is_folder(id) {
            return Err(call.no_folder());
        }
        if !call.is_empty(id) {
            return Err(call.not_empty());
        }
        call.name(vec![Name { folder: self.id, name: name.to_owned(), to: None }]);
        call.note(format_args!("removes folder {}", name.display()));
        Ok(())
    }

    /// All names, in any order, as the seed chooses.
    ///
    /// # Errors
    /// Those of every method.
    pub fn list(&self) -> io::Result<Vec<DiskEntry>> {
        let mut call = self.own_call(DiskVerb::List)?;
        let names = call.state.nodes.folder(self.id).into_iter().flatten();
        let entry =
            |(name, id): (&OsString, &Id)| DiskEntry { name: name.clone(), is_folder: call.is_folder(*id) };
        let mut entries: Vec<DiskEntry> = names.map(entry).collect();
        call.state.dice.shuffle(&mut entries);
        Ok(entries)
    }

    /// What is known of a file or folder in it.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn metadata(&self, name: impl AsRef<OsStr>) -> io::Result<DiskMetadata> {
        let name = name.as_ref();
        let call = self.call(DiskVerb::Metadata, name)?;
        let id = call.find(self.id, name).ok_or_else(|| call.missing())?;
        metadata(&call.state, id).ok_or_else(|| call.missing())
    }

    /// Brings what was done to the names in it to the medium.
    ///
    /// # Errors
    /// A rule says so; the changes are not synced then.
    pub fn sync(&self) -> io::Result<()> {
        let mut call = self.own_call(DiskVerb::SyncFolder)?;
        call.state.sync_folder(self.id);
        call.note(format_args!("syncs folder {}", self.name.display()));
        Ok(())
    }

    pub(super) fn find(&self, state: &State, name: &OsStr) -> Option<Id> {
        state.nodes.folder(self.id)?.get(name).copied()
    }

    /// Begins a call about a name in it.
    fn call<'a>(&'a self, verb: DiskVerb, name: &'a OsStr) -> io::Result<Call<'a>> {
        let call = Call { disk: &self.disk, verb, name, state: self.disk.enter(verb, name)? };
        call.check_name(name)?;
        call.check_folder(self.id)?;
        Ok(call)
    }

    /// Begins a call about itself.
    fn own_call(&self, verb: DiskVerb) -> io::Result<Call<'_>> {
        let name = self.name.as_os_str();
        let call = Call { disk: &self.disk, verb, name, state: self.disk.enter(verb, name)? };
        call.check_folder(self.id)?;
        Ok(call)
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Folder").field(&self.disk.shared.host).field(&self.name).finish()
    }
}

pub(super) fn metadata(state: &State, id: Id) -> Option<DiskMetadata> {
    let node: &Node = state.nodes.0.get(&id)?;
    let modified = match node.modified {
        Modified::At(time) => wall(time),
        Modified::Set(time) => time,
    };
    Some(DiskMetadata {
        is_folder: node.is_folder(),
        length: state.nodes.file(id).map_or(0, |bytes| bytes.len() as u64),
        links: state.nodes.links(id),
        modified,
        changed: wall(node.changed),
        mode: node.mode,
        id,
    })
}

/// A call that is being answered.
struct Call<'a> {
    disk: &'a Disk,
    verb: DiskVerb,
    name: &'a OsStr,
    state: MutexGuard<'a, State>,
}

impl Call<'_> {
    fn find(&self, folder: Id, name: &OsStr) -> Option<Id> {
        self.state.nodes.folder(folder)?.get(name).copied()
    }

    fn is_folder(&self, id: Id) -> bool {
        self.state.nodes.folder(id).is_some()
    }

    fn is_empty(&self, id: Id) -> bool {
        self.state.nodes.folder(id).is_none_or(|names| names.is_empty())
    }

    /// Is a folder in another one, at any depth, or the same?
    fn is_within(&self, inner: Id, outer: Id) -> bool {
        let mut left = vec![outer];
        while let Some(id) = left.pop() {
            if id == inner {
                return true;
            }
            left.extend(self.state.nodes.folder(id).into_iter().flat_map(|names| names.values().copied()));
        }
        false
    }

    /// Makes a file or folder, and gives it the name that the call is about.
    fn make(&mut self, folder: Id, is_folder: bool) -> io::Result<Id> {
        let now = self.now();
        let id = self.state.make(is_folder, now).ok_or_else(|| self.disk.full(self.verb, self.name))?;
        self.name(vec![Name { folder, name: self.name.to_owned(), to: Some(id) }]);
        Ok(id)
    }

    fn empty(&mut self, id: Id) {
        let now = self.now();
        self.state.change(super::node::What::Length(id, 0), now);
    }

    fn name(&mut self, names: Vec<Name>) {
        let now = self.now();
        self.state.name(names, now);
    }

    fn now(&self) -> Duration {
        self.disk.shared.trace.now()
    }

    fn note(&self, what: fmt::Arguments<'_>) {
        self.disk.note(what);
    }

    fn check_name(&self, name: &OsStr) -> io::Result<()> {
        let why = match name.as_bytes() {
            b"" | b"." | b".." => "this is not a name",
            bytes if bytes.iter().any(|byte| matches!(byte, b'/' | 0)) => "a name has no / and no NUL",
            _ if name.len() > DISK_NAME_MAX => "the name is too long",
            _ => return Ok(()),
        };
        Err(self.error(io::ErrorKind::InvalidInput, why))
    }

    fn check_folder(&self, id: Id) -> io::Result<()> {
        if self.is_folder(id) {
            return Ok(());
        }
        Err(self.error(io::ErrorKind::NotFound, "its folder was removed"))
    }

    /// Checks where a name goes to.
    fn check(&self, from: &Folder, to: &Folder, new: &OsStr) -> io::Result<()> {
        let same = std::sync::Arc::ptr_eq(&from.disk.shared, &to.disk.shared);
        if !same || from.disk.boot != to.disk.boot {
            return Err(self.error(io::ErrorKind::InvalidInput, "the other folder is not of this disk"));
        }
        self.check_name(new)?;
        self.check_folder(to.id)
    }

    fn error(&self, kind: io::ErrorKind, why: &str) -> io::Error {
        self.disk.error(self.verb, self.name, kind, why)
    }

    fn missing(&self) -> io::Error {
        self.error(io::ErrorKind::NotFound, "there is no such file or folder")
    }

    fn exists(&self) -> io::Error {
        self.error(io::ErrorKind::AlreadyExists, "the name is taken")
    }

    fn no_folder(&self) -> io::Error {
        self.error(io::ErrorKind::NotADirectory, "it is not a folder")
    }

    fn not_empty(&self) -> io::Error {
        self.error(io::ErrorKind::DirectoryNotEmpty, "the folder is not empty")
    }
}
