//! [`Metadata`], [`Entry`], [`Space`]: what is known of files, folders and the room for them.

use std::{
    ffi::OsString,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link: in lists one that leads nowhere or out of the tree, else see
    /// [`symlink_metadata`](crate::Tree::symlink_metadata).
    Link,
    /// A device, FIFO or socket, which nobody may open.
    Special,
}

/// Tells the files of a machine apart, whatever their names. The number of a file that is gone may be given to a new
/// one; they differ in [`Metadata::changed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
}

/// What is known of a file or folder. Two that are equal are of one file that nobody wrote to in between, as far as the
/// clock of the file system tells: [`Metadata::changed`] cannot be set back, as [`Metadata::modified`] can.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// In bytes; of no meaning but for files.
    pub size: u64,
    /// When its bytes or names were changed (`mtime`).
    pub modified: SystemTime,
    /// When it was changed in any way (`ctime`).
    pub changed: SystemTime,
    /// Who may do what, as in `chmod`: the lowest 12 bits.
    pub mode: u32,
    /// How many names it has.
    pub links: u64,
    /// The number of the user that owns it.
    pub owner: u32,
    /// The number of its group.
    pub group: u32,
    /// Which file it is.
    pub id: FileId,
}

impl Metadata {
    /// True for a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }

    /// True for a folder.
    pub fn is_folder(&self) -> bool {
        self.kind == FileKind::Folder
    }
}

/// A name in a folder and what is known of what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Any bytes but NUL and slash.
    pub name: OsString,
    /// The name is a symbolic link. Who walks through a tree does not follow it, or never ends.
    pub is_link: bool,
    /// Of what a symbolic link leads to; of the link itself if that cannot be opened.
    pub metadata: Metadata,
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// How many bytes can still be written.
    pub free: u64,
    /// How many there are in all, used ones included.
    pub total: u64,
}

/// A time that a system has as seconds and nanoseconds; the epoch for one that the standard library cannot have.
fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let whole = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    whole
        .and_then(|whole| whole.checked_add(Duration::from_nanos(nanoseconds.unsigned_abs())))
        .unwrap_or(UNIX_EPOCH)
}

/// The standard library and the sandbox have a type each, with the same methods.
macro_rules! from {
    ($metadata:ty, $extension:path) => {
        impl From<&$metadata> for Metadata {
            fn from(of: &$metadata) -> Self {
                use $extension as _;
                let kind = match () {
                    () if of.is_file() => FileKind::File,
                    () if of.is_dir() => FileKind::Folder,
                    () if of.file_type().is_symlink() => FileKind::Link,
                    () => FileKind::Special,
                };
                Self {
                    kind,
                    size: of.len(),
                    modified: time(of.mtime(), of.mtime_nsec()),
                    changed: time(of.ctime(), of.ctime_nsec()),
                    mode: of.mode() & 0o7777,
                    links: of.nlink(),
                    owner: of.uid(),
                    group: of.gid(),
                    id: FileId { device: of.dev(), inode: of.ino() },
                }
            }
        }
    };
}

from!(std::fs::Metadata, std::os::unix::fs::MetadataExt);
from!(cap_std::fs::Metadata, cap_std::fs::MetadataExt);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_the_epoch_and_beyond_all_calendars() {
        assert_eq!(time(1, 5), UNIX_EPOCH + Duration::new(1, 5));
        assert_eq!(time(-2, 500_000_000), UNIX_EPOCH - Duration::from_millis(1500));
        assert!(time(i64::MAX, 999_999_999) >= UNIX_EPOCH, "the system has times that nobody else has");
        assert!(time(i64::MIN, 0) <= UNIX_EPOCH);
    }
}
