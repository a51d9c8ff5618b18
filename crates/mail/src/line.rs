//! [`LineReader`]: lines of a client, of whatever length.

use memchr::memchr2;
use trenza_wire::{Input, InputError};

/// Takes lines from a connection. One that is too long is told once, and passed over.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineReader {
    skipping: bool,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineError {
    /// A CR or LF stands alone, which others might take for the end of a line: somebody may try to smuggle commands past
    /// one of them. Nothing more can be read.
    Bare,
    /// It is too long. The next one can be read.
    TooLong,
}

impl LineReader {
    /// The next line without its CRLF, of at most as many bytes with it as `most` says of a line that begins so; None until
    /// it is whole.
    pub(crate) fn next<'a>(
        &mut self,
        input: &mut Input<'a>,
        most: impl FnOnce(&[u8]) -> usize,
    ) -> Result<Option<&'a [u8]>, LineError> {
        if self.skipping && !self.skip(input)? {
            return Ok(None);
        }
        input.line(most(input.peek()).saturating_sub(2)).map_err(|error| match error {
            InputError::BareCr | InputError::BareLf => LineError::Bare,
            _ => {
                self.skipping = true;
                LineError::TooLong
            }
        })
    }

    /// Passes over the rest of a line; true when it has ended.
    fn skip(&mut self, input: &mut Input<'_>) -> Result<bool, LineError> {
        let unread = input.peek();
        let end = memchr2(b'\r', b'\n', unread).unwrap_or(unread.len());
        match unread.get(end..) {
            Some([b'\r', b'\n', ..]) => {
                input.skip(end + 2);
                self.skipping = false;
                Ok(true)
            }
            Some([] | [b'\r']) => {
                input.skip(end);
                Ok(false)
            }
            _ => Err(LineError::Bare),
        }
    }
}
