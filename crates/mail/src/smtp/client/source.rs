//! [`Source`]: where the bytes of a message come from.

use crate::smtp::Body;
use bytes::Bytes;
use trenza_core::Result;
use trenza_storage::Reader;

/// How many bytes a source in memory gives at once.
const PIECE: usize = 64 * 1024;

/// Where the bytes of a message come from, piece by piece: a file ([`Reader`]), or memory (`&[u8]`, [`Bytes`]).
///
/// No dots are doubled, and lines need not end in CRLF: that is the client's business.
pub trait Source {
    /// How many bytes there are about, if that is known.
    fn size(&self) -> Option<u64> {
        None
    }

    /// What its lines are made of, if that is known.
    fn body(&self) -> Option<Body> {
        None
    }

    /// The next piece; None at the end. An error gives the message up; nobody gets a part of it.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>>>;
}

impl Source for Reader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        Ok(Self::next(self).await?)
    }
}

impl Source for &[u8] {
    fn size(&self) -> Option<u64> {
        Some(self.len() as u64)
    }

    fn body(&self) -> Option<Body> {
        Some(of_bytes(self))
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let (piece, rest) = self.split_at_checked(PIECE).unwrap_or((self, &[]));
        let piece = Bytes::copy_from_slice(piece);
        *self = rest;
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

impl Source for Bytes {
    fn size(&self) -> Option<u64> {
        Some(self.len() as u64)
    }

    fn body(&self) -> Option<Body> {
        Some(of_bytes(self))
    }

    async fn next(&mut self) -> Result<Option<Self>> {
        let piece = self.split_to(self.len().min(PIECE));
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

fn of_bytes(bytes: &[u8]) -> Body {
    if bytes.is_ascii() { Body::SevenBit } else { Body::EightBit }
}
