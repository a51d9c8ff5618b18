//! Outages: hosts that have crashed, and networks that are split.
//!
//! A segment that cannot arrive waits, and everything behind it in its direction too, as TCP sends again until
//! something is answered; datagrams are lost. It arrives when the way is free again; whoever did not wait so long has given up by then.

use crate::{
    link::{Body, End, Owner, Side, far},
    world::World,
};
use std::{io, sync::Arc};

/// Two groups of hosts that do not hear each other.
#[derive(Debug)]
pub(crate) struct Partition {
    id: u64,
    groups: [Vec<usize>; 2],
}

impl World {
    /// Splits the network; gives the number to heal it with.
    pub(crate) fn partition(&mut self, groups: [Vec<usize>; 2]) -> u64 {
        let id = self.id();
        self.partitions.push(Partition { id, groups });
        self.note(format_args!("partition {id}"));
        id
    }

    /// Takes a partition away.
    pub(crate) fn heal(&mut self, id: u64) {
        self.partitions.retain(|partition| partition.id != id);
        self.note(format_args!("partition {id} ends"));
        self.send_again();
    }

    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        let (from, to) = (self.home(from), self.home(to));
        let split = |partition: &Partition| {
            let [one, other] = &partition.groups;
            (one.contains(&from) && other.contains(&to)) || (other.contains(&from) && one.contains(&to))
        };
        self.hosts.get(to).is_some_and(|host| host.down) || from != to && self.partitions.iter().any(split)
    }

    /// Keeps the next segment from `end` until the way is free; false if it is.
    pub(crate) fn hold_back(&mut self, end: End) -> bool {
        let host = |end| self.sides.get(&end).map(|side| side.host);
        let (Some(from), Some(to)) = (host(end), host(far(end))) else { return false };
        let cut = self.is_cut(from, to);
        if let Some(side) = self.sides.get_mut(&end).filter(|_| cut) {
            side.held_back += 1;
        }
        cut
    }

    /// What was held back and can go now is sent again.
    fn send_again(&mut self) {
        let held: Vec<End> =
            self.sides.iter().filter(|(_, side)| side.held_back > 0).map(|(end, _)| *end).collect();
        for end in held {
            let host = |end| self.sides.get(&end).map_or(0, |side| side.host);
            let (from, to) = (host(end), host(far(end)));
            if self.is_cut(from, to) {
                continue;
            }
            let travel = self.latency_between(from, to);
            self.resend(end, travel);
        }
    }

    /// Ends everything on a host without a word to anybody. The caller drops what it gives.
    pub(crate) fn crash(&mut self, host: usize) -> impl Sized + use<> {
        let machine = self.hosts.get_mut(host)?;
        machine.down = true;
        machine.boot += 1;
        machine.hot.clear();
        machine.exits.clear();
        machine.stdio = None;
        machine.handed.clear();
        machine.woken = Arc::default();
        let name = machine.name.clone();
        let disk = machine.disk.clone();
        self.note(format_args!("{name} crashes"));
        self.end_children(host);
        disk.crash();
        self.listeners.retain(|_, listener| listener.host != host);
        self.mailboxes.retain(|_, mailbox| mailbox.host != host);
        let ends: Vec<End> =
            self.sides.iter().filter(|(_, side)| side.host == host).map(|(end, _)| *end).collect();
        for end in ends {
            self.scripts.remove(&end);
            if self.sides.get(&far(end)).is_some_and(|other| other.host == host) {
                self.sides.remove(&end);
                self.sides.remove(&far(end));
            } else if let Some(side) = self.sides.get_mut(&end) {
                side.forget(end);
                self.reap(end);
            }
        }
        Some(self.take_jobs(Some(host)))
    }

    /// A host that has crashed is there again, with nothing on it.
    pub(crate) fn boot(&mut self, host: usize) {
        let Some(machine) = self.hosts.get_mut(host) else { return };
        machine.down = false;
        let name = machine.name.clone();
        self.note(format_args!("{name} is up again"));
        self.send_again();
    }

    /// Something came for a connection that a crash has ended: the system knows nothing of it, and says so.
    pub(crate) fn disown(&mut self, end: End, body: &Body) -> bool {
        let Some(side) = self.sides.get_mut(&end).filter(|side| side.forgotten) else { return false };
        side.forgotten = false;
        side.broken = Some(io::ErrorKind::ConnectionReset);
        if !matches!(body, Body::Reset(_)) {
            self.transmit(end, Body::Reset(io::ErrorKind::ConnectionReset));
        }
        true
    }
}

impl Side {
    /// Its host has crashed.
    fn forget(&mut self, end: End) {
        self.owner = Owner::Nobody;
        // The far end of a connect that has not arrived may still be made after the restart.
        self.forgotten = self.broken.is_none() && (self.open || end.is_multiple_of(2));
        self.drop_unread();
    }
}
