//! Buffers that are used again. What is freed in large pieces goes back to the system and comes back page by page, which
//! costs more than to fill it: a 64 KiB write took three times as long.
//!
//! Each thread, and so each loop, keeps up to `KEPT_MAX` bytes of them.

use bytes::{Bytes, BytesMut};
use std::{cell::RefCell, mem};

/// The capacities that are kept. A little more than powers of two, so that what frames such a piece fits, too.
const CLASSES: [usize; 5] = [1024, 4 * 1024, 17 * 1024, 68 * 1024, 260 * 1024];
/// The most bytes that a thread keeps.
const KEPT_MAX: usize = 16 * 1024 * 1024;

/// How many bytes short pieces share.
const BLOCK: usize = 4 * 1024;
/// The longest of them.
const SHARED_MAX: usize = 1024;

#[derive(Default)]
struct Spare {
    buffers: [Vec<Vec<u8>>; CLASSES.len()],
    bytes: usize,
}

thread_local! {
    static SPARE: RefCell<Spare> = RefCell::default();
    static SHARED: RefCell<BytesMut> = RefCell::default();
}

/// Which class so many bytes are given a buffer of.
fn class(len: usize) -> Option<usize> {
    CLASSES.iter().position(|class| len <= *class)
}

/// A buffer with room for `len` bytes. Its contents are any that it had before.
fn any(len: usize) -> Vec<u8> {
    let Some(class) = class(len) else { return Vec::with_capacity(len) };
    // While the thread ends there is nothing to take from.
    let kept = SPARE.try_with(|spare| {
        let spare = &mut *spare.borrow_mut();
        let kept = spare.buffers.get_mut(class)?.pop()?;
        spare.bytes -= kept.capacity();
        Some(kept)
    });
    kept.ok().flatten().unwrap_or_else(|| Vec::with_capacity(CLASSES.get(class).copied().unwrap_or(len)))
}

/// An empty buffer with room for `len` bytes.
pub fn empty(len: usize) -> Vec<u8> {
    let mut buffer = any(len);
    buffer.clear();
    buffer
}

/// A buffer of `len` bytes, which are any that it held before: to be overwritten.
pub fn filled(len: usize) -> Vec<u8> {
    let mut buffer = any(len);
    buffer.resize(len, 0);
    buffer
}

/// Keeps a buffer to be used again, if there is room for one of its size.
pub fn give(buffer: Vec<u8>) {
    let Some(class) = CLASSES.iter().position(|class| *class == buffer.capacity()) else { return };
    // While the thread ends it is freed.
    let _ = SPARE.try_with(|spare| {
        let spare = &mut *spare.borrow_mut();
        if spare.bytes + buffer.capacity() <= KEPT_MAX
            && let Some(kept) = spare.buffers.get_mut(class)
        {
            spare.bytes += buffer.capacity();
            kept.push(buffer);
        }
    });
}

/// A copy of `data` for a short time. Short ones lie side by side in a block, which is used again when none of them is
/// left, so that they cost no allocation; who keeps one keeps the block, 4 KiB.
pub fn share(data: &[u8]) -> Bytes {
    if data.len() > SHARED_MAX {
        return Bytes::copy_from_slice(data);
    }
    let piece = SHARED.try_with(|shared| {
        let shared = &mut *shared.borrow_mut();
        if shared.capacity() < data.len() {
            shared.reserve(BLOCK);
        }
        shared.extend_from_slice(data);
        shared.split().freeze()
    });
    // While the thread ends there is no block.
    piece.unwrap_or_else(|_| Bytes::copy_from_slice(data))
}

/// Appends `data`. A buffer that gets long is one that is used again; short ones have the size that they need.
pub fn extend(buffer: &mut Vec<u8>, data: &[u8]) {
    if CLASSES.first().is_some_and(|least| buffer.len().saturating_add(data.len()) > *least) {
        reserve(buffer, data.len());
    }
    buffer.extend_from_slice(data);
}

