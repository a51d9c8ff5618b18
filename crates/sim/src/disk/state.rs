//! [`State`]: what programs see of a disk.

use super::{
    medium::Medium,
    node::{Body, Change, Id, Name, Node, Nodes, ROOT, What},
};
use crate::dice::Dice;
use std::{collections::BTreeMap, ffi::OsString, os::unix::ffi::OsStringExt as _, time::Duration};

/// How many bytes the files of a disk may have in all, unless it is set.
pub const DISK_CAPACITY: u64 = 64 * 1024 * 1024;
/// The most files and folders of a disk.
pub const DISK_NODES_MAX: usize = 65_536;

#[derive(Debug)]
pub(super) struct State {
    pub(super) nodes: Nodes,
    pub(super) medium: Medium,
    pub(super) capacity: u64,
    pub(super) dice: Dice,
    /// How often the machine has crashed: what was opened before is of no use.
    pub(super) boot: u32,
    /// The power has failed.
    pub(super) dark: bool,
    /// Files that are open, and how often.
    open: BTreeMap<Id, usize>,
    last_id: Id,
    /// How many temporary names there were. A crash does not begin anew, since old ones may still be there.
    temporaries: u64,
}

impl State {
    pub(super) fn new(dice: Dice, now: Duration) -> Self {
        let medium = Medium::new(now);
        Self {
            nodes: medium.nodes().clone(),
            medium,
            capacity: DISK_CAPACITY,
            dice,
            boot: 0,
            dark: false,
            open: BTreeMap::new(),
            last_id: ROOT,
            temporaries: 0,
        }
    }

    pub(super) fn used(&self) -> u64 {
        let lengths = self.nodes.0.values().map(|node| match &node.body {
            Body::File(bytes) => bytes.len() as u64,
            Body::Folder(_) => 0,
        });
        lengths.sum()
    }

    /// How many more bytes the files may have.
    pub(super) fn room(&self) -> u64 {
        self.capacity.saturating_sub(self.used())
    }

    /// A new file or folder, which has no name yet; None: there are too many.
    pub(super) fn make(&mut self, is_folder: bool, now: Duration) -> Option<Id> {
        if self.nodes.0.len() >= DISK_NODES_MAX {
            return None;
        }
        self.last_id += 1;
        let node = Node::new(is_folder, now);
        self.nodes.0.insert(self.last_id, node.clone());
        self.medium.add(self.last_id, node);
        Some(self.last_id)
    }

    /// A name that no file has.
    pub(super) fn temporary_name(&mut self) -> OsString {
        self.temporaries += 1;
        let mut name = trenza_storage::TEMPORARY.to_vec();
        name.extend(self.temporaries.to_string().bytes());
        OsString::from_vec(name)
    }

    /// Makes a change, which is not synced.
    pub(super) fn change(&mut self, what: What, at: Duration) {
        let change = Change { at, what };
        self.nodes.apply(&change);
        self.medium.push(change);
    }

    /// Sets what names stand for, all of them at once, and forgets what has none any more.
    pub(super) fn name(&mut self, names: Vec<Name>, at: Duration) {
        let stood = |name: &Name| self.nodes.folder(name.folder)?.get(&name.name).copied();
        let former: Vec<Id> = names.iter().filter_map(stood).collect();
        self.change(What::Names(names), at);
        former.into_iter().for_each(|id| self.forget(id));
    }

    pub(super) fn opened(&mut self, id: Id) {
        *self.open.entry(id).or_default() += 1;
    }

    pub(super) fn closed(&mut self, id: Id) {
        if let Some(times) = self.open.get_mut(&id) {
            *times -= 1;
            if *times == 0 {
                self.open.remove(&id);
                self.forget(id);
            }
        }
    }

    /// Gives room back, if it has no name and is not open.
    fn forget(&mut self, id: Id) {
        if !self.open.contains_key(&id) && self.nodes.links(id) == 0 {
            self.nodes.0.remove(&id);
        }
    }

    /// Writes all changes to the names of a folder.
    pub(super) fn sync_folder(&mut self, id: Id) {
        self.medium.sync_folder(id);
        self.medium.sweep(self.open.keys().copied());
    }

    /// Programs see what is on the medium now. How many changes that were not synced are, and of how many.
    pub(super) fn crash(&mut self) -> (usize, usize) {
        let kept = self.medium.crash(&mut self.dice);
        self.nodes = self.medium.nodes().clone();
        self.open.clear();
        self.boot += 1;
        self.dark = false;
        kept
    }
}
