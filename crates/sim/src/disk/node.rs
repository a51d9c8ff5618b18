//! [`Nodes`]: the files and folders of a disk, as programs see them or as they are on the medium.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    time::Duration,
};

/// The number of a file or folder, which is never used twice.
pub(super) type Id = u64;
/// The folder that everything is in.
pub(super) const ROOT: Id = 1;

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) body: Body,
    /// When its bytes or names were changed, as the time of the network.
    pub(super) modified: Modified,
    /// When it was changed in any way.
    pub(super) changed: Duration,
    /// Who may do what, as in `chmod`. It is kept and not obeyed.
    pub(super) mode: u32,
}

/// A time that programs may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Modified {
    /// The time of the network.
    At(Duration),
    /// What a program has set.
    Set(std::time::SystemTime),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    File(Vec<u8>),
    Folder(BTreeMap<OsString, Id>),
}

impl Node {
    pub(super) fn new(is_folder: bool, now: Duration) -> Self {
        let body = if is_folder { Body::Folder(BTreeMap::new()) } else { Body::File(Vec::new()) };
        let mode = if is_folder { 0o755 } else { 0o644 };
        Self { body, modified: Modified::At(now), changed: now, mode }
    }

    pub(super) fn is_folder(&self) -> bool {
        matches!(self.body, Body::Folder(_))
    }

    fn touch(&mut self, now: Duration) {
        self.modified = Modified::At(now);
        self.changed = now;
    }
}

/// A change to what is on the disk, with its time.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) at: Duration,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// Bytes of a file.
    Bytes(Id, u64, Vec<u8>),
    Length(Id, u64),
    Modified(Id, Modified),
    Mode(Id, u32),
    /// Names, all of them at once: a rename has two.
    Names(Vec<Name>),
}

/// What a name of a folder stands for from now on.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) folder: Id,
    pub(super) name: OsString,
    pub(super) to: Option<Id>,
}

impl Change {
    /// The file that it changes, if it does not change names.
    pub(super) fn file(&self) -> Option<Id> {
        match self.what {
            What::Bytes(id, ..) | What::Length(id, _) | What::Modified(id, _) | What::Mode(id, _) => Some(id),
            What::Names(_) => None,
        }
    }

    pub(super) fn names(&self) -> &[Name] {
        match &self.what {
            What::Names(names) => names,
            _ => &[],
        }
    }

    /// How many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        match &self.what {
            What::Bytes(.., bytes) => bytes.len(),
            _ => 0,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Nodes(pub(super) BTreeMap<Id, Node>);

impl Nodes {
    pub(super) fn file(&self, id: Id) -> Option<&Vec<u8>> {
        match &self.0.get(&id)?.body {
            Body::File(bytes) => Some(bytes),
            Body::Folder(_) => None,
        }
    }

    pub(super) fn folder(&self, id: Id) -> Option<&BTreeMap<OsString, Id>> {
        match &self.0.get(&id)?.body {
            Body::Folder(names) => Some(names),
            Body::File(_) => None,
        }
    }

    /// How many names stand for it.
    pub(super) fn links(&self, id: Id) -> u32 {
        let names = self.0.values().filter_map(|node| match &node.body {
            Body::Folder(names) => Some(names.values().filter(|to| **to == id).count() as u32),
            Body::File(_) => None,
        });
        names.sum()
    }

    /// Makes a change. What it is about may be gone, and then it changes nothing.
    pub(super) fn apply(&mut self, change: &Change) {
        match &change.what {
            What::Bytes(id, at, bytes) => self.edit(*id, change.at, |file| {
                let at = *at as usize;
                file.resize(file.len().max(at + bytes.len()), 0);
                if let Some(place) = file.get_mut(at..at + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
            }),
            What::Length(id, length) => self.edit(*id, change.at, |file| file.resize(*length as usize, 0)),
            What::Modified(id, modified) => {
                if let Some(node) = self.0.get_mut(id) {
                    node.modified = *modified;
                    node.changed = change.at;
                }
            }
            What::Mode(id, mode) => {
                if let Some(node) = self.0.get_mut(id) {
                    node.mode = *mode;
                    node.changed = change.at;
                }
            }
            What::Names(names) => names.iter().for_each(|name| self.name(name, change.at)),
        }
    }

    fn edit(&mut self, id: Id, now: Duration, edit: impl FnOnce(&mut Vec<u8>)) {
        if let Some(node) = self.0.get_mut(&id)
            && let Body::File(bytes) = &mut node.body
        {
            edit(bytes);
            node.touch(now);
        }
    }

    fn name(&mut self, name: &Name, now: Duration) {
        if let Some(node) = self.0.get_mut(&name.folder)
            && let Body::Folder(names) = &mut node.body
        {
            match name.to {
                Some(id) => names.insert(name.name.clone(), id),
                None => names.remove(&name.name),
            };
            node.touch(now);
        }
    }

    /// Forgets what cannot be reached from the root, nor from `also`.
    pub(super) fn sweep(&mut self, also: impl IntoIterator<Item = Id>) {
        let mut found = BTreeSet::new();
        let mut left: Vec<Id> = also.into_iter().chain([ROOT]).collect();
        while let Some(id) = left.pop() {
            if found.insert(id) {
                left.extend(self.folder(id).into_iter().flat_map(|names| names.values().copied()));
            }
        }
        self.0.retain(|id, _| found.contains(id));
    }
}
