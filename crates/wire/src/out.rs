//! [`OutBuf`]: bytes and file ranges on their way out.

use crate::{carried::Carried, chunks::Chunks, spare};
use bytes::Bytes;
use std::{
    fs::File,
    io::{self, IoSlice},
    mem,
    ops::Range,
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
};

/// Shared bytes up to this size are copied behind what is there: cheaper than a piece of their own.
const COPY_MAX: usize = 512;
/// Copied bytes from this size on are not moved to make room for more.
const LONG_TAIL: usize = 16 * 1024;

/// A piece of outgoing data.
#[derive(Debug, Clone)]
pub enum Chunk {
    /// Bytes that were copied in.
    Own(Vec<u8>),
    /// Bytes shared with the caller.
    Shared(Bytes),
    /// A range of a file, in bytes from its start. It is read when it is sent.
    File(Arc<File>, Range<u64>),
}

impl Chunk {
    /// Its size in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Own(data) => data.len(),
            Self::Shared(data) => data.len(),
            Self::File(_, range) => {
                usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX)
            }
        }
    }

    /// True when it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops it; its buffer is used again, if it is its own.
    pub fn recycle(self) {
        if let Self::Own(data) = self {
            spare::give(data);
        }
    }

    /// Its bytes; None for a file.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Own(data) => Some(data),
            Self::Shared(data) => Some(data),
            Self::File(..) => None,
        }
    }
}

/// Bytes and file ranges on their way out, in order.
///
/// A driver takes from the front in one of two ways. A *readiness* driver sends [`OutBuf::slices`]
/// or [`OutBuf::file`] and reports with [`OutBuf::advance`]. A *completion* driver moves whole
/// chunks out with [`OutBuf::take`], since the kernel reads them later, and reports with
/// [`OutBuf::landed`]; until then they count as lent, so that marks and limits stay true.
#[derive(Debug, Default)]
pub struct OutBuf {
    tail: Vec<u8>,
    chunks: Chunks,
    head: usize,
    queued: usize,
    lent: usize,
    carried: Carried,
}

impl OutBuf {
    /// An empty buffer, which owns no memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// All bytes that have not left yet, those lent to the driver included.
    pub fn len(&self) -> usize {
        self.queued.saturating_add(self.lent)
    }

    /// True when every byte has left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that a driver can still take.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// The bytes that a completion driver holds.
    pub fn lent(&self) -> usize {
        self.lent
    }

    /// The bytes that take memory: all but those of files.
    pub fn in_memory(&self) -> usize {
        let files = self.chunks.iter().filter(|chunk| matches!(chunk, Chunk::File(..)));
        let files = files.map(Chunk::len).fold(0, usize::saturating_add);
        let left = if self.file().is_some() { self.head } else { 0 };
        self.len().saturating_sub(files.saturating_sub(left))
    }

    /// Appends a copy of `data`.
    pub fn push_slice(&mut self, data: &[u8]) {
        self.make_room(data.len());
        self.tail.extend_from_slice(data);
        self.queued = self.queued.saturating_add(data.len());
    }

    /// Has `write` append bytes in place, with room for so many; more are allowed. What is there must stay as it is.
    pub fn push_with(&mut self, room: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.make_room(room);
        let before = self.tail.len();
        write(&mut self.tail);
        self.queued = self.queued.saturating_add(self.tail.len().saturating_sub(before));
    }

    /// Appends `data` without a copy; what is pushed next uses the room behind it.
    pub fn push_vec(&mut self, data: Vec<u8>) {
        self.seal();
        self.queued = self.queued.saturating_add(data.len());
        self.tail = data;
    }

    /// Appends shared bytes without a copy (small ones are copied).
    pub fn push_bytes(&mut self, data: Bytes) {
        if data.len() <= COPY_MAX {
            return self.push_slice(&data);
        }
        self.push_chunk(Chunk::Shared(data));
    }

    /// Appends a range of a file, in bytes from its start.
    pub fn push_file(&mut self, file: Arc<File>, range: Range<u64>) {
        self.push_chunk(Chunk::File(file, range));
    }