/// Makes bytes of a buffer that is used again when nobody has them any more. None of it is copied, unless that would
/// leave most of the buffer unused for as long as somebody has them.
pub fn freeze(buffer: Vec<u8>) -> Bytes {
    struct Owned(Vec<u8>);
    impl AsRef<[u8]> for Owned {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Owned {
        fn drop(&mut self) {
            give(mem::take(&mut self.0));
        }
    }
    if !CLASSES.contains(&buffer.capacity()) {
        return buffer.into();
    }
    if buffer.len() < buffer.capacity() / 2 {
        let copy = Bytes::copy_from_slice(&buffer);
        give(buffer);
        return copy;
    }
    Bytes::from_owner(Owned(buffer))
}

/// Makes room for `more` bytes behind what is there.
pub(crate) fn reserve(buffer: &mut Vec<u8>, more: usize) {
    let needed = buffer.len().saturating_add(more);
    if needed <= buffer.capacity() {
        return;
    }
    if class(needed).is_none() {
        return buffer.reserve(more);
    }
    let mut larger = empty(needed);
    larger.extend_from_slice(buffer);
    give(mem::replace(buffer, larger));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes this thread keeps.
    fn kept() -> usize {
        SPARE.with(|spare| spare.borrow().bytes)
    }

    #[test]
    fn buffers_come_back() {
        let first = filled(60_000);
        assert_eq!((first.len(), first.capacity(), kept()), (60_000, 68 * 1024, 0));
        let place = first.as_ptr();
        give(first);
        assert_eq!(kept(), 68 * 1024);
        let small = filled(100);
        assert_ne!(small.as_ptr(), place, "that one is too large for it");
        let again = empty(20_000);
        assert_eq!((again.as_ptr(), again.len(), kept()), (place, 0, 0));
        give(again);
        assert_eq!(filled(68 * 1024).len(), 68 * 1024);
        assert_eq!(kept(), 0);
    }

    #[test]
    fn what_was_frozen_comes_back() {
        let mut buffer = Vec::new();
        extend(&mut buffer, &[b'x'; 100]);
        assert!(buffer.capacity() < CLASSES[0], "a short one is no larger than need be");
        assert_eq!((freeze(buffer.clone())[..].to_vec(), kept()), (buffer.clone(), 0));
        extend(&mut buffer, &[b'y'; 60_000]);
        let place = buffer.as_ptr();
        let bytes = freeze(buffer);
        let other = bytes.slice(100..);
        assert_eq!((bytes.as_ptr(), bytes.len(), &other[..]), (place, 60_100, &[b'y'; 60_000][..]));
        drop(bytes);
        assert_eq!(kept(), 0);
        drop(other);
        assert_eq!(kept(), CLASSES[3]);
        let mut roomy = empty(CLASSES[2]);
        extend(&mut roomy, b"little");
        assert_eq!(&freeze(roomy)[..], b"little");
        assert_eq!(kept(), CLASSES[2] + CLASSES[3], "it was copied");
    }

    #[test]
    fn short_pieces_share_a_block_that_is_used_again() {
        let pieces: Vec<_> = (0..100).map(|n| share(&[n; 40])).collect();
        assert!(pieces.iter().zip(0..).all(|(piece, n)| piece[..] == [n; 40]));
        assert_eq!(pieces[0].as_ptr().wrapping_add(40), pieces[1].as_ptr());
        let block = pieces[0].as_ptr();
        drop(pieces);
        let again: Vec<_> = (0..200).map(|n| share(&[n; 40]).as_ptr()).collect();
        assert!(again.contains(&block));
        let long = [b'x'; SHARED_MAX + 1];
        assert_eq!(share(&long)[..], long);
    }

    #[test]
    fn no_more_is_kept_than_the_limit_and_no_other_size() {
        give(Vec::with_capacity(CLASSES[1] + 1));
        assert_eq!(kept(), 0);
        let many: Vec<_> = (0..KEPT_MAX / CLASSES[3] + 3).map(|_| empty(CLASSES[3])).collect();
        many.into_iter().for_each(give);
        assert_eq!(kept(), KEPT_MAX / CLASSES[3] * CLASSES[3]);
    }

    #[test]
    fn room_grows_from_class_to_class() {
        let mut buffer = Vec::new();
        for len in
            [1, CLASSES[0], CLASSES[0] + 1, CLASSES[1], CLASSES[2], CLASSES[3], CLASSES[4], CLASSES[4] + 1]
        {
            let more = len - buffer.len();
            reserve(&mut buffer, more);
            assert!(buffer.capacity() >= len);
            buffer.resize(len, b'x');
        }
        assert!(buffer.iter().all(|byte| *byte == b'x'));
        assert_eq!(kept(), CLASSES[..4].iter().sum(), "the last one has grown beyond its class");
    }
}
