//! UNIX sockets for datagrams: within a host everything arrives, at once and in order, or is refused.
//!
//! As on Linux a receiver holds a few datagrams only. A sender that is connected to it waits until there is room again;
//! one that is not is refused, since systems do not tell it when there is.

use super::{Arrived, Mailbox};
use crate::world::World;
use std::io;
use trenza_core::{Addr, UnixAddr, driver::BindUdp};

/// How many datagrams wait in a UNIX socket.
const WAITING_MAX: usize = 11;
/// The most bytes of a datagram over UNIX sockets.
pub const UNIX_DATAGRAM_MAX: usize = 65_536;

/// The system's numbers for what has no kind of its own.
const EMSGSIZE: i32 = 90;
const EPROTOTYPE: i32 = 91;

impl World {
    /// Binds a UNIX socket, and gives its number.
    ///
    /// # Errors
    /// `AddrInUse`; or nobody is bound to the peer's address, or has another peer.
    pub(super) fn bind_unix(&mut self, host: usize, at: &UnixAddr, how: &BindUdp) -> io::Result<(u64, Addr)> {
        let addr = Addr::from(at.clone());
        let taken = |other: &Mailbox| other.host == host && other.addr == addr;
        // Paths are files, and those are of one kind; abstract names are names for each kind.
        let listened = at.as_path().is_some() && self.listens(host, &addr);
        if *at != UnixAddr::Unnamed && (listened || self.mailboxes.values().any(taken)) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let peer_id = how.to.as_ref().map(|to| self.unix_socket(host, to)).transpose()?;
        let id = self.id();
        if peer_id.is_some_and(|peer| !self.accepts(peer, id)) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut mailbox = Mailbox::new(host, addr.clone());
        (mailbox.peer, mailbox.peer_id) = (how.to.clone(), peer_id);
        self.mailboxes.insert(id, mailbox);
        Ok((id, addr))
    }

    /// The socket that is bound there.
    fn unix_socket(&mut self, host: usize, to: &Addr) -> io::Result<u64> {
        let unix = to.unix().filter(|unix| **unix != UnixAddr::Unnamed);
        let unix = unix.ok_or(io::ErrorKind::InvalidInput)?;
        let bound = |mailbox: &Mailbox| mailbox.host == host && mailbox.addr == *to;
        if let Some((id, _)) = self.mailboxes.iter().find(|(_, mailbox)| bound(mailbox)) {
            return Ok(*id);
        }
        Err(match unix.as_path() {
            Some(_) if self.listens(host, to) => io::Error::from_raw_os_error(EPROTOTYPE),
            // Who ended badly has left a file behind.
            Some(_) if self.hostility.shuffle == 0.0 || self.dice.chance(0.5) => {
                io::ErrorKind::NotFound.into()
            }
            _ => io::ErrorKind::ConnectionRefused.into(),
        })
    }

    /// Does a socket take what that one sends?
    fn accepts(&self, receiver: u64, sender: u64) -> bool {
        let receiver = self.mailboxes.get(&receiver);
        receiver.is_some_and(|mailbox| mailbox.peer.is_none() || mailbox.peer_id == Some(sender))
    }

    /// Sends a datagram over a UNIX socket. False: its peer is full, and it will be told when there is room.
    ///
    /// # Errors
    /// Nobody is bound there, or has another peer, or has no room for what comes from a socket without a peer; it is
    /// too long.
    pub(super) fn post_unix(&mut self, sender: u64, to: &Addr, data: &[u8]) -> io::Result<bool> {
        let mailbox = self.mailboxes.get(&sender).ok_or(io::ErrorKind::NotConnected)?;
        let (host, from, connected) = (mailbox.host, mailbox.addr.clone(), mailbox.peer.is_some());
        if data.len() > UNIX_DATAGRAM_MAX {
            return Err(io::Error::from_raw_os_error(EMSGSIZE));
        }
        // A peer that has gone may have been bound anew.
        let peer = mailbox.peer_id.filter(|peer| self.mailboxes.contains_key(peer));
        let receiver = peer.map_or_else(|| self.unix_socket(host, to), Ok)?;
        if connected && let Some(mailbox) = self.mailboxes.get_mut(&sender) {
            mailbox.peer_id = Some(receiver);
        }
        if !self.accepts(receiver, sender) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if !self.has_room(receiver) {
            if !connected {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            if let Some(mailbox) = self.mailboxes.get_mut(&sender) {
                mailbox.waits_for = Some(receiver);
            }
            return Ok(false);
        }
        self.note(format_args!("{} {from} > {to} Datagram({})", self.name(host), data.len()));
        if let Some(mailbox) = self.mailboxes.get_mut(&receiver) {
            mailbox.put(Arrived { data: data.to_vec(), from, to: None, ecn: None });
            self.tell_mailbox(receiver);
        }
        Ok(true)
    }

    fn has_room(&self, receiver: u64) -> bool {
        self.mailboxes.get(&receiver).is_none_or(|mailbox| mailbox.inbox().len() < WAITING_MAX)
    }

    /// Does a socket wait, and is that over?
    pub(super) fn may_go_on(&self, sender: u64) -> bool {
        let waits_for = self.mailboxes.get(&sender).and_then(|mailbox| mailbox.waits_for);
        waits_for.is_some_and(|receiver| self.has_room(receiver))
    }

    /// Tells those who wait for a socket to look at it.
    pub(super) fn tell_waiting(&mut self, receiver: u64) {
        let waits = |mailbox: &Mailbox| mailbox.waits_for == Some(receiver);
        let waiting: Vec<_> =
            self.mailboxes.iter().filter(|(_, mailbox)| waits(mailbox)).map(|(id, _)| *id).collect();
        waiting.into_iter().for_each(|id| self.tell_mailbox(id));
    }

    /// A socket is closed.
    pub(crate) fn close_mailbox(&mut self, id: u64) {
        self.mailboxes.remove(&id);
        self.tell_waiting(id);
    }
}
