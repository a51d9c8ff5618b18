//! [`Quota`]: a tree that holds only so much.

use crate::{
    ErrorKind, File, FileId, List, Metadata, OpenFolder, Path, Result, Space, Tree, Write, Writer, walk,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

/// How much a tree may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Bytes of all files. Default: no limit.
    pub bytes: u64,
    /// Files, links and folders, the root not counted. Default: a million.
    pub files: u64,
}

impl Default for QuotaLimits {
    fn default() -> Self {
        Self { bytes: u64::MAX, files: 1_000_000 }
    }
}

/// How much a tree holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Bytes of all files.
    pub bytes: u64,
    /// Files, links and folders.
    pub files: u64,
}

/// A tree that holds only so much, whoever writes at the same time: what would be more is refused as
/// [`ErrorKind::Quota`], before it is written.
///
/// It is counted once, at the start, and kept up to date by what is done through this value: all users of the tree have to
/// share it (by an [`Arc`]). A file counts once for each of its names, what it grows by too; while somebody writes into it
/// where it is, it gets no further name ([`ErrorKind::Busy`]). What is being written counts at once, and gives
/// its room back if it is given up; so a file that takes the place of another needs room for both until then. Who
/// writes into a file by several writers, or removes it while one writes, may be counted too high until the next start,
/// never too low. [`Restricted`](crate::Restricted) goes around it, not into it, since it looks at what it counts.
///
/// ```
/// use std::sync::Arc;
/// use trenza_storage::{ErrorKind, Path, Quota, QuotaLimits, Tree, Write};
///
/// let disk = Arc::new(trenza_sim::Disk::alone(1));
/// let tree = Quota::new(disk, QuotaLimits { bytes: 10, ..QuotaLimits::default() })?;
/// let mut file = tree.write(&Path::new("a")?, Write::Create)?;
/// file.write(b"123456")?;
/// assert_eq!(file.write(b"78901").unwrap_err().kind(), ErrorKind::Quota);
/// file.commit()?;
/// assert_eq!((tree.used().bytes, tree.space()?.free), (6, 4));
/// # Ok::<(), trenza_storage::Error>(())
/// ```
#[derive(Debug)]
pub struct Quota {
    tree: Arc<dyn Tree>,
    count: Arc<Count>,
}

/// What writers share with their tree.
#[derive(Debug)]
struct Count {
    limits: Mutex<QuotaLimits>,
    used: Mutex<Used>,
    /// How many write into which files where they are.
    written: Mutex<BTreeMap<FileId, usize>>,
}

impl Quota {
    /// Counts what a tree holds, which may take long. More than the limits is not an error; then nothing can be added.
    ///
    /// # Errors
    /// The root cannot be listed.
    pub fn new(tree: Arc<dyn Tree>, limits: QuotaLimits) -> Result<Self> {
        let mut used = Used::default();
        walk(&*tree, &Path::root(), &mut |_, entry| {
            used.files += 1;
            if entry.metadata.is_file() && !entry.is_link {
                used.bytes = used.bytes.saturating_add(entry.metadata.size);
            }
            Ok(())
        })?;
        let count = Count { limits: Mutex::new(limits), used: Mutex::new(used), written: Mutex::default() };
        Ok(Self { tree, count: Arc::new(count) })
    }

    /// How much it holds.
    pub fn used(&self) -> Used {
        *self.count.lock()
    }

    /// How much it may hold.
    pub fn limits(&self) -> QuotaLimits {
        self.count.limits()
    }

    /// Lets it hold more or less from now on. What is there stays, as in [`Quota::new`].
    pub fn set_limits(&self, limits: QuotaLimits) {
        *self.count.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }
}