    /// Appends a chunk; an empty one is dropped.
    pub fn push_chunk(&mut self, chunk: Chunk) {
        if chunk.is_empty() {
            return;
        }
        self.seal();
        self.queued = self.queued.saturating_add(chunk.len());
        self.chunks.push_back(chunk);
    }

    /// Binds a descriptor to the next byte that is pushed. It leaves with it, or not at all.
    pub fn push_descriptor(&mut self, descriptor: OwnedFd) {
        self.carried.push(self.queued, descriptor);
    }

    /// How many descriptors wait.
    pub fn descriptors(&self) -> usize {
        self.carried.len()
    }

    /// The descriptors that go with the next byte. A driver sends them with it.
    pub fn first_descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.carried.first()
    }

    /// Removes a descriptor that goes with the next byte.
    pub fn pop_descriptor(&mut self) -> Option<OwnedFd> {
        self.carried.pop()
    }

    /// How many bytes may leave together: up to the byte of the next descriptor that does not go with the first.
    pub fn undivided(&self) -> usize {
        self.carried.bytes_before_next()
    }

    /// Moves everything that is queued in `other` behind what is here. What `other` has lent stays with it.
    pub fn append(&mut self, other: &mut Self) {
        if other.carried.len() > 0 {
            self.carried.append(other.carried.take(), self.queued);
        }
        if other.queued == 0 {
            return;
        }
        if self.queued == 0 {
            mem::swap(&mut self.tail, &mut other.tail);
            mem::swap(&mut self.chunks, &mut other.chunks);
            mem::swap(&mut self.head, &mut other.head);
            mem::swap(&mut self.queued, &mut other.queued);
            return;
        }
        if let Some(small) = other.only().filter(|only| only.len() <= COPY_MAX) {
            self.push_slice(small);
            return other.advance(other.queued);
        }
        while let Some(chunk) = other.pop_chunk() {
            self.push_chunk(chunk);
        }
    }

    /// Takes over what `other` has lent: its completions will be told to this buffer.
    pub fn adopt_lent(&mut self, other: &mut Self) {
        self.lent = self.lent.saturating_add(mem::take(&mut other.lent));
    }

    /// Removes and returns the chunk at the front, without what has left of it.
    pub fn pop_chunk(&mut self) -> Option<Chunk> {
        self.split_chunk(usize::MAX)
    }

    /// Removes and returns at most `most` bytes of the chunk at the front.
    pub fn split_chunk(&mut self, most: usize) -> Option<Chunk> {
        let (chunk, head) = self.pop_front()?;
        let have = chunk.len() - head;
        self.carried.passed(have.min(most));
        if have <= most {
            return Some(skip(chunk, head));
        }
        let (first, rest) = split(chunk, head, most);
        self.push_front(rest);
        Some(first)
    }

    /// Removes the first `most` bytes of what is queued and returns them: a driver that may not take more gets those.
    /// What it leaves goes back by [`OutBuf::prepend`]. Costs as much as chunks are moved.
    pub fn split_front(&mut self, most: usize) -> Self {
        let mut front = Self::new();
        if self.queued <= most {
            front.append(self);
            return front;
        }
        let mut carried = self.carried.take();
        let rest = carried.split_off(most);
        while front.queued < most {
            let Some(chunk) = self.split_chunk(most - front.queued) else { break };
            front.push_chunk(chunk);
        }
        (front.carried, self.carried) = (carried, rest);
        front
    }

    /// Moves everything that is queued in `other` before what is queued here, and takes over what `other` has lent.
    pub fn prepend(&mut self, other: &mut Self) {
        self.adopt_lent(other);
        let (mut carried, mine, len) = (other.carried.take(), self.carried.take(), other.queued);
        carried.append(mine, len);
        if self.queued == 0 {
            self.append(other);
            self.carried = carried;
            return;
        }
        if self.head > 0
            && let Some(chunk) = self.pop_chunk()
        {
            self.push_front(chunk);
        }
        let before: Vec<_> = std::iter::from_fn(|| other.pop_chunk()).collect();
        before.into_iter().rev().for_each(|chunk| self.push_front(chunk));
        self.carried = carried;
    }

    fn push_front(&mut self, chunk: Chunk) {
        self.queued = self.queued.saturating_add(chunk.len());
        self.chunks.push_front(chunk);
    }

    /// Copies of the chunks that are queued, which share their bytes with them.
    pub fn share(&mut self) -> Vec<Chunk> {
        self.seal();
        for chunk in self.chunks.iter_mut() {
            if let Chunk::Own(data) = chunk {
                *chunk = Chunk::Shared(mem::take(data).into());
            }
        }
        let mut head = self.head;
        self.chunks.iter().map(|chunk| skip(chunk.clone(), mem::take(&mut head))).collect()
    }

    /// Removes everything that is queued and returns it, so that the caller decides where it is dropped.
    pub fn take_queued(&mut self) -> Self {
        let mut taken = Self::new();
        taken.append(self);
        taken
    }

    /// True when nothing in it has an owner elsewhere, so that no code of others runs when it is sent or dropped.
    pub fn is_own(&self) -> bool {
        self.chunks.is_empty() && self.carried.len() == 0
    }

    /// All bytes that are queued, if they lie in one piece and none is of a file.
    pub fn only(&self) -> Option<&[u8]> {
        match (self.chunks.len(), self.tail.is_empty()) {
            (0, _) => self.tail.get(self.head..),
            (1, true) => self.chunks.front()?.bytes()?.get(self.head..),
            _ => None,
        }
    }

    /// Fills `iov` with the bytes at the front, up to the first file; returns how many entries it filled.
    pub fn slices<'a>(&'a self, iov: &mut [IoSlice<'a>]) -> usize {
        let pieces = self.chunks.iter().map_while(Chunk::bytes);
        let whole = self.chunks.iter().all(|chunk| chunk.bytes().is_some());
        let tail = whole.then_some(&self.tail[..]).filter(|tail| !tail.is_empty());
        let mut head = self.head;
        let mut filled = 0;
        for (slot, piece) in iov.iter_mut().zip(pieces.chain(tail)) {
            *slot = IoSlice::new(piece.get(mem::take(&mut head)..).unwrap_or_default());
            filled += 1;
        }
        filled
    }

    /// The file range at the front, if a file is at the front.
    pub fn file(&self) -> Option<(&Arc<File>, Range<u64>)> {
        match self.chunks.front()? {
            Chunk::File(file, range) => Some((file, range.start + self.head as u64..range.end)),
            _ => None,
        }
    }

    /// The file range that follows the bytes at the front, when only bytes stand before it, and their number.
    pub fn file_after_bytes(&self) -> Option<(&Arc<File>, Range<u64>, usize)> {
        let mut before = 0;
        for chunk in self.chunks.iter() {
            match chunk {
                Chunk::File(..) if before == 0 => return self.file().map(|(file, range)| (file, range, 0)),
                Chunk::File(file, range) => return Some((file, range.clone(), before - self.head)),
                bytes => before += bytes.len(),
            }
        }
        None
    }

    /// Removes `n` bytes from the front: they were sent. Chunks that are done are dropped, so their owners'
    /// `Drop` may run here.
    pub fn advance(&mut self, n: usize) {
        if self.is_own() {
            self.queued = self.queued.saturating_sub(n);
            self.head = self.head.saturating_add(n);
            return self.give_back_tail();
        }
        self.advance_into(n, &mut Self::new());
    }

    /// A tail that has left altogether is used again, by whoever writes next.
    fn give_back_tail(&mut self) {
        if self.head >= self.tail.len() {
            self.head = 0;
            spare::give(mem::take(&mut self.tail));
        }
    }

    /// Like [`OutBuf::advance`], but chunks that are done go to `spent`, so that the caller decides where they are
    /// dropped.
    pub fn advance_into(&mut self, n: usize, spent: &mut Self) {
        self.carried.passed(n);
        self.queued = self.queued.saturating_sub(n);
        self.head = self.head.saturating_add(n);
        while let Some(front) = self.chunks.front() {
            if self.head < front.len() {
                return;
            }
            self.head -= front.len();
            match self.chunks.pop_front() {
                Some(Chunk::Own(data)) => spare::give(data),
                Some(chunk) => spent.push_chunk(chunk),
                None => {}
            }
        }
        self.give_back_tail();
        if self.queued == 0 {
            self.chunks.tidy();
        }
    }

    /// How many bytes the chunk at the front has left: so many can be taken without dividing it.
    pub fn front_len(&self) -> usize {
        self.chunks.front().map_or(self.tail.len(), Chunk::len).saturating_sub(self.head)
    }

    /// Moves at most `most` bytes of the front chunk out, to be sent by a completion driver. Returns the chunk
    /// and the number of bytes at its start that are not part of it. They count as lent until
    /// [`OutBuf::landed`].
    pub fn take(&mut self, most: usize) -> Option<(Chunk, usize)> {
        let (chunk, head) = self.pop_front()?;
        let have = chunk.len() - head;
        self.carried.passed(have.min(most));
        if have <= most {
            self.lent = self.lent.saturating_add(have);
            return Some((chunk, head));
        }
        let (first, rest) = split(chunk, head, most);
        self.push_front(rest);
        self.lent = self.lent.saturating_add(most);
        Some((first, 0))
    }

    /// `n` lent bytes have left.
    pub fn landed(&mut self, n: usize) {
        self.lent = self.lent.saturating_sub(n);
    }

    /// A copy of all queued bytes, for tests and layers.
    ///
    /// # Errors
    /// A file range is queued.
    pub fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut all = Vec::with_capacity(self.queued);
        for chunk in self.chunks.iter() {
            all.extend_from_slice(chunk.bytes().ok_or(io::ErrorKind::Unsupported)?);
        }
        all.extend_from_slice(&self.tail);
        all.drain(..self.head);
        Ok(all)
    }

    /// Makes room behind the tail. A long one is left as it is, and what follows becomes another piece: to move it into a
    /// larger buffer would copy it again and again.
    fn make_room(&mut self, more: usize) {
        if self.tail.len() >= LONG_TAIL && self.tail.capacity() - self.tail.len() < more {
            self.seal();
        }
        spare::reserve(&mut self.tail, more);
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push_back(Chunk::Own(mem::take(&mut self.tail)));
        }
    }

    fn pop_front(&mut self) -> Option<(Chunk, usize)> {
        let chunk = match self.chunks.pop_front() {
            Some(chunk) => chunk,
            None if self.tail.is_empty() => return None,
            None => Chunk::Own(mem::take(&mut self.tail)),
        };
        self.chunks.tidy();
        let head = mem::take(&mut self.head);
        self.queued = self.queued.saturating_sub(chunk.len() - head);
        Some((chunk, head))
    }
}

