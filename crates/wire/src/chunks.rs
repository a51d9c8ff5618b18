//! [`Chunks`]: pieces on their way out, each with memory of its own.

use crate::Chunk;
use std::collections::VecDeque;

/// Pieces in order. Where there are none it is a word: of the buffers that idle connections have, none has any.
#[derive(Debug, Default)]
#[allow(clippy::box_collection, reason = "a word in each connection, of which hardly any has some")]
pub(crate) struct Chunks(Option<Box<VecDeque<Chunk>>>);

impl Chunks {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|all| all.is_empty())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |all| all.len())
    }

    pub(crate) fn front(&self) -> Option<&Chunk> {
        self.0.as_ref()?.front()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Chunk> {
        self.0.iter().flat_map(|all| all.iter())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Chunk> {
        self.0.iter_mut().flat_map(|all| all.iter_mut())
    }

    pub(crate) fn push_front(&mut self, chunk: Chunk) {
        self.0.get_or_insert_default().push_front(chunk);
    }

    pub(crate) fn push_back(&mut self, chunk: Chunk) {
        self.0.get_or_insert_default().push_back(chunk);
    }

    /// The memory stays until [`Chunks::tidy`].
    pub(crate) fn pop_front(&mut self) -> Option<Chunk> {
        self.0.as_mut()?.pop_front()
    }

    /// Gives the memory back when there are none.
    pub(crate) fn tidy(&mut self) {
        self.0.take_if(|all| all.is_empty());
    }

    /// True when it owns no memory.
    #[cfg(test)]
    pub(crate) fn is_tidy(&self) -> bool {
        self.0.is_none()
    }
}
