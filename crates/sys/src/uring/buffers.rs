//! [`Buffers`]: where the kernel puts what it receives.
//!
//! One ring of buffers for all connections; an idle one has none. On Linux 6.12 and later a buffer takes one piece after
//! the other (incremental mode), so that a few large ones stay in the processor's cache; before, each takes one.
//! Datagrams have a ring of their own, in which each takes a whole buffer: the rest of one might be too short.

use super::ring::Completion;
use io_uring::{Submitter, types::BufRingEntry};
use std::{
    alloc::{self, Layout},
    io,
    ptr::NonNull,
    sync::atomic::{AtomicU16, Ordering},
};

/// The buffers of connections.
pub(super) const GROUP: u16 = 0;
/// Together 2 MiB, either way. Both numbers are powers of two.
const LARGE: Shape = Shape { count: 8, size: 256 * 1024 };
const SMALL: Shape = Shape { count: 128, size: 16 * 1024 };
/// The kernel's flag for incremental mode.
const INCREMENTAL: u16 = 2;
const PAGE: usize = 4096;

/// So many buffers of so many bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) count: u16,
    pub(super) size: u32,
}

/// A piece that was received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    buffer: u16,
    start: u32,
    len: u32,
}

/// Where the kernel puts what it receives.
#[derive(Debug)]
pub(super) struct Buffers {
    ring: Memory,
    bytes: Memory,
    shape: Shape,
    incremental: bool,
    /// Where the next buffer goes in the ring.
    tail: u16,
    /// How much of each buffer the kernel has used.
    used: Vec<u32>,
    /// A buffer that goes back to the kernel when the loop is done with what is in it.
    lent: Option<u16>,
}

impl Buffers {
    /// Gives the kernel buffers.
    ///
    /// # Errors
    /// It does not take them (before Linux 5.19), or there is no memory.
    pub(super) fn new(submitter: &Submitter<'_>) -> io::Result<Self> {
        Self::of(submitter, GROUP, LARGE, true).or_else(|_| Self::of(submitter, GROUP, SMALL, false))
    }

    /// Gives it those of one group and shape, in incremental mode or not.
    ///
    /// # Errors
    /// As [`Buffers::new`], and when the group has buffers.
    #[allow(unsafe_code, reason = "the kernel writes into the memory")]
    pub(super) fn of(
        submitter: &Submitter<'_>,
        group: u16,
        shape: Shape,
        incremental: bool,
    ) -> io::Result<Self> {
        let count = usize::from(shape.count);
        let ring = Memory::new(count * size_of::<BufRingEntry>())?;
        let bytes = Memory::new(count * shape.size as usize)?;
        let flags = if incremental { INCREMENTAL } else { 0 };
        // SAFETY: the entries are zero, aligned to a page, and live until the driver has seen all requests end.
        unsafe {
            submitter.register_buf_ring_with_flags(ring.start.as_ptr() as u64, shape.count, group, flags)?;
        }
        let used = vec![0; count];
        let mut buffers = Self { ring, bytes, shape, incremental, tail: 0, used, lent: None };
        (0..shape.count).for_each(|buffer| buffers.give(buffer));
        Ok(buffers)
    }

    /// Gives a buffer to the kernel.
    #[allow(unsafe_code, reason = "the entries are shared with the kernel")]
    fn give(&mut self, buffer: u16) {
        if let Some(used) = self.used.get_mut(usize::from(buffer)) {
            *used = 0;
        }
        let place = usize::from(self.tail & (self.shape.count - 1));
        let entries = self.ring.start.cast::<BufRingEntry>();
        // SAFETY: the place is below the number of entries. The kernel looks at an entry only after it is behind the
        // tail, which is set last, with release.
        unsafe {
            let entry = entries.add(place).as_mut();
            entry.set_addr(self.bytes.at(buffer, self.shape) as u64);
            entry.set_len(self.shape.size);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(entries.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.used.len()
    }

    /// How many times the kernel was given one, the first time included.
    #[cfg(test)]
    pub(super) fn given(&self) -> u16 {
        self.tail
    }

    /// The kernel may write into them for ever.
    pub(super) fn leak(&mut self) {
        (self.ring.leaked, self.bytes.leaked) = (true, true);
    }

    /// Accounts for a receive. It must be called for every one, also of connections that nobody knows any more.
    pub(super) fn received(&mut self, completion: &Completion) -> Option<Piece> {
        let (buffer, len) = (completion.buffer()?, completion.result.ok()?);
        let used = self.used.get_mut(usize::from(buffer))?;
        let start = *used;
        *used = start.saturating_add(len);
        let goes_on = self.incremental && completion.keeps_buffer();
        if !goes_on {
            self.take_back();
            self.lent = Some(buffer);
        }
        Some(Piece { buffer, start, len })
    }

    /// The loop is done with the last piece.
    pub(super) fn take_back(&mut self) {
        if let Some(buffer) = self.lent.take() {
            self.give(buffer);
        }
    }

    /// The bytes of a piece.
    #[allow(unsafe_code, reason = "the kernel has written them")]
    pub(super) fn bytes(&mut self, piece: Piece) -> &mut [u8] {
        let room = self.shape.size.saturating_sub(piece.start);
        // SAFETY: the buffer is one of ours and the piece lies within it. The kernel has written it and writes behind it
        // only, since what it has used is used again only after `give`. Nobody else has a reference.
        unsafe {
            let start = self.bytes.at(piece.buffer, self.shape).add(piece.start as usize);
            std::slice::from_raw_parts_mut(start, piece.len.min(room) as usize)
        }
    }
}

/// Memory aligned to a page, all zero in the beginning.
#[derive(Debug)]
struct Memory {
    start: NonNull<u8>,
    layout: Layout,
    leaked: bool,
}

impl Memory {
    #[allow(unsafe_code, reason = "the standard collections do not align to pages")]
    fn new(len: usize) -> io::Result<Self> {
        let layout = Layout::from_size_align(len, PAGE).map_err(io::Error::other)?;
        // SAFETY: the length is not 0.
        let start = unsafe { alloc::alloc_zeroed(layout) };
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, layout, leaked: false })
    }

    /// Where a buffer begins.
    fn at(&self, buffer: u16, shape: Shape) -> *mut u8 {
        let place = usize::from(buffer & (shape.count - 1)) * shape.size as usize;
        self.start.as_ptr().wrapping_add(place)
    }
}

impl Drop for Memory {
    #[allow(unsafe_code, reason = "the other half of its allocation")]
    fn drop(&mut self) {
        if !self.leaked {
            // SAFETY: it was allocated so.
            unsafe { alloc::dealloc(self.start.as_ptr(), self.layout) }
        }
    }
}
