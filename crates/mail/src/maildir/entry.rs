//! [`Entry`]: a message in a Maildir.

use super::Flags;
use std::{borrow::Cow, time::SystemTime};
use trenza_storage::{Path, Result};

/// A message in a [`Maildir`](super::Maildir).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name without flags: the same as long as it is there.
    pub(super) id: String,
    pub(super) is_new: bool,
    pub(super) flags: Flags,
    pub(super) size: u64,
    pub(super) received: SystemTime,
}

impl Entry {
    /// What it is called by: as long as it is there the same, and no other message's.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Nobody has looked at it yet: it is in `new`.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Its flags.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Its size in bytes, as it is stored.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// When it was received, as its name tells; else when its file was written.
    pub fn received(&self) -> SystemTime {
        self.received
    }

    pub(super) fn path(&self, folder: &Path) -> Result<Path> {
        folder.join(self.place())?.join(self.name().as_bytes())
    }

    /// The folder of the Maildir that it is in.
    pub(super) fn place(&self) -> &'static str {
        if self.is_new { "new" } else { "cur" }
    }

    /// The name of its file.
    pub(super) fn name(&self) -> Cow<'_, str> {
        if self.is_new { (&self.id).into() } else { format!("{}:2,{}", self.id, self.flags).into() }
    }
}
