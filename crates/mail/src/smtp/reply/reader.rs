//! [`Reader`]: the replies of a connection.

use super::{Code, Error, Reply, Status};
use std::borrow::Cow;
use trenza_wire::Input;

/// What a reply may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLimits {
    /// The longest line in bytes, without its end. 2048: more than the 512 of RFC 5321, which some servers exceed.
    pub line: usize,
    /// The most lines. 128.
    pub lines: usize,
    /// The most bytes of text in all. 64 KiB.
    pub bytes: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self { line: 2048, lines: 128, bytes: 64 * 1024 }
    }
}

/// Takes replies from a connection, at the client's end.
///
/// Every line of a reply begins with the same code, and lines end in CRLF; what does not is a fault. A status that
/// stands before each line (RFC 2034) is taken off. Text that is no UTF-8 is mended.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    limits: ReplyLimits,
    begun: Option<Reply>,
    lines: usize,
}

impl Reader {
    /// At the start of a connection.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether a reply has begun and is not whole.
    pub fn is_within(&self) -> bool {
        self.begun.is_some()
    }

    /// The next reply; None until it is whole.
    ///
    /// # Errors
    /// The server's: it does not speak SMTP, or a limit is exceeded. Nothing of use follows.
    pub fn next(&mut self, input: &mut Input<'_>) -> Result<Option<Reply>, Error> {
        loop {
            let line = match input.line(self.limits.line) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(None),
                Err(_) => return fault("a line of a reply is too long, or does not end in CRLF"),
            };
            let Some(code) = Code::of_line(line) else { return fault("a reply has no code") };
            let is_last = match line.get(3) {
                Some(b' ') | None => true,
                Some(b'-') => false,
                Some(_) => return fault("a reply has no code"),
            };
            let text = String::from_utf8_lossy(line.get(4..).unwrap_or_default());
            self.add(code, text)?;
            if is_last {
                self.lines = 0;
                return Ok(self.begun.take());
            }
        }
    }

    fn add(&mut self, code: Code, text: Cow<'_, str>) -> Result<(), Error> {
        self.lines += 1;
        let bytes = text.len() + self.begun.as_ref().map_or(0, |reply| reply.text.len() + 1);
        if self.lines > self.limits.lines || bytes > self.limits.bytes {
            return fault("a reply is too long");
        }
        let of_code = |status: &Status| u16::from(status.class()) == code.number() / 100;
        let split = Status::split(&text).filter(|(status, _)| of_code(status));
        let Some(reply) = &mut self.begun else {
            let (status, text) = match split {
                Some((status, rest)) => (Some(status), rest.to_owned()),
                None => (None, text.into_owned()),
            };
            self.begun = Some(Reply { code, status, text: text.into() });
            return Ok(());
        };
        if reply.code != code {
            return fault("a reply has several codes");
        }
        let text = match split {
            Some((status, rest)) if Some(status) == reply.status => rest,
            _ => &text,
        };
        let whole = reply.text.to_mut();
        whole.push('\n');
        whole.push_str(text);
        Ok(())
    }
}

fn fault<T>(what: &'static str) -> Result<T, Error> {
    Err(Error::Remote { what, reply: () })
}
