//! Descriptors that travel with bytes over UNIX sockets, and [`Parcel`]: what came together.

use crate::stream::QUIET;
use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use std::{
    collections::VecDeque,
    io::{self, IoSlice, IoSliceMut},
    mem::{self, MaybeUninit},
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::fs::FileExt,
    },
};
use trenza_core::driver::Token;
use trenza_wire::OutBuf;

/// The most descriptors that one message can carry (SCM_MAX_FD of Linux). With room for so many none is lost.
const DESCRIPTORS_MAX: usize = 253;
/// The most pieces and bytes that are sent with descriptors.
const PIECES_MAX: usize = 16;

/// Descriptors that came, and the bytes that came with them: told one after the other before anything else is received.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    /// Whose it is; None: nothing is left to be told.
    of: Option<Token>,
    descriptors: VecDeque<OwnedFd>,
    bytes: Vec<u8>,
}

/// What is told at once.
#[derive(Debug)]
pub(crate) enum Part {
    Descriptor(OwnedFd),
    Bytes(Vec<u8>),
}

impl Parcel {
    /// What came for a connection, now that all that came before was told. The bytes are copied: they lie where sends
    /// read files, and one may come before they are told.
    pub(crate) fn new(of: Token, descriptors: Vec<OwnedFd>, bytes: &[u8]) -> Self {
        Self { of: Some(of), descriptors: descriptors.into(), bytes: bytes.to_vec() }
    }

    /// Something is to be told.
    pub(crate) fn is_waiting(&self) -> bool {
        self.of.is_some()
    }

    /// What is to be told next, and of whom: the descriptors, and then the bytes.
    pub(crate) fn next(&mut self) -> Option<(Token, Part)> {
        let token = self.of?;
        if let Some(descriptor) = self.descriptors.pop_front() {
            return Some((token, Part::Descriptor(descriptor)));
        }
        self.of = None;
        Some((token, Part::Bytes(mem::take(&mut self.bytes))))
    }
}

/// Receives what there is, and the descriptors that came with it. None: nothing yet; 0: the peer's FIN.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    came: &mut Vec<OwnedFd>,
) -> io::Result<Option<usize>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    loop {
        let mut control = RecvAncillaryBuffer::new(&mut space);
        match recvmsg(fd, &mut [IoSliceMut::new(buffer)], &mut control, CLOSED_IN_CHILDREN) {
            Ok(received) => {
                for message in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(rights) = message {
                        came.extend(rights);
                    }
                }
                close_in_children(came)?;
                if received.flags.contains(ReturnFlags::CTRUNC) {
                    let what =
                        "descriptors came with its bytes and are lost: this process may not have so many";
                    return Err(io::Error::other(what));
                }
                return Ok(Some(received.bytes));
            }
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
const CLOSED_IN_CHILDREN: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
const CLOSED_IN_CHILDREN: RecvFlags = RecvFlags::empty();

#[cfg(not(target_vendor = "apple"))]
fn close_in_children(_: &[OwnedFd]) -> io::Result<()> {
    Ok(())
}

#[cfg(target_vendor = "apple")]
fn close_in_children(came: &[OwnedFd]) -> io::Result<()> {
    came.iter().try_for_each(|fd| Ok(rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?))
}

/// Sends the bytes that may leave together, the descriptors of the first with them; gives how many were given and taken.
pub(crate) fn send(fd: BorrowedFd<'_>, out: &mut OutBuf, scratch: &mut [u8]) -> io::Result<(usize, usize)> {
    let (given, taken, carried) = {
        let together = out.undivided();
        let rights: Vec<_> = out.first_descriptors().take(DESCRIPTORS_MAX).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !rights.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&rights)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
        let filled = match out.file() {
            None => out.slices(&mut pieces),
            Some((file, range)) => {
                let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(scratch.len());
                let piece = scratch.get_mut(..len).unwrap_or_default();
                let read = file.read_at(piece, range.start)?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let piece = scratch.get(..read).unwrap_or_default();
                pieces.iter_mut().take(1).for_each(|first| *first = IoSlice::new(piece));
                1
            }
        };
        let mut left = together;
        let mut cut = Vec::with_capacity(filled);
        for piece in pieces.iter().take(filled) {
            let len = piece.len().min(left);
            left -= len;
            cut.push(IoSlice::new(piece.get(..len).unwrap_or_default()));
        }
        let given = cut.iter().map(|piece| piece.len()).sum();
        (given, sendmsg(fd, &cut, &mut control, SendFlags::empty() | QUIET)?, rights.len())
    };
    // The system has copies now.
    (0..carried).for_each(|_| drop(out.pop_descriptor()));
    Ok((given, taken))
}