impl Count {
    /// Names are changed while this is held, so that what they stood for before is counted right.
    fn lock(&self) -> MutexGuard<'_, Used> {
        // Numbers are never left halfway.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limits(&self) -> QuotaLimits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, used: &mut Used, more: Used) -> Result {
        let limits = self.limits();
        let sum = Used {
            bytes: used.bytes.saturating_add(more.bytes),
            files: used.files.saturating_add(more.files),
        };
        let (bytes, files) = (sum.bytes > limits.bytes, sum.files > limits.files);
        // Who is above the limits already may still do what takes no room.
        if (bytes && more.bytes > 0) || (files && more.files > 0) {
            return Err(ErrorKind::Quota.into());
        }
        *used = sum;
        Ok(())
    }

    /// Looked at while names cannot be changed.
    fn written(&self) -> MutexGuard<'_, BTreeMap<FileId, usize>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_writing(&self, file: FileId) {
        *self.written().entry(file).or_default() += 1;
    }

    fn end_writing(&self, file: FileId) {
        let mut written = self.written();
        match written.get_mut(&file) {
            Some(writers) if *writers > 1 => *writers -= 1,
            _ => drop(written.remove(&file)),
        }
    }
}

impl Used {
    fn give_back(&mut self, less: Self) {
        self.bytes = self.bytes.saturating_sub(less.bytes);
        self.files = self.files.saturating_sub(less.files);
    }

    /// What a name counts.
    fn of(found: &Metadata) -> Self {
        Self { bytes: if found.is_file() { found.size } else { 0 }, files: 1 }
    }
}

