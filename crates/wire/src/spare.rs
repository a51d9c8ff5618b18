//! Buffers that are used again. What is freed in large pieces goes back to the system and comes back page by page, which
//! costs more than to fill it: a 64 KiB write took three times as long.
//!
//! Each thread, and so each loop, keeps up to `KEPT_MAX` bytes of them.

use std::{cell::RefCell, mem};

/// The capacities that are kept. A little more than powers of two, so that what frames such a piece fits, too.
const CLASSES: [usize; 4] = [1024, 17 * 1024, 68 * 1024, 260 * 1024];
/// What is between the smallest one and this comes from the allocator: more than three quarters of the next one would lie
/// idle.
const LARGE: usize = 4 * 1024;
/// The most bytes that a thread keeps.
const KEPT_MAX: usize = 16 * 1024 * 1024;

#[derive(Default)]
struct Spare {
    buffers: [Vec<Vec<u8>>; CLASSES.len()],
    bytes: usize,
}

thread_local! {
    static SPARE: RefCell<Spare> = RefCell::default();
}

/// Which class so many bytes are given a buffer of.
fn class(len: usize) -> Option<usize> {
    CLASSES.iter().position(|class| len <= *class).filter(|class| *class == 0 || len >= LARGE)
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
        for len in [1, CLASSES[0], LARGE - 1, LARGE, CLASSES[1], CLASSES[2], CLASSES[3], CLASSES[3] + 1] {
            let more = len - buffer.len();
            reserve(&mut buffer, more);
            assert!(buffer.capacity() >= len);
            buffer.resize(len, b'x');
        }
        assert!(buffer.iter().all(|byte| *byte == b'x'));
        assert_eq!(
            kept(),
            CLASSES[1] + CLASSES[2],
            "the first and the last one have grown beyond their class"
        );
    }
}
