//! [`Entry`]: a file or folder, as a listing shows it.

use std::time::SystemTime;

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Its name, as bytes; in a reply to MLST a path.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// How many bytes a file has.
    pub size: Option<u64>,
    /// When it was changed. LIST of UNIX knows it to the minute or to the day.
    pub modified: Option<SystemTime>,
    /// The permissions of UNIX, at most 0o7777.
    pub mode: Option<u32>,
    /// What the one who asks may do with it: the letters of RFC 3659 section 7.5.5.
    pub perm: Option<String>,
    /// Two entries of the same text are the same file (RFC 3659 section 7.5.2).
    pub unique: Option<String>,
    /// Whose it is: a name or a number.
    pub owner: Option<String>,
    /// Its group: a name or a number.
    pub group: Option<String>,
    /// How many names the file has.
    pub links: Option<u64>,
    /// Where a symbolic link leads to.
    pub target: Option<Vec<u8>>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// A file.
    #[default]
    File,
    /// A folder.
    Folder,
    /// The folder that is listed: `cdir`, `.`.
    Current,
    /// Its parent: `pdir`, `..`.
    Parent,
    /// A symbolic link.
    Link,
    /// Something else: a device, a socket, what a server has types of its own for.
    Other,
}

impl Entry {
    /// An entry of which only name and kind are known.
    pub fn new(name: impl Into<Vec<u8>>, kind: Kind) -> Self {
        Self { name: name.into(), kind, ..Self::default() }
    }

    /// A folder of any kind.
    pub fn is_folder(&self) -> bool {
        matches!(self.kind, Kind::Folder | Kind::Current | Kind::Parent)
    }

    /// Whether it stands for something in the folder that is listed: not for the folder itself, nor for its parent.
    pub fn is_inside(&self) -> bool {
        !matches!(self.kind, Kind::Current | Kind::Parent) && self.name != b"." && self.name != b".."
    }
}
