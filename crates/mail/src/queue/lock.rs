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
    /// Takes it; None: another process has it. The folder is made, for its owner only, if it is not there. It blocks.
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
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(NAME);
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
