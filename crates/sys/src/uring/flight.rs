//! [`Flights`]: bytes that the kernel is sending.

use crate::stream::QUIET;
use io_uring::{opcode, squeue, types::Fd};
use std::{
    fmt, mem,
    os::fd::{AsRawFd, OwnedFd},
};
use trenza_wire::{Chunk, OutBuf};

/// The most bytes that one send is given: the largest buffer that is used again fits in whole, with what frames 256 KiB.
const BYTES_MAX: usize = 272 * 1024;
/// The most pieces that one send gathers.
const PIECES_MAX: usize = 64;
/// How many that have landed are kept to be used again.
const SPARE_MAX: usize = 64;

/// Bytes that the kernel is sending. It reads them where they are until the completion, so that this stays where it is.
pub(super) struct Flight {
    chunks: Vec<Chunk>,
    pieces: Vec<libc::iovec>,
    head: libc::msghdr,
    /// How many have left.
    sent: usize,
    len: usize,
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("len", &self.len).field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl Flight {
    #[allow(unsafe_code, reason = "the header of a message has no constructor")]
    fn empty() -> Box<Self> {
        // SAFETY: all zero is a header without address, pieces and control data.
        let head = unsafe { mem::zeroed() };
        Box::new(Self { chunks: Vec::new(), pieces: Vec::new(), head, sent: 0, len: 0 })
    }

    /// Takes bytes from the front of `out`, which has no file there.
    fn load(&mut self, out: &mut OutBuf) {
        while self.len < BYTES_MAX && self.pieces.len() < PIECES_MAX && out.file().is_none() {
            let room = BYTES_MAX - self.len;
            if self.len > 0 && out.front_len() > room {
                // A chunk that is divided has two owners, and its buffer is not used again.
                break;
            }
            let Some((chunk, skip)) = out.take(room) else { break };
            let bytes = chunk.bytes().and_then(|bytes| bytes.get(skip..)).unwrap_or_default();
            // What a chunk holds stays where it is when the chunk is moved.
            let iov_base = bytes.as_ptr().cast_mut().cast();
            self.pieces.push(libc::iovec { iov_base, iov_len: bytes.len() });
            self.len += bytes.len();
            self.chunks.push(chunk);
        }
    }

    /// What is asked of the kernel.
    fn request(&mut self, fd: &OwnedFd) -> squeue::Entry {
        let mut skip = self.sent;
        let mut first = 0;
        for piece in &mut self.pieces {
            if skip < piece.iov_len {
                piece.iov_base = piece.iov_base.wrapping_byte_add(skip);
                piece.iov_len -= skip;
                break;
            }
            skip -= piece.iov_len;
            first += 1;
        }
        self.pieces.drain(..first);
        self.len -= self.sent;
        self.sent = 0;
        let (fd, flags) = (Fd(fd.as_raw_fd()), QUIET.bits());
        match &mut self.pieces[..] {
            [one] => {
                let len = one.iov_len.try_into().unwrap_or(u32::MAX);
                opcode::Send::new(fd, one.iov_base.cast(), len).flags(flags as i32).build()
            }
            many => {
                (self.head.msg_iov, self.head.msg_iovlen) = (many.as_mut_ptr(), many.len() as _);
                opcode::SendMsg::new(fd, &raw const self.head).flags(flags).build()
            }
        }
    }
}

/// Bytes that the kernel is sending, of all connections.
#[derive(Debug, Default)]
pub(super) struct Flights {
    flights: Vec<Option<Box<Flight>>>,
    free: Vec<u32>,
    #[expect(clippy::vec_box, reason = "the kernel knows where they are while they fly: they move as boxes")]
    spare: Vec<Box<Flight>>,
}

impl Flights {
    /// Takes bytes from the front of `out`, which has no file there; gives the flight's number and what to ask.
    pub(super) fn take_off(&mut self, out: &mut OutBuf, fd: &OwnedFd) -> (u32, squeue::Entry) {
        let mut flight = self.spare.pop().unwrap_or_else(Flight::empty);
        flight.load(out);
        let request = flight.request(fd);
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.flights.push(None);
                self.flights.len() as u32 - 1
            }
        };
        if let Some(place) = self.flights.get_mut(number as usize) {
            *place = Some(flight);
        }
        (number, request)
    }

    /// So many bytes have left; gives what is to be asked for the rest, if there is one.
    pub(super) fn sent(&mut self, number: u32, bytes: usize, fd: &OwnedFd) -> Option<squeue::Entry> {
        let flight = self.flights.get_mut(number as usize)?.as_mut()?;
        flight.sent = bytes.min(flight.len);
        (flight.sent < flight.len).then(|| flight.request(fd))
    }

    /// True when none is under way.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.flights.iter().all(Option::is_none) && self.free.len() == self.flights.len()
    }

    /// Nothing more of it is sent. What was is dropped, and may be the user's.
    pub(super) fn land(&mut self, number: u32) {
        let Some(mut flight) = self.flights.get_mut(number as usize).and_then(Option::take) else { return };
        self.free.push(number);
        flight.chunks.drain(..).for_each(Chunk::recycle);
        flight.pieces.clear();
        (flight.sent, flight.len) = (0, 0);
        if self.spare.len() < SPARE_MAX {
            self.spare.push(flight);
        }
    }
}
