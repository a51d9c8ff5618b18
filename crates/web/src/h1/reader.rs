//! [`Reader`]: takes one message's body off the input, by its framing.

use super::{
    Framing, Limits,
    chunked::{Decoder, Piece},
    error::Error,
};
use http::HeaderMap;
use trenza_wire::Input;

/// Takes one message's body off the input. Requests and responses alike.
#[derive(Debug, Clone)]
pub(super) enum Reader {
    /// So many bytes are left.
    Length(u64),
    /// Chunks.
    Chunked(Decoder),
    /// All bytes until the connection ends.
    UntilClose,
}

impl Reader {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Decoder::new()),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// The next piece of the body, or None until there is one.
    pub(super) fn next<'a>(
        &mut self,
        input: &mut Input<'a>,
        limits: &Limits,
    ) -> Result<Option<Piece<'a>>, Error> {
        match self {
            Self::Length(0) => Ok(Some(Piece::End(HeaderMap::new()))),
            Self::Length(left) => {
                let data = input.up_to(usize::try_from(*left).unwrap_or(usize::MAX));
                *left = left.saturating_sub(data.len() as u64);
                Ok((!data.is_empty()).then_some(Piece::Data(data)))
            }
            Self::Chunked(decoder) => decoder.next(input, limits),
            Self::UntilClose => {
                let data = input.rest();
                Ok((!data.is_empty()).then_some(Piece::Data(data)))
            }
        }
    }

    /// How many bytes are left, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            _ => None,
        }
    }
}
