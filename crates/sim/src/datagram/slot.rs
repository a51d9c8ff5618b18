//! [`Slot`]: a UDP socket in the table of its host's driver.

use super::{Arrived, Letter};
use crate::{stream::Told, world::World};
use trenza_core::{Addr, Outbox};

/// The most bytes of datagrams that are told in one piece.
const PIECE_MAX: usize = 65_535;

/// A UDP socket of a driver.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: u64,
    pub(crate) reading: bool,
    /// A send has left some: that there is room is to be told.
    owes: bool,
}

impl Slot {
    pub(crate) fn new(id: u64) -> Self {
        Self { id, reading: false, owes: false }
    }

    /// Is there something to tell?
    pub(crate) fn pending(&self, world: &World) -> bool {
        let mailbox = world.mailboxes.get(&self.id);
        self.owes
            || mailbox
                .is_some_and(|mailbox| mailbox.has_refused() || self.reading && !mailbox.inbox().is_empty())
    }

    /// One thing to tell; the bytes of a datagram go into `buffer`.
    pub(crate) fn tell(&mut self, world: &mut World, buffer: &mut Vec<u8>) -> Option<Told> {
        if std::mem::take(&mut self.owes) {
            return Some(Told::Sent(0));
        }
        let mailbox = world.mailboxes.get_mut(&self.id)?;
        if let Some((to, error)) = mailbox.take_refused() {
            return Some(Told::Undelivered(to, error));
        }
        if !self.reading {
            return None;
        }
        let Arrived { data, from, to, ecn } = mailbox.take()?;
        let size = data.len();
        *buffer = data;
        let mut count = 1;
        // What came behind it of the same size, or less, goes with it, as systems do that merge what they receive.
        if world.dice.chance(world.hostility.merge)
            && let Some(mailbox) = world.mailboxes.get_mut(&self.id)
        {
            while size > 0
                && buffer.len() == size * count
                && let Some(next) = mailbox.inbox().front()
                && (next.from, next.to, next.ecn) == (from, to, ecn)
                && (1..=size).contains(&next.data.len())
                && buffer.len() + next.data.len() <= PIECE_MAX
                && let Some(next) = mailbox.take()
            {
                buffer.extend(next.data);
                count += 1;
            }
        }
        Some(Told::Datagram { from, to, ecn, stride: (count > 1).then_some(size) })
    }

    /// Sends from the front of `out`.
    pub(crate) fn send(&mut self, world: &mut World, out: &mut Outbox) {
        if self.owes {
            return;
        }
        while let Some(piece) = out.front() {
            let len = piece.data.len();
            let sent = match piece.to {
                Addr::Ip(to) => {
                    let (data, from, ecn) = (piece.data, piece.from, piece.ecn);
                    world.post(self.id, Letter { data, to: *to, from, ecn }).map_err(|error| (*to, error))
                }
                _ => Ok(()),
            };
            match sent {
                Ok(()) => out.advance(len),
                Err((to, error)) => {
                    out.discard(len);
                    if let Some(mailbox) = world.mailboxes.get_mut(&self.id) {
                        mailbox.refuse(to, error);
                    }
                }
            }
            if !out.is_empty() && world.dice.chance(world.hostility.short_send) {
                self.owes = true;
                return;
            }
        }
        self.owes = world.dice.chance(world.hostility.extra_sent);
    }
}
