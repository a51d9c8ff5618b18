//! [`Reader`]: the replies of a connection.

use super::{Code, Error, Reply, Status};
use std::borrow::Cow;
use trenza_wire::{
    Input,
    reply::{ReplyLimits, ReplyLines},
};

/// What a reply may have at most, if nobody says otherwise: lines of 2048 bytes, more than the 512 of RFC 5321, which some
/// servers exceed; 128 of them, and 64 KiB in all.
pub const LIMITS: ReplyLimits = ReplyLimits { line: 2048, lines: 128, bytes: 64 * 1024 };

/// Takes replies from a connection, at the client's end.
///
/// Every line of a reply begins with the same code, and lines end in CRLF; what does not is a fault. A status that
/// stands before each line (RFC 2034) is taken off. Text that is no UTF-8 is mended, which may make it
/// longer.
#[derive(Debug, Clone)]
pub struct Reader {
    framing: ReplyLines,
    begun: Option<Reply>,
}

impl Reader {
    /// At the start of a connection.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { framing: ReplyLines::numbered(limits), begun: None }
    }

    /// Whether a reply has begun and is not whole.
    pub fn is_within(&self) -> bool {
        self.framing.is_within()
    }

    /// The next reply; None until it is whole.
    ///
    /// # Errors
    /// The server's: it does not speak SMTP, or a limit is exceeded. Nothing of use follows.
    pub fn next(&mut self, input: &mut Input<'_>) -> Result<Option<Reply>, Error> {
        while let Some(line) = self.framing.next(input)? {
            let Some(code) = Code::new(line.code) else {
                return Err(Error::Remote { what: "a reply has no code", reply: () });
            };
            self.add(code, String::from_utf8_lossy(line.text));
            if line.is_last {
                return Ok(self.begun.take());
            }
        }
        Ok(None)
    }

    fn add(&mut self, code: Code, text: Cow<'_, str>) {
        let of_code = |status: &Status| u16::from(status.class()) == code.number() / 100;
        let split = Status::split(&text).filter(|(status, _)| of_code(status));
        let Some(reply) = &mut self.begun else {
            let (status, text) = match split {
                Some((status, rest)) => (Some(status), rest.to_owned()),
                None => (None, text.into_owned()),
            };
            self.begun = Some(Reply { code, status, text: text.into() });
            return;
        };
        let text = match split {
            Some((status, rest)) if Some(status) == reply.status => rest,
            _ => &text,
        };
        let whole = reply.text.to_mut();
        whole.push('\n');
        whole.push_str(text);
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(LIMITS)
    }
}
