//! [`DiskFile`]: an open file.

use super::{
    Disk, DiskVerb,
    folder::{DiskMetadata, metadata},
    node::{Id, Modified, What},
    state::State,
};
use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    sync::MutexGuard,
    time::SystemTime,
};

/// An open file of a [`Disk`]. It stays what it is when it is renamed or unlinked; dropping it closes it.
///
/// Every method may fail because a rule says so, and because the machine has crashed since (`NotConnected`). The
/// errors name the host, the call and the name under which it was opened.
pub struct DiskFile {
    disk: Disk,
    id: Id,
    name: OsString,
    writable: bool,
}

impl DiskFile {
    pub(super) fn new(disk: Disk, id: Id, name: &OsStr, writable: bool) -> Self {
        Self { disk, id, name: name.to_owned(), writable }
    }

    /// Reads from a place on, up to the end of the file or of `into`; how many bytes.
    ///
    /// # Errors
    /// Those of every method.
    pub fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.disk.enter(DiskVerb::Read, &self.name)?;
        let file = state.nodes.file(self.id).map(Vec::as_slice).unwrap_or_default();
        let from = usize::try_from(at).ok().and_then(|at| file.get(at..)).unwrap_or_default();
        let count = from.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..count), from.get(..count)) {
            into.copy_from_slice(from);
        }
        Ok(count)
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// Those of every method.
    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        let state = self.disk.enter(DiskVerb::Read, &self.name)?;
        Ok(state.nodes.file(self.id).cloned().unwrap_or_default())
    }

    /// Writes at a place, also beyond the end: what is between are zeros. How many bytes: fewer than given when the
    /// disk gets full, as POSIX has it.
    ///
    /// # Errors
    /// `StorageFull`: not one byte fits. `PermissionDenied`: it was opened for reading.
    pub fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.write(bytes, |_| at)
    }

    /// Writes all bytes at a place.
    ///
    /// # Errors
    /// `StorageFull`: not all of it fits; what does was written. `PermissionDenied`: it was opened for reading.
    pub fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            done += self.write_at(rest, at + done as u64)?;
        }
        Ok(())
    }

    /// Writes at the end (`O_APPEND`): nobody else's bytes come between. How many bytes, as [`DiskFile::write_at`] says.
    ///
    /// # Errors
    /// Those of [`DiskFile::write_at`].
    pub fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes, |length| length)
    }

    /// Cuts it to so many bytes, or lengthens it by zeros.
    ///
    /// # Errors
    /// `StorageFull`; `PermissionDenied`: it was opened for reading.
    pub fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.begin(DiskVerb::SetLength)?;
        if length.saturating_sub(self.length(&state)) > state.room() {
            return Err(self.disk.full(DiskVerb::SetLength, &self.name));
        }
        self.change(&mut state, What::Length(self.id, length));
        self.disk.note(format_args!("sets the length of {} to {length}", self.name.display()));
        Ok(())
    }

    /// Sets the time of its last change, as archives and mirrors do (`futimens`). The next write sets it again.
    ///
    /// # Errors
    /// `PermissionDenied`: it was opened for reading.
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        let mut state = self.begin(DiskVerb::SetModified)?;
        self.change(&mut state, What::Modified(self.id, Modified::Set(time)));
        self.disk.note(format_args!("sets the time of {}", self.name.display()));
        Ok(())
    }

    /// What is known of it.
    ///
    /// # Errors
    /// Those of every method.
    pub fn metadata(&self) -> io::Result<DiskMetadata> {
        let state = self.disk.enter(DiskVerb::Metadata, &self.name)?;
        metadata(&state, self.id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Brings its bytes, length and times to the medium, not its name: for that see
    /// [`Folder::sync`](super::Folder::sync).
    ///
    /// # Errors
    /// A rule says that the device fails: some of the pages are written, and the others never will be, although a
    /// second `sync` succeeds.
    pub fn sync(&self) -> io::Result<()> {
        let fail = |state: &mut State| state.medium.sync_file_badly(self.id, &mut state.dice);
        let mut state = self.disk.enter_or(DiskVerb::SyncFile, &self.name, fail)?;
        state.medium.sync_file(self.id);
        self.disk.note(format_args!("syncs {}", self.name.display()));
        Ok(())
    }

    fn write(&self, bytes: &[u8], at: impl FnOnce(u64) -> u64) -> io::Result<usize> {
        let mut state = self.begin(DiskVerb::Write)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let length = self.length(&state);
        let at = at(length);
        // What lies before the end takes no more room.
        let most = (length + state.room()).saturating_sub(at).min(bytes.len() as u64);
        let fits = bytes.get(..most as usize).filter(|fits| !fits.is_empty());
        let fits = fits.ok_or_else(|| self.disk.full(DiskVerb::Write, &self.name))?;
        self.change(&mut state, What::Bytes(self.id, at, fits.to_vec()));
        self.disk.note(format_args!("writes {} bytes at {at} of {}", fits.len(), self.name.display()));
        Ok(fits.len())
    }

    fn begin(&self, verb: DiskVerb) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.enter(verb, &self.name)?;
        if self.writable {
            return Ok(state);
        }
        let why = "it was opened for reading";
        Err(self.disk.error(verb, &self.name, io::ErrorKind::PermissionDenied, why))
    }

    fn length(&self, state: &State) -> u64 {
        state.nodes.file(self.id).map_or(0, |bytes| bytes.len() as u64)
    }

    fn change(&self, state: &mut State, what: What) {
        state.change(what, self.disk.shared.trace.now());
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        if state.boot == self.disk.boot {
            state.closed(self.id);
        }
    }
}

impl fmt::Debug for DiskFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DiskFile").field(&self.disk.shared.host).field(&self.name).finish()
    }
}
