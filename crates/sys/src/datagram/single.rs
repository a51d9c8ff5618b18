//! [`Batch`]: one datagram in one system call, for systems where there is no more.

use super::{
    DATAGRAM_MAX, Family, NOT_UNIX, Refused, SENDS_MAX, canonical, connect_again, fit, full, is_left,
};
use crate::{rest::is_short_of_memory, unix};
use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, SocketAddrUnix, recvfrom, send, sendto},
};
use socket2::{SockRef, Socket};
use std::{io, mem, net::SocketAddr, os::fd::BorrowedFd};
use trenza_core::{Addr, Datagram, Outbox, UnixAddr};

/// The datagram of one receive.
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    received: Option<(usize, Addr)>,
    /// It is being lent.
    told: bool,
    too_long: bool,
}

impl Batch {
    pub(crate) fn new() -> Self {
        // One more byte tells that a datagram was longer.
        Self { bytes: vec![0; DATAGRAM_MAX + 1], received: None, told: false, too_long: false }
    }

    /// Receives a datagram; false if there is none.
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>, family: Family) -> io::Result<bool> {
        (self.received, self.told) = (None, false);
        loop {
            match recvfrom(fd, &mut *self.bytes, RecvFlags::empty()) {
                Ok((_, len, from)) => {
                    let from = match from {
                        _ if len > DATAGRAM_MAX => None,
                        from if family.is_unix() => {
                            let from = from.and_then(|from| SocketAddrUnix::try_from(from).ok());
                            Some(from.map_or(UnixAddr::Unnamed, |from| unix::addr_of(&from)).into())
                        }
                        from => {
                            from.and_then(|from| Some(canonical(SocketAddr::try_from(from).ok()?).into()))
                        }
                    };
                    self.too_long = len > DATAGRAM_MAX;
                    self.received = from.map(|from| (len, from));
                    return Ok(true);
                }
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// How many datagrams of the last receive were dropped because they were too long.
    pub(crate) fn take_too_long(&mut self) -> usize {
        mem::take(&mut self.too_long).into()
    }

    /// Goes to the next datagram; false if there is none.
    pub(crate) fn advance(&mut self) -> bool {
        self.received.is_some() && !mem::replace(&mut self.told, true)
    }

    /// The datagram that [`Batch::advance`] has gone to.
    pub(crate) fn current(&mut self) -> Option<Datagram<'_>> {
        let (len, from) = self.received.as_ref()?;
        Some(Datagram { data: self.bytes.get_mut(..*len)?, from, to: None, ecn: None, stride: None })
    }

    /// Sends from the front of `out`. True when all has left or was refused; false when there may be room again later.
    ///
    /// # Errors
    /// There was no memory, or a connected UNIX socket's peer is full, of which these systems do not tell.
    pub(crate) fn send(
        &mut self,
        fd: BorrowedFd<'_>,
        family: Family,
        out: &mut Outbox,
        refused: &mut Vec<Refused>,
    ) -> io::Result<bool> {
        let (mut sent, mut tried) = (0, false);
        while let Some(piece) = out.front() {
            if sent >= SENDS_MAX {
                return Ok(false);
            }
            let (len, to) = (piece.data.len(), piece.to);
            let mut error = match send_one(fd, family, to, piece.data) {
                Ok(()) => {
                    out.advance(len);
                    (sent, tried) = (sent + 1, false);
                    continue;
                }
                Err(error) => error,
            };
            match (family, error.kind()) {
                (_, io::ErrorKind::Interrupted) => continue,
                (Family::Unix { connected: false }, io::ErrorKind::WouldBlock) => error = full(),
                (Family::Unix { connected: false }, _) if is_short_of_memory(&error) => error = full(),
                (Family::Unix { connected: false }, _) => {}
                (_, io::ErrorKind::WouldBlock) => return Ok(false),
                (Family::Unix { .. }, _) if is_short_of_memory(&error) => return Err(error),
                (Family::Unix { .. }, _) if is_left(&error) && !mem::replace(&mut tried, true) => {
                    match connect_again(fd, to) {
                        Ok(()) => continue,
                        Err(gone) => error = gone,
                    }
                }
                (Family::Unix { .. }, _) => {}
                // It may be what the network has told of an earlier one.
                _ if !mem::replace(&mut tried, true) => continue,
                _ => {}
            }
            tried = false;
            refused.push(Refused { to: Some(to.clone()), error });
            out.discard(len);
        }
        Ok(true)
    }

    /// There is no queue of errors here.
    pub(crate) fn refusals(&mut self, _: BorrowedFd<'_>, _: &mut Vec<Refused>) {}
}

fn send_one(fd: BorrowedFd<'_>, family: Family, to: &Addr, data: &[u8]) -> io::Result<()> {
    let none = SendFlags::empty();
    match (family, to) {
        (Family::Unix { connected: true }, _) => send(fd, data, none)?,
        (Family::Unix { .. }, Addr::Unix(to)) => SockRef::from(&fd).send_to(data, &unix::sock_addr(to)?)?,
        (Family::Unix { .. }, _) => return Err(io::Error::new(io::ErrorKind::InvalidInput, NOT_UNIX)),
        (_, Addr::Ip(to)) => match sendto(fd, data, none, &fit(canonical(*to), family == Family::V6)) {
            // It has a peer, and takes no address.
            Err(Errno::ISCONN) => send(fd, data, none)?,
            sent => sent?,
        },
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an IP address")),
    };
    Ok(())
}

/// There is nothing more that these systems could be asked for.
pub(crate) fn prepare(_: &Socket, _: bool) {}