/// What a name counts that may be there or not.
fn found(tree: &dyn Tree, path: &Path) -> Result<Option<Metadata>> {
    match tree.symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Tree for Quota {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        self.tree.open(path)
    }

    fn open_folder<'a>(&'a self, path: &Path) -> Result<Box<dyn OpenFolder + 'a>> {
        self.tree.open_folder(path)
    }

    fn write(&self, path: &Path, how: Write) -> Result<Box<dyn Writer>> {
        let used = &mut *self.count.lock();
        let new = Used { bytes: 0, files: u64::from(found(&*self.tree, path)?.is_none()) };
        let room = match how {
            Write::At(at) => self.tree.metadata(path)?.size.saturating_sub(at),
            _ => 0,
        };
        self.count.add(used, new)?;
        let file = match self.tree.write(path, how) {
            Ok(file) => file,
            Err(error) => {
                used.give_back(new);
                return Err(error);
            }
        };
        // What is written where it is grows under all of its names.
        let place = match how {
            Write::Replace | Write::Create => None,
            Write::New | Write::Append | Write::At(_) => Some(self.tree.metadata(path)?),
        };
        place.iter().for_each(|found| self.count.begin_writing(found.id));
        Ok(Box::new(QuotaWriter {
            tree: self.tree.clone(),
            path: path.clone(),
            file: Some(file),
            count: self.count.clone(),
            room,
            counted: new,
            names: place.as_ref().map_or(1, |found| found.links.max(1)),
            place: place.map(|found| found.id),
        }))
    }

    fn metadata(&self, path: &Path) -> Result<Metadata> {
        self.tree.metadata(path)
    }

    fn symlink_metadata(&self, path: &Path) -> Result<Metadata> {
        self.tree.symlink_metadata(path)
    }

    fn list(&self, path: &Path) -> Result<Box<dyn List>> {
        self.tree.list(path)
    }

    fn make_folder(&self, path: &Path) -> Result {
        let used = &mut *self.count.lock();
        let folder = Used { bytes: 0, files: 1 };
        self.count.add(used, folder)?;
        self.tree.make_folder(path).inspect_err(|_| used.give_back(folder))
    }

    fn remove_file(&self, path: &Path) -> Result {
        let used = &mut *self.count.lock();
        let gone = self.tree.symlink_metadata(path)?;
        self.tree.remove_file(path)?;
        used.give_back(Used::of(&gone));
        Ok(())
    }

    fn remove_folder(&self, path: &Path) -> Result {
        let used = &mut *self.count.lock();
        self.tree.remove_folder(path)?;
        used.give_back(Used { bytes: 0, files: 1 });
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path, replace: bool) -> Result {
        let used = &mut *self.count.lock();
        let gone = if replace { found(&*self.tree, to)? } else { None };
        let moved = self.tree.symlink_metadata(from)?;
        self.tree.rename(from, to, replace)?;
        // Of two names of one file nothing becomes of either.
        if let Some(gone) = gone.filter(|gone| gone.id != moved.id) {
            used.give_back(Used::of(&gone));
        }
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> Result {
        let used = &mut *self.count.lock();
        let found = self.tree.symlink_metadata(from)?;
        if self.count.written().contains_key(&found.id) {
            return Err(ErrorKind::Busy.into());
        }
        let more = Used::of(&found);
        self.count.add(used, more)?;
        self.tree.link(from, to).inspect_err(|_| used.give_back(more))
    }

    fn set_modified(&self, path: &Path, time: SystemTime) -> Result {
        self.tree.set_modified(path, time)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result {
        self.tree.set_mode(path, mode)
    }

    fn sync(&self, path: &Path) -> Result {
        self.tree.sync(path)
    }

    fn space(&self) -> Result<Space> {
        let (space, used) = (self.tree.space()?, self.used());
        let limit = self.limits().bytes;
        Ok(Space { free: space.free.min(limit.saturating_sub(used.bytes)), total: space.total.min(limit) })
    }

    fn sweep(&self, before: SystemTime) -> Result<u64> {
        self.tree.sweep(before)
    }
}

/// A file that is being written, and what it counts.
#[derive(Debug)]
struct QuotaWriter {
    tree: Arc<dyn Tree>,
    path: Path,
    /// None: it was committed.
    file: Option<Box<dyn Writer>>,
    count: Arc<Count>,
    /// How many bytes may be written over what was there.
    room: u64,
    /// What was counted for it.
    counted: Used,
    /// How often each byte counts.
    names: u64,
    /// Which file is written where it is; None: it is to be whole, and leaves nothing if it is given up.
    place: Option<FileId>,
}

impl Writer for QuotaWriter {
    fn write(&mut self, bytes: &[u8]) -> Result {
        let Some(file) = &mut self.file else { return Err(ErrorKind::Io.into()) };
        let over = self.room.min(bytes.len() as u64);
        let more = Used { bytes: (bytes.len() as u64 - over).saturating_mul(self.names), files: 0 };
        self.count.add(&mut self.count.lock(), more)?;
        let before = file.written();
        let wrote = file.write(bytes);
        let written = file.written() - before;
        self.room -= over.min(written);
        let grown = written.saturating_sub(over).saturating_mul(self.names);
        self.counted.bytes += grown;
        self.count.lock().give_back(Used { bytes: more.bytes - grown.min(more.bytes), files: 0 });
        wrote
    }

    fn written(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.written())
    }

    fn sync(&mut self) -> Result {
        self.file.as_mut().map_or(Ok(()), |file| file.sync())
    }

    fn commit(mut self: Box<Self>) -> Result<Metadata> {
        let count = self.count.clone();
        let used = &mut *count.lock();
        if self.place.is_some() {
            return self.file.take().ok_or(ErrorKind::Io)?.commit();
        }
        let replaced = found(&*self.tree, &self.path)?;
        // What was there when it was opened may have gone since.
        if replaced.is_none() && self.counted.files == 0 {
            let file = Used { bytes: 0, files: 1 };
            count.add(used, file)?;
            self.counted.files = 1;
        }
        let committed = match self.file.take() {
            Some(file) => file.commit(),
            None => Err(ErrorKind::Io.into()),
        };
        match &committed {
            Ok(_) => {
                let mut gone = replaced.as_ref().map(Used::of).unwrap_or_default();
                // The name was there and was not counted again.
                gone.files = gone.files.min(self.counted.files);
                used.give_back(gone);
            }
            Err(_) => used.give_back(self.counted),
        }
        committed
    }
}

impl Drop for QuotaWriter {
    fn drop(&mut self) {
        let given_up = self.file.take();
        match (self.place, given_up) {
            (Some(file), _) => self.count.end_writing(file),
            (None, Some(file)) => {
                drop(file);
                self.count.lock().give_back(self.counted);
            }
            (None, None) => {}
        }
    }
}
