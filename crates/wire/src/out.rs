//! [`OutBuf`]: bytes and file ranges on their way out.

use bytes::Bytes;
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, IoSlice},
    mem,
    ops::Range,
    sync::Arc,
};

/// Shared bytes up to this size are copied behind what is there: cheaper than a piece of their own.
const COPY_MAX: usize = 512;

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
    chunks: VecDeque<Chunk>,
    head: usize,
    queued: usize,
    lent: usize,
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
        self.len().saturating_sub(files.map(Chunk::len).fold(0, usize::saturating_add))
    }

    /// Appends a copy of `data`.
    pub fn push_slice(&mut self, data: &[u8]) {
        self.tail.extend_from_slice(data);
        self.queued = self.queued.saturating_add(data.len());
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

    /// Moves everything that is queued in `other` behind what is here. What `other` has lent stays with it.
    pub fn append(&mut self, other: &mut Self) {
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
        if have <= most {
            return Some(skip(chunk, head));
        }
        let (first, rest) = split(chunk, head, most);
        self.chunks.push_front(rest);
        self.queued = self.queued.saturating_add(have - most);
        Some(first)
    }

    /// Removes everything that is queued and returns it, so that the caller decides where it is dropped.
    pub fn take_queued(&mut self) -> Self {
        let mut taken = Self::new();
        taken.append(self);
        taken
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
        for chunk in &self.chunks {
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
        self.advance_into(n, &mut Self::new());
    }

    /// Like [`OutBuf::advance`], but chunks that are done go to `spent`, so that the caller decides where they are
    /// dropped.
    pub fn advance_into(&mut self, n: usize, spent: &mut Self) {
        self.queued = self.queued.saturating_sub(n);
        self.head = self.head.saturating_add(n);
        while let Some(front) = self.chunks.front() {
            if self.head < front.len() {
                return;
            }
            self.head -= front.len();
            self.chunks.pop_front().into_iter().for_each(|chunk| spent.push_chunk(chunk));
        }
        if self.head >= self.tail.len() {
            self.head = 0;
            self.tail = Vec::new();
        }
        if self.queued == 0 {
            self.chunks = VecDeque::new();
        }
    }

    /// Moves at most `most` bytes of the front chunk out, to be sent by a completion driver. Returns the chunk
    /// and the number of bytes at its start that are not part of it. They count as lent until
    /// [`OutBuf::landed`].
    pub fn take(&mut self, most: usize) -> Option<(Chunk, usize)> {
        let (chunk, head) = self.pop_front()?;
        let have = chunk.len() - head;
        if have <= most {
            self.lent = self.lent.saturating_add(have);
            return Some((chunk, head));
        }
        let (first, rest) = split(chunk, head, most);
        self.chunks.push_front(rest);
        self.queued = self.queued.saturating_add(have - most);
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
        for chunk in &self.chunks {
            all.extend_from_slice(chunk.bytes().ok_or(io::ErrorKind::Unsupported)?);
        }
        all.extend_from_slice(&self.tail);
        all.drain(..self.head);
        Ok(all)
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push_back(Chunk::Own(mem::take(&mut self.tail)));
        }
    }

    fn pop_front(&mut self) -> Option<(Chunk, usize)> {
        if self.chunks.is_empty() {
            self.seal();
        }
        let chunk = self.chunks.pop_front()?;
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
        Chunk::Own(mut data) => {
            let rest = data.split_off(head + most);
            data.drain(..head);
            (Chunk::Own(data), Chunk::Own(rest))
        }
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
    fn empty_buffer_owns_nothing() {
        let mut out = mixed();
        out.advance(1010);
        assert!(out.is_empty());
        assert_eq!((out.tail.capacity(), out.chunks.capacity()), (0, 0));
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
        out.advance(6);
        assert_eq!(out.file().map(|(_, r)| r), Some(13..20));
        assert_eq!(out.file_after_bytes().map(|(_, r, n)| (r, n)), Some((13..20, 0)));
        out.advance(7);
        assert_eq!(out.to_vec().unwrap(), b"tail");
    }
}
