//! [`Reading`]: a message on its way from its file to the client.

use crate::pop3::text::Encoder;
use memchr::memchr;
use std::sync::Arc;
use trenza_storage::{File, Result};

/// How many bytes of a message are read at once, and are in memory of one session. As lines for the client they may be
/// twice as many.
pub(super) const PIECE: usize = 256 * 1024;
/// The same where only the beginning is wanted.
const TOP_PIECE: usize = 16 * 1024;

/// A message that is being read, off the loop.
pub(super) struct Reading {
    file: Arc<dyn File>,
    at: u64,
    encoder: Encoder,
    /// TOP: what is to come.
    top: Option<Top>,
}

/// A piece of a message, as it goes to the client.
pub(super) struct Piece {
    pub(super) text: Vec<u8>,
    /// What the next piece comes from; None: it was the last one.
    pub(super) rest: Option<Reading>,
}

impl Reading {
    /// A message; of its body so many lines, or all of it.
    pub(super) fn new(file: Arc<dyn File>, lines: Option<u64>) -> Self {
        Self { file, at: 0, encoder: Encoder::new(), top: lines.map(Top::new) }
    }

    /// Appends the next piece to `text`; true: it was the last one. This blocks.
    pub(super) fn next(&mut self, text: &mut Vec<u8>) -> Result<bool> {
        let left = self.file.opened().size.saturating_sub(self.at);
        let most = if self.top.is_some() { TOP_PIECE } else { PIECE };
        let mut bytes = vec![0; usize::try_from(left).unwrap_or(most).min(most)];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.at + done as u64)? {
                0 => break,
                count => done += count,
            }
        }
        self.at += done as u64;
        let mut is_last = done < bytes.len() || done as u64 == left;
        let mut wanted = bytes.get(..done).unwrap_or_default();
        if let Some(top) = &mut self.top {
            let end = top.look(wanted);
            is_last |= end.is_some();
            wanted = wanted.get(..end.unwrap_or(wanted.len())).unwrap_or_default();
        }
        text.reserve(wanted.len() + 16);
        self.encoder.encode(wanted, text);
        if is_last {
            self.encoder.clone().finish(text);
        }
        Ok(is_last)
    }

    /// The next piece by itself. This blocks.
    pub(super) fn piece(mut self) -> Result<Piece> {
        let mut text = Vec::new();
        let is_last = self.next(&mut text)?;
        Ok(Piece { text, rest: (!is_last).then_some(self) })
    }
}

/// Finds where the header and so many lines of the body end.
struct Top {
    lines: u64,
    in_header: bool,
    /// Bytes of the line that has begun, without CR.
    in_line: bool,
}

impl Top {
    fn new(lines: u64) -> Self {
        Self { lines, in_header: true, in_line: false }
    }

    /// Looks at more of the message: where in it what is wanted ends, if it does.
    fn look(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if !self.in_header && self.lines == 0 {
                return Some(at);
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let end = memchr(b'\n', rest);
            let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            self.in_line |= line.iter().any(|byte| *byte != b'\r');
            at += end? + 1;
            let is_empty = !std::mem::take(&mut self.in_line);
            if !self.in_header {
                self.lines -= 1;
            } else if is_empty {
                self.in_header = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `lines` lines of it are, if it comes in pieces of this size.
    fn top(message: &[u8], lines: u64, size: usize) -> Vec<u8> {
        let (mut top, mut seen) = (Top::new(lines), Vec::new());
        for piece in message.chunks(size) {
            let end = top.look(piece);
            seen.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
            if end.is_some() {
                break;
            }
        }
        seen
    }

    #[test]
    fn the_header_and_so_many_lines() {
        for (message, lines, wanted) in [
            (&b"a: b\r\n\r\nc\r\nd\r\n"[..], 0, &b"a: b\r\n\r\n"[..]),
            (b"a: b\r\n\r\nc\r\nd\r\n", 1, b"a: b\r\n\r\nc\r\n"),
            (b"a: b\r\n\r\nc\r\nd\r\n", 2, b"a: b\r\n\r\nc\r\nd\r\n"),
            (b"a: b\r\n\r\nc\r\nd\r\n", 9, b"a: b\r\n\r\nc\r\nd\r\n"),
            (b"a: b\n\n\n\nd", 2, b"a: b\n\n\n\n"),
            (b"\r\nc\r\nd", 1, b"\r\nc\r\n"),
            (b"a: b\r\nc: d", 0, b"a: b\r\nc: d"),
            (b"", 0, b""),
        ] {
            for size in 1..=message.len().max(1) {
                assert_eq!(
                    top(message, lines, size),
                    wanted,
                    "{} in pieces of {size}",
                    message.escape_ascii()
                );
            }
        }
    }
}
