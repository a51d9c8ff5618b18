//! [`Carried`]: descriptors on their way out, each bound to a byte.

use std::{
    collections::VecDeque,
    mem,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// Descriptors in order, each with the number of queued bytes that leave before the byte it goes with. Where there are
/// none it is a word.
#[derive(Debug, Default)]
#[allow(clippy::box_collection, reason = "a word in each connection, of which hardly any has some")]
pub(crate) struct Carried(Option<Box<VecDeque<(usize, OwnedFd)>>>);

impl Carried {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |all| all.len())
    }

    /// Binds a descriptor to the byte that comes behind `at` others.
    pub(crate) fn push(&mut self, at: usize, descriptor: OwnedFd) {
        self.0.get_or_insert_default().push_back((at, descriptor));
    }

    /// So many bytes are gone from the front.
    pub(crate) fn passed(&mut self, bytes: usize) {
        for (at, _) in self.0.iter_mut().flat_map(|all| all.iter_mut()) {
            *at = at.saturating_sub(bytes);
        }
    }

    /// Puts `other` behind, whose bytes begin `base` bytes from here.
    pub(crate) fn append(&mut self, other: Self, base: usize) {
        for (at, descriptor) in other.0.into_iter().flat_map(|all| *all) {
            self.push(at.saturating_add(base), descriptor);
        }
    }

    /// Keeps those that leave with the first `bytes`, and gives the others.
    pub(crate) fn split_off(&mut self, bytes: usize) -> Self {
        let Some(all) = &mut self.0 else { return Self::default() };
        let kept = all.iter().take_while(|(at, _)| *at < bytes).count();
        let mut rest = Self(Some(Box::new(all.split_off(kept))));
        rest.passed(bytes);
        rest.tidy();
        self.tidy();
        rest
    }

    /// Those that go with the next byte.
    pub(crate) fn first(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let all = self.0.iter().flat_map(|all| all.iter());
        all.take_while(|(at, _)| *at == 0).map(|(_, descriptor)| descriptor.as_fd())
    }

    /// Removes the next one, if it goes with the next byte.
    pub(crate) fn pop(&mut self) -> Option<OwnedFd> {
        let (_, descriptor) = self.0.as_mut()?.pop_front_if(|(at, _)| *at == 0)?;
        self.tidy();
        Some(descriptor)
    }

    /// How many bytes leave before another descriptor has its turn.
    pub(crate) fn bytes_before_next(&self) -> usize {
        let next = self.0.iter().flat_map(|all| all.iter()).find(|(at, _)| *at > 0);
        next.map_or(usize::MAX, |(at, _)| *at)
    }

    pub(crate) fn take(&mut self) -> Self {
        mem::take(self)
    }

    fn tidy(&mut self) {
        self.0.take_if(|all| all.is_empty());
    }
}
