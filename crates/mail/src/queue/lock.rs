//! [`QueueLock`]: one server a queue.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// The name of the file that is locked.
const NAME: &str = "lock";

/// Keeps a queue for one process, as long as it lives: the file `lock` in the queue's folder is locked (`flock`). It goes
/// with its process, however that ends.
#[derive(Debug)]
pub struct QueueLock {
    _file: File,
}

impl QueueLock {
    /// Takes it; None: another process has it. The folder is made, for its owner only, if it is not there, and is on the
    /// medium then, with those that lead to it. It blocks.
    ///
    /// # Errors
    /// The folder cannot be made, or the file.
    ///
    /// ```
    /// use trenza_mail::queue::QueueLock;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let lock = QueueLock::take(folder.path())?;
    /// assert!(lock.is_some() && QueueLock::take(folder.path())?.is_none());
    /// drop(lock);
    /// assert!(QueueLock::take(folder.path())?.is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take(folder: &Path) -> io::Result<Option<Self>> {
        make(folder)?;
        let path = folder.join(NAME);
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Makes a folder, and brings its name to the medium: all that a queue has taken would be lost with it.
fn make(folder: &Path) -> io::Result<()> {
    let missing = folder.ancestors().take_while(|folder| !folder.exists()).count();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let sync = |folder: &Path| match folder.parent() {
        Some(above) if above.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(above) => File::open(above)?.sync_all(),
        None => Ok(()),
    };
    if missing == 0 {
        // Whoever made it may have been killed before that; or it is of old, in one that we may not look into.
        let _ = sync(folder);
        return Ok(());
    }
    folder.ancestors().take(missing).try_for_each(sync)
}
