//! Rules: what becomes of a call of a disk, as closures that a test installs.

use std::{ffi::OsStr, fmt};

/// What a program asks of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskVerb {
    /// To open or make a file, or to open a folder.
    Open,
    /// To read bytes of a file.
    Read,
    /// To write bytes of a file, at a place or at its end.
    Write,
    /// To cut a file, or to lengthen it by zeros.
    SetLength,
    /// To set the time of a file's last change.
    SetModified,
    /// To set who may do what with a file.
    SetMode,
    /// To bring a file to the medium.
    SyncFile,
    /// To bring the names of a folder to the medium.
    SyncFolder,
    /// To make a folder.
    MakeFolder,
    /// To give a file or folder another name.
    Rename,
    /// To give a file one more name.
    Link,
    /// To take a name from a file.
    Unlink,
    /// To remove a folder.
    RemoveFolder,
    /// To list the names of a folder.
    List,
    /// To ask for size and times.
    Metadata,
}

impl fmt::Display for DiskVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::SetLength => "set the length of",
            Self::SetModified => "set the time of",
            Self::SetMode => "set the mode of",
            Self::SyncFile | Self::SyncFolder => "sync",
            Self::MakeFolder => "make folder",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Unlink => "unlink",
            Self::RemoveFolder => "remove folder",
            Self::List => "list",
            Self::Metadata => "look at",
        })
    }
}

/// A call that a program makes.
#[derive(Debug, Clone, Copy)]
pub struct DiskAccess<'a> {
    pub(super) verb: DiskVerb,
    pub(super) name: &'a OsStr,
}

impl DiskAccess<'_> {
    /// What it is for.
    pub fn verb(&self) -> DiskVerb {
        self.verb
    }

    /// The name of the file or folder in its folder; of an open one, that under which it was opened. The root is `/`.
    pub fn name(&self) -> &OsStr {
        self.name
    }

    /// True when it changes something, or brings it to the medium.
    pub fn is_change(&self) -> bool {
        !matches!(self.verb, DiskVerb::Read | DiskVerb::List | DiskVerb::Metadata)
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFate {
    /// It does what it is for.
    Go,
    /// It does nothing, and says that the disk is full (`ENOSPC`).
    Full,
    /// It does nothing, and says that the device has failed (`EIO`). For what was to be synced see [`crate::Disk`].
    Fail,
    /// The power fails just before: neither it nor any later call does anything. The machine is for the test to crash,
    /// by [`HostHandle::crash`](crate::HostHandle::crash).
    PowerOff,
}

/// A rule for calls of a disk.
pub(super) type DiskRule = Box<dyn FnMut(&DiskAccess<'_>) -> DiskFate + Send>;