impl io::Write for OutBuf {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.push_slice(data);
        Ok(data.len())
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        self.make_room(len);
        pieces.iter().for_each(|piece| self.push_slice(piece));
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `chunk` without its first `head` bytes.
fn skip(chunk: Chunk, head: usize) -> Chunk {
    match (chunk, head) {
        (chunk, 0) => chunk,
        (chunk, head) => {
            let len = chunk.len() - head;
            split(chunk, head, len).0
        }
    }
}

/// `chunk` after its first `head` bytes, as the next `most` bytes and the rest.
fn split(chunk: Chunk, head: usize, most: usize) -> (Chunk, Chunk) {
    match chunk {
        // Shared, not copied: pieces of a long chunk would cost its whole length each.
        Chunk::Own(data) => split(Chunk::Shared(data.into()), head, most),
        Chunk::Shared(mut data) => {
            let mut first = data.split_to(head + most);
            (Chunk::Shared(first.split_off(head)), Chunk::Shared(data))
        }
        Chunk::File(file, range) => {
            let start = range.start + head as u64;
            let middle = start + most as u64;
            (Chunk::File(file.clone(), start..middle), Chunk::File(file, middle..range.end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed() -> OutBuf {
        let mut out = OutBuf::new();
        out.push_slice(b"head ");
        out.push_bytes(Bytes::from(vec![b'x'; 1000]));
        out.push_slice(b" tail");
        out
    }

    #[test]
    fn readiness_driver_sees_every_byte_at_any_step() {
        let whole = mixed().to_vec().unwrap();
        for step in [1, 3, 5, 6, 999, 1010] {
            let (mut out, mut seen) = (mixed(), Vec::new());
            while !out.is_empty() {
                let mut iov = [IoSlice::new(&[]); 2];
                let filled = out.slices(&mut iov);
                let flat: Vec<u8> = iov[..filled].iter().flat_map(|s| s.iter().copied()).take(step).collect();
                assert!(!flat.is_empty());
                out.advance(flat.len());
                seen.extend(flat);
            }
            assert_eq!(seen, whole, "step {step}");
        }
    }

    #[test]
    fn completion_driver_sees_every_byte_and_lends_them() {
        let whole = mixed().to_vec().unwrap();
        for most in [1, 4, 700, 5000] {
            let (mut out, mut seen) = (mixed(), Vec::new());
            while let Some((chunk, head)) = out.take(most) {
                seen.extend_from_slice(&chunk.bytes().unwrap()[head..]);
                assert_eq!(out.len() + seen.len() - out.lent(), whole.len());
            }
            assert_eq!((out.queued(), out.lent(), out.len()), (0, whole.len(), whole.len()));
            out.landed(whole.len());
            assert!(out.is_empty());
            assert_eq!(seen, whole, "most {most}");
        }
    }

    #[test]
    fn a_front_leaves_and_its_rest_comes_back() {
        let whole = mixed().to_vec().unwrap();
        for most in [0, 1, 5, 6, 700, 1009, 1010, 5000] {
            let mut out = mixed();
            out.advance(2);
            let mut front = out.split_front(most);
            assert_eq!((front.queued(), front.queued() + out.queued()), (most.min(1008), 1008), "{most}");
            let shared: Vec<u8> =
                front.share().iter().flat_map(|chunk| chunk.bytes().unwrap().to_vec()).collect();
            assert_eq!(shared, whole[2..2 + most.min(1008)]);
            front.advance(most / 2);
            let sent = (most / 2).min(1008);
            drop(front.take(1));
            let lent = front.lent();
            out.prepend(&mut front);
            assert_eq!(out.to_vec().unwrap(), whole[2 + sent + lent..], "{most}");
            assert_eq!((front.len(), out.lent()), (0, lent));
        }
    }

    #[test]
    fn pieces_of_a_long_chunk_are_not_copied() {
        let mut out = OutBuf::new();
        out.push_slice(&vec![b'x'; 1000]);
        let first = out.split_front(10).share().remove(0).bytes().unwrap().as_ptr();
        assert_eq!(out.share()[0].bytes().unwrap().as_ptr(), first.wrapping_add(10));
    }

    #[test]
    fn writes_during_a_send_stay_behind() {
        let mut out = mixed();
        out.advance(7);
        out.push_slice(b"!");
        let mut more = OutBuf::new();
        more.push_slice(b"?");
        out.append(&mut more);
        assert!(more.is_empty());
        assert!(out.to_vec().unwrap().ends_with(b"x tail!?"));
        assert_eq!(out.len(), 1010 - 7 + 2);
    }

    #[test]
    fn a_vector_keeps_its_place_and_its_room() {
        let mut out = mixed();
        out.push_vec(b"<vec>".to_vec());
        out.push_slice(b"behind");
        assert!(out.to_vec().unwrap().ends_with(b"x tail<vec>behind"));
        assert_eq!(out.len(), 1010 + 5 + 6);
        let mut roomy = Vec::with_capacity(64);
        roomy.push(b'a');
        let mut out = OutBuf::new();
        out.push_vec(roomy);
        out.push_slice(b"b");
        assert_eq!((out.to_vec().unwrap(), out.tail.capacity()), (b"ab".to_vec(), 64));
    }

    #[test]
    fn what_is_written_in_place_is_behind_what_was_there() {
        let mut out = mixed();
        out.push_with(3, |tail| tail.extend_from_slice(b"<in place>"));
        out.push_with(100, |_| {});
        assert!(out.to_vec().unwrap().ends_with(b"x tail<in place>"));
        assert_eq!((out.len(), out.queued()), (1010 + 10, 1010 + 10));
    }

    #[test]
    fn empty_buffer_owns_nothing() {
        let mut out = mixed();
        out.advance(1010);
        assert!(out.is_empty());
        assert!(out.tail.capacity() == 0 && out.chunks.is_tidy());
        let mut out = mixed();
        while out.take(7).is_some() {}
        assert!(out.tail.capacity() == 0 && out.chunks.is_tidy());
    }

    #[test]
    fn files_are_ranges_and_stop_the_slices() {
        let file = Arc::new(File::open("/dev/null").unwrap());
        let mut out = OutBuf::new();
        out.push_slice(b"head");
        out.push_file(file, 10..20);
        out.push_slice(b"tail");
        assert_eq!(out.len(), 18);
        let mut iov = [IoSlice::new(&[]); 4];
        assert_eq!(out.slices(&mut iov), 1);
        assert_eq!(out.file_after_bytes().map(|(_, r, n)| (r, n)), Some((10..20, 4)));
        out.advance(1);
        assert_eq!(out.file_after_bytes().map(|(_, r, n)| (r, n)), Some((10..20, 3)));
        assert_eq!(out.in_memory(), 7);
        out.advance(6);
        assert_eq!(out.in_memory(), 4);
        assert_eq!(out.file().map(|(_, r)| r), Some(13..20));
        assert_eq!(out.file_after_bytes().map(|(_, r, n)| (r, n)), Some((13..20, 0)));
        out.advance(7);
        assert_eq!(out.to_vec().unwrap(), b"tail");
    }

    fn descriptor(number: usize) -> OwnedFd {
        // Told apart by their position in a file.
        use std::io::{Seek, SeekFrom};
        let mut file = File::open("/dev/zero").or_else(|_| File::open(file!())).unwrap();
        let _ = file.seek(SeekFrom::Start(number as u64));
        file.into()
    }

    /// `a`, a descriptor, `bc`, two descriptors, `d`, one that waits for a byte.
    fn carrying() -> OutBuf {
        let mut out = OutBuf::new();
        for (bytes, descriptors) in [("a", 1), ("bc", 2), ("d", 1)] {
            out.push_slice(bytes.as_bytes());
            (0..descriptors).for_each(|n| out.push_descriptor(descriptor(n)));
        }
        out
    }

    /// Sends it as a driver does: what leaves together, with `step` bytes at most.
    fn sent(out: &mut OutBuf, step: usize) -> String {
        let mut story = String::new();
        while out.queued() > 0 {
            while out.pop_descriptor().is_some() {
                story.push('*');
            }
            let together = out.undivided().min(step);
            let chunk = out.split_chunk(together).unwrap();
            story.push_str(std::str::from_utf8(chunk.bytes().unwrap()).unwrap());
        }
        story
    }

    #[test]
    fn descriptors_leave_with_the_byte_behind_them() {
        for step in [1, 2, 100] {
            let mut out = carrying();
            assert_eq!((out.descriptors(), out.len()), (4, 4));
            assert_eq!(sent(&mut out, step), "a*bc**d");
            assert_eq!(out.descriptors(), 1);
            out.push_slice(b"!");
            assert_eq!(sent(&mut out, step), "*!");
        }
    }

    #[test]
    fn descriptors_move_with_the_bytes() {
        for cut in 0..=4 {
            let mut out = carrying();
            let mut front = out.split_front(cut);
            assert_eq!(front.descriptors() + out.descriptors(), 4);
            if front.queued() > 0 && front.undivided() > 1 {
                front.advance(1);
                front.prepend(&mut {
                    let mut a = OutBuf::new();
                    a.push_slice(b"a");
                    a
                });
            }
            out.prepend(&mut front);
            let mut all = OutBuf::new();
            all.push_slice(b"<");
            all.append(&mut out);
            all.push_slice(b">");
            assert_eq!(sent(&mut all, 100), "<a*bc**d*>", "cut {cut}");
        }
    }
}
