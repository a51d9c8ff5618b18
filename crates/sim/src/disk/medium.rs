//! [`Medium`]: what is on the disk for good, and the changes that are not.

use super::node::{Change, Id, Name, Node, Nodes, ROOT, What};
use crate::{canary::broken, dice::Dice};
use std::{
    collections::{BTreeSet, VecDeque},
    ffi::OsString,
    time::Duration,
};

/// What a disk writes at once, in bytes, or not at all.
pub const DISK_SECTOR: usize = 512;
/// Beyond so many bytes that were not synced the system writes the oldest back by itself.
pub const DISK_DIRTY_MAX: usize = 16 * 1024 * 1024;
/// Beyond so many changes that were not synced the system writes the oldest back by itself.
pub const DISK_CHANGES_MAX: usize = 65_536;

#[derive(Debug)]
pub(super) struct Medium {
    nodes: Nodes,
    /// The oldest first.
    pending: VecDeque<Change>,
    /// The bytes in them.
    dirty: usize,
}

impl Medium {
    pub(super) fn new(now: Duration) -> Self {
        let mut nodes = Nodes::default();
        nodes.0.insert(ROOT, Node::new(true, now));
        Self { nodes, pending: VecDeque::new(), dirty: 0 }
    }

    pub(super) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// There is a new file or folder. Nobody finds it before a name for it has arrived.
    pub(super) fn add(&mut self, id: Id, node: Node) {
        self.nodes.0.insert(id, node);
    }

    /// Takes a change in, to be written some time.
    pub(super) fn push(&mut self, change: Change) {
        self.dirty += change.bytes();
        self.pending.push_back(change);
        while self.dirty > DISK_DIRTY_MAX || self.pending.len() > DISK_CHANGES_MAX {
            let Some(oldest) = self.pending.pop_front() else { break };
            self.dirty -= oldest.bytes();
            self.nodes.apply(&oldest);
        }
    }

    /// Writes everything about a file but its names.
    pub(super) fn sync_file(&mut self, id: Id) {
        if broken("forget-sync", 1) {
            return;
        }
        let changes = self.take(|_, change| change.file() == Some(id));
        changes.iter().for_each(|change| self.nodes.apply(change));
    }

    /// As much of it as the dice say. The rest is forgotten.
    pub(super) fn sync_file_badly(&mut self, id: Id, dice: &mut Dice) {
        let changes = self.take(|_, change| change.file() == Some(id));
        for change in &changes {
            self.survive(change, 0.5, dice);
        }
    }

    /// Writes all changes to the names of a folder.
    pub(super) fn sync_folder(&mut self, id: Id) {
        if broken("forget-folder-sync", 1) {
            return;
        }
        // Before a change goes what was done to the same names earlier, or that would come after it. So a rename
        // from here to there does not bring back the name that it has taken away.
        let mut names: BTreeSet<(Id, OsString)> = BTreeSet::new();
        let mut chosen = BTreeSet::new();
        for (place, change) in self.pending.iter().enumerate().rev() {
            let key = |name: &Name| (name.folder, name.name.clone());
            if change.names().iter().any(|name| name.folder == id || names.contains(&key(name))) {
                names.extend(change.names().iter().map(key));
                chosen.insert(place);
            }
        }
        let changes = self.take(|place, _| chosen.contains(&place));
        changes.iter().for_each(|change| self.nodes.apply(change));
    }

    /// The power has failed: of each change the dice say what has arrived. How many have, and of how many.
    pub(super) fn crash(&mut self, dice: &mut Dice) -> (usize, usize) {
        // So that there are seeds of which nothing arrives, and seeds of which everything does.
        let luck = dice.below(5) as f64 / 4.0;
        let changes = self.take(|_, _| true);
        let kept = changes.iter().filter(|change| self.survive(change, luck, dice)).count();
        self.nodes.sweep([]);
        (kept, changes.len())
    }

    /// Makes what has arrived of a change that was not synced; true if there was any of it.
    fn survive(&mut self, change: &Change, luck: f64, dice: &mut Dice) -> bool {
        let What::Bytes(id, at, bytes) = &change.what else {
            if change.names().len() > 1 && broken("tear-rename", 1) {
                let lost = change.names().iter().map(|name| Name { to: None, ..name.clone() }).collect();
                self.nodes.apply(&Change { at: change.at, what: What::Names(lost) });
                return true;
            }
            let kept = dice.chance(luck);
            if kept {
                self.nodes.apply(change);
            }
            return kept;
        };
        let torn = dice.chance(0.5);
        let whole = dice.chance(luck);
        let mut kept = false;
        let mut done = 0;
        while done < bytes.len() {
            let from = *at as usize + done;
            // Up to where the file's next sector begins.
            let end = bytes.len().min(done + DISK_SECTOR - from % DISK_SECTOR);
            let piece = bytes.get(done..end).unwrap_or_default();
            if if torn { dice.chance(luck) } else { whole } {
                let what = What::Bytes(*id, from as u64, piece.to_vec());
                self.nodes.apply(&Change { at: change.at, what });
                kept = true;
            }
            done = end;
        }
        // The length may arrive without the bytes.
        let end = *at + bytes.len() as u64;
        if self.nodes.file(*id).is_some_and(|file| (file.len() as u64) < end) && dice.chance(luck / 2.0) {
            self.nodes.apply(&Change { at: change.at, what: What::Length(*id, end) });
            kept = true;
        }
        kept
    }

    /// Forgets files and folders that no name leads to, now or after what is pending, unless they are open.
    pub(super) fn sweep(&mut self, open: impl Iterator<Item = Id>) {
        let coming: Vec<Id> =
            self.pending.iter().flat_map(Change::names).filter_map(|name| name.to).chain(open).collect();
        self.nodes.sweep(coming);
        let nodes = &self.nodes;
        let gone = |change: &Change| change.file().is_some_and(|id| !nodes.0.contains_key(&id));
        self.pending.retain(|change| !gone(change));
        self.dirty = self.pending.iter().map(Change::bytes).sum();
    }

    fn take(&mut self, mut which: impl FnMut(usize, &Change) -> bool) -> Vec<Change> {
        let (mut taken, mut rest) = (Vec::new(), VecDeque::new());
        for (place, change) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            if which(place, &change) {
                self.dirty -= change.bytes();
                taken.push(change);
            } else {
                rest.push_back(change);
            }
        }
        self.pending = rest;
        taken
    }
}
