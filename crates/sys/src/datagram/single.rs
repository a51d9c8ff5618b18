//! [`Batch`]: one datagram in one system call, for systems where there is no more.

use super::{DATAGRAM_MAX, Refused, SENDS_MAX, canonical, fit};
use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recvfrom, send, sendto},
};
use socket2::Socket;
use std::{io, mem, net::SocketAddr, os::fd::BorrowedFd};
use trenza_core::{Addr, Datagram, Outbox};

/// The datagram of one receive.
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    received: Option<(usize, Addr)>,
    /// It is being lent.
    told: bool,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; DATAGRAM_MAX], received: None, told: false }
    }

    /// Receives a datagram; false if there is none.
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        (self.received, self.told) = (None, false);
        loop {
            match recvfrom(fd, &mut *self.bytes, RecvFlags::empty()) {
                Ok((_, len, from)) => {
                    let from = from.and_then(|from| SocketAddr::try_from(from).ok());
                    self.received = from.map(|from| (len, canonical(from).into()));
                    return Ok(true);
                }
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
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
    pub(crate) fn send(
        &mut self,
        fd: BorrowedFd<'_>,
        v6: bool,
        out: &mut Outbox,
        refused: &mut Vec<Refused>,
    ) -> bool {
        let (mut sent, mut tried) = (0, false);
        while let Some(piece) = out.front() {
            if sent >= SENDS_MAX {
                return false;
            }
            let len = piece.data.len();
            let result = match piece.to {
                Addr::Ip(to) => match sendto(fd, piece.data, SendFlags::empty(), &fit(canonical(*to), v6)) {
                    // It has a peer, and takes no address.
                    Err(Errno::ISCONN) => send(fd, piece.data, SendFlags::empty()),
                    result => result,
                },
                _ => Err(Errno::AFNOSUPPORT),
            };
            match result {
                Ok(_) => {
                    out.advance(len);
                    (sent, tried) = (sent + 1, false);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return false,
                // It may be what the network has told of an earlier one.
                Err(_) if !mem::replace(&mut tried, true) => {}
                Err(errno) => {
                    tried = false;
                    refused.push(Refused { to: Some(piece.to.clone()), error: errno.into() });
                    out.discard(len);
                }
            }
        }
        true
    }

    /// There is no queue of errors here.
    pub(crate) fn refusals(&mut self, _: BorrowedFd<'_>, _: &mut Vec<Refused>) {}
}

/// There is nothing more that these systems could be asked for.
pub(crate) fn prepare(_: &Socket, _: bool) {}
