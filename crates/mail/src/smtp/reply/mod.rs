//! Replies: a code, a status for programs, and text for people.

mod code;
mod reader;
mod status;
#[cfg(test)]
mod tests;

pub use code::Code;
pub use reader::{LIMITS, Reader};
pub use status::Status;
pub use trenza_wire::reply::ReplyLimits;

use std::{borrow::Cow, fmt};
use trenza_wire::OutBuf;

/// The longest line of a reply in bytes, with its CRLF (RFC 5321 section 4.5.3.1.5).
pub const LINE_MAX: usize = 512;

/// What can be wrong with a reply: the server's fault, and nothing can be answered.
pub type Error = trenza_wire::reply::ReplyError;

/// A reply. It is an error, too: what refuses something fails with one.
///
/// ```
/// use trenza_mail::smtp::{Code, Reply, Status};
///
/// let reply = Reply::new(Code::REFUSED, Status::NO_MAILBOX, "No such user here");
/// assert_eq!(reply.to_string(), "550 5.1.1 No such user here");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    code: Code,
    status: Option<Status>,
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply. Each line of the text becomes one of the reply.
    pub fn new(code: Code, status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, status: Some(status), text: text.into() }
    }

    /// A reply without a status, as those to EHLO and those before it are.
    pub fn plain(code: Code, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, status: None, text: text.into() }
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The status, if it has one.
    pub fn status(&self) -> Option<Status> {
        self.status
    }

    /// The text, its lines with LF between them.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lines of the text, at least one.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n')
    }

    /// What an error says to a client: itself if it is a reply; of any other the client learns no more than that
    /// something does not work just now.
    pub fn of(error: &trenza_core::Error) -> Self {
        error.downcast_ref().cloned().unwrap_or_else(|| {
            tracing::error!(%error, "mail cannot be taken");
            Self::new(
                Code::LOCAL_ERROR,
                Status::LOCAL_ERROR,
                "Something does not work just now, try again later",
            )
        })
    }

    /// Appends it as RFC 5321 section 4.2 and RFC 2034 have it: the status before each line, lines of at most
    /// [`LINE_MAX`] bytes. What is not printable ASCII becomes `?`.
    pub fn write(&self, out: &mut OutBuf) {
        let head = match self.status {
            Some(status) => format!("{status} "),
            None => String::new(),
        };
        let most = LINE_MAX - 6 - head.len();
        let mut lines = self.lines().flat_map(|line| split(line, most)).peekable();
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            let plain = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
            let text: String = line.chars().map(plain).collect();
            out.push_slice(format!("{}{mark}{head}{text}\r\n", self.code).as_bytes());
        }
    }
}

/// The line in parts of at most `most` characters: at least one, which may be empty.
fn split(line: &str, most: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let all = rest.take()?;
        let Some((at, _)) = all.char_indices().nth(most) else { return Some(all) };
        let (part, after) = all.split_at(at);
        rest = Some(after);
        Some(part)
    })
}

impl std::error::Error for Reply {}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.code)?;
        if let Some(status) = self.status {
            write!(f, "{status} ")?;
        }
        // What a terminal would take for its own commands is not shown as it is.
        let shown: String = self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        f.write_str(&shown)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
