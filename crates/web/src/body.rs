//! [`Body`]: what a message carries.

use bytes::Bytes;
use std::{collections::VecDeque, fs::File, ops::Range, sync::Arc};
use trenza_wire::Chunk;

/// What a message carries behind its head.
#[derive(Debug, Default)]
pub struct Body {
    chunks: VecDeque<Chunk>,
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A range of a file, in bytes from its start.
    pub fn file(file: Arc<File>, range: Range<u64>) -> Self {
        Self::pieces([Chunk::File(file, range)])
    }

    /// Several pieces, one behind the other.
    pub fn pieces(pieces: impl IntoIterator<Item = Chunk>) -> Self {
        Self { chunks: pieces.into_iter().collect() }
    }

    /// How many bytes there are, where that is known.
    pub fn len(&self) -> Option<u64> {
        Some(self.chunks.iter().map(|chunk| chunk.len() as u64).sum())
    }

    /// True when it is known to be empty.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// What to send next.
    #[cfg(test)]
    pub(crate) fn piece(&mut self) -> Piece {
        self.chunks.pop_front().map_or(Piece::End, Piece::Chunk)
    }
}

/// The next part of a body on its way out.
#[cfg(test)]
pub(crate) enum Piece {
    Chunk(Chunk),
    End,
}

impl From<Bytes> for Body {
    fn from(data: Bytes) -> Self {
        Self::pieces([Chunk::Shared(data)])
    }
}

impl From<Vec<u8>> for Body {
    fn from(data: Vec<u8>) -> Self {
        Self::pieces([Chunk::Own(data)])
    }
}

impl From<String> for Body {
    fn from(data: String) -> Self {
        data.into_bytes().into()
    }
}

impl From<&'static str> for Body {
    fn from(data: &'static str) -> Self {
        Bytes::from_static(data.as_bytes()).into()
    }
}
