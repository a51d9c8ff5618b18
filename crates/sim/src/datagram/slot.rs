//! [`Slot`]: a socket for datagrams in the table of its host's driver.

use super::{Arrived, Letter};
use crate::{stream::Told, world::World};
use std::io;
use trenza_core::{Addr, Outbox};

/// The most bytes of datagrams that are told in one piece.
const PIECE_MAX: usize = 65_535;

/// A socket for datagrams of a driver.
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
            || world.may_go_on(self.id)
            || mailbox
                .is_some_and(|mailbox| mailbox.has_refused() || self.reading && !mailbox.inbox().is_empty())
    }

    /// One thing to tell; the bytes of a datagram go into `buffer`.
    pub(crate) fn tell(&mut self, world: &mut World, buffer: &mut Vec<u8>) -> Option<Told> {
        if std::mem::take(&mut self.owes) {
            return Some(Told::Sent(0));
        }
        let goes_on = world.may_go_on(self.id);
        let mailbox = world.mailboxes.get_mut(&self.id)?;
        if goes_on {
            mailbox.waits_for = None;
            return Some(Told::Sent(0));
        }
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
        if to.is_some()
            && world.dice.chance(world.hostility.merge)
            && let Some(mailbox) = world.mailboxes.get_mut(&self.id)
        {
            while size > 0
                && buffer.len() == size * count
                && let Some(next) = mailbox.inbox().front()
                && (&next.from, next.to, next.ecn) == (&from, to, ecn)
                && (1..=size).contains(&next.data.len())
                && buffer.len() + next.data.len() <= PIECE_MAX
                && let Some(next) = mailbox.take()
            {
                buffer.extend(next.data);
                count += 1;
            }
        }
        world.tell_waiting(self.id);
        Some(Told::Datagram { from, to, ecn, stride: (count > 1).then_some(size) })
    }

    /// Sends from the front of `out`.
    pub(crate) fn send(&mut self, world: &mut World, out: &mut Outbox) {
        if self.owes || world.mailboxes.get(&self.id).is_none_or(|mailbox| mailbox.waits_for.is_some()) {
            return;
        }
        while let Some(piece) = out.front() {
            let len = piece.data.len();
            let (to, unix) = (piece.to.clone(), self.is_unix(world));
            let sent = match piece.to {
                Addr::Ip(to) if !unix => {
                    let (data, from, ecn) = (piece.data, piece.from, piece.ecn);
                    world.post(self.id, Letter { data, to: *to, from, ecn }).map(|()| true)
                }
                Addr::Unix(_) if unix => world.post_unix(self.id, piece.to, piece.data),
                _ => Err(io::ErrorKind::InvalidInput.into()),
            };
            match sent {
                Ok(true) => out.advance(len),
                Ok(false) => return,
                Err(error) => {
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

    fn is_unix(&self, world: &World) -> bool {
        world.mailboxes.get(&self.id).is_some_and(|mailbox| mailbox.addr.unix().is_some())
    }
}
