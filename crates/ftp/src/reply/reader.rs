//! [`Reader`]: the replies of a control connection.

use super::{Error, Reply};
use crate::{Code, command::IAC};
use trenza_wire::Input;

/// What a reply may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLimits {
    /// The longest line in bytes, without its end. 8192.
    pub line: usize,
    /// The most lines. 4096: listings may come over the control connection.
    pub lines: usize,
    /// The most bytes in all. 256 KiB.
    pub bytes: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self { line: 8192, lines: 4096, bytes: 256 * 1024 }
    }
}

/// Takes replies from a control connection, at the client's end.
///
/// Lines of a reply may begin with any digits (RFC 959 section 4.2): it ends with a line that has its code and a space,
/// and nothing else ends it. Where servers put the code before each line, it is taken off.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    limits: ReplyLimits,
    code: Option<Code>,
    lines: Vec<Vec<u8>>,
    bytes: usize,
}

impl Reader {
    /// At the start of a connection.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether a reply has begun and is not whole.
    pub fn is_within(&self) -> bool {
        self.code.is_some()
    }

    /// The next reply; None until it is whole.
    ///
    /// # Errors
    /// The server's: it does not speak FTP, or a limit is exceeded. Nothing of use follows.
    pub fn next(&mut self, input: &mut Input<'_>) -> Result<Option<Reply>, Error> {
        loop {
            let line = match input.line_lf(self.limits.line) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(None),
                Err(_) => return fault("a line of a reply is too long"),
            };
            self.bytes += line.len();
            if self.lines.len() >= self.limits.lines || self.bytes > self.limits.bytes {
                return fault("a reply is too long");
            }
            let Some(code) = self.code else {
                let Some(code) = Code::of_line(line) else { return fault("a reply has no code") };
                let text = line.get(4..).unwrap_or_default();
                self.lines.push(plain(text));
                match line.get(3) {
                    Some(b'-') => self.code = Some(code),
                    Some(b' ') | None => return Ok(Some(self.whole(code))),
                    Some(_) => return fault("a reply has no code"),
                }
                continue;
            };
            let own = Code::of_line(line) == Some(code);
            let (text, ends) = match line.get(3) {
                Some(b' ') | None if own => (line.get(4..).unwrap_or_default(), true),
                Some(b'-') if own => (line.get(4..).unwrap_or_default(), false),
                _ => (line, false),
            };
            self.lines.push(plain(text));
            if ends {
                return Ok(Some(self.whole(code)));
            }
        }
    }

    fn whole(&mut self, code: Code) -> Reply {
        self.code = None;
        self.bytes = 0;
        Reply { code, lines: std::mem::take(&mut self.lines) }
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

fn fault<T>(what: &'static str) -> Result<T, Error> {
    Err(Error::Remote { what, reply: () })
}
