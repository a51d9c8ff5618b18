//! [`Reader`]: the replies of a control connection.

use super::{Error, Reply};
use crate::{Code, command::IAC};
use trenza_wire::{
    Input,
    reply::{ReplyLimits, ReplyLines},
};

/// What a reply may have at most, if nobody says otherwise: lines of 8 KiB, 4096 of them, since listings may come over the
/// control connection, and 256 KiB in all.
pub const LIMITS: ReplyLimits = ReplyLimits { line: 8192, lines: 4096, bytes: 256 * 1024 };

/// Takes replies from a control connection, at the client's end.
///
/// Lines of a reply may begin with any digits (RFC 959 section 4.2): it ends with a line that has its code and a space,
/// and nothing else ends it. Where servers put the code before each line, it is taken off.
#[derive(Debug, Clone)]
pub struct Reader {
    framing: ReplyLines,
    lines: Vec<Vec<u8>>,
}

impl Reader {
    /// At the start of a connection.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { framing: ReplyLines::free(limits), lines: Vec::new() }
    }

    /// Whether a reply has begun and is not whole.
    pub fn is_within(&self) -> bool {
        self.framing.is_within()
    }

    /// The next reply; None until it is whole.
    ///
    /// # Errors
    /// The server's: it does not speak FTP, or a limit is exceeded. Nothing of use follows.
    pub fn next(&mut self, input: &mut Input<'_>) -> Result<Option<Reply>, Error> {
        while let Some(line) = self.framing.next(input)? {
            let Some(code) = Code::new(line.code) else {
                return Err(Error::Remote { what: "a reply has no code", reply: () });
            };
            self.lines.push(plain(line.text));
            if line.is_last {
                return Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) }));
            }
        }
        Ok(None)
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(LIMITS)
    }
}

/// The text with Telnet's doubled byte made a single one.
fn plain(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        plain.push(*byte);
        if *byte == IAC && bytes.peek() == Some(&&IAC) {
            bytes.next();
        }
    }
    plain
}
