//! Replies: whether it was done, a code for programs, and text for people.

mod code;
mod reader;
#[cfg(test)]
mod tests;

pub use code::ResponseCode;
pub(super) use reader::fault;
pub use reader::{Error, LINE_READ_MAX};

use std::{borrow::Cow, fmt};
use trenza_wire::OutBuf;

/// The longest first line of a reply in bytes, with its CRLF (RFC 2449 section 4).
pub const LINE_MAX: usize = 512;

/// What a reply begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// `+OK`: it was done.
    Ok,
    /// `-ERR`: it was not.
    Err,
    /// `+`: a challenge of a login; the client's response is to follow (RFC 5034 section 4).
    Challenge,
}

/// The first line of a reply. It is an error, too: what refuses something fails with one.
///
/// ```
/// use trenza_mail::pop3::{Reply, ResponseCode};
///
/// let reply = Reply::err("The mailbox is in use").code(ResponseCode::InUse);
/// assert_eq!(reply.to_string(), "-ERR [IN-USE] The mailbox is in use");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    status: Status,
    code: Option<ResponseCode>,
    text: Cow<'static, str>,
}

impl Reply {
    /// It was done.
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Ok, code: None, text: text.into() }
    }

    /// It was not.
    pub fn err(text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Err, code: None, text: text.into() }
    }

    /// A challenge, in base64.
    pub fn challenge(text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Challenge, code: None, text: text.into() }
    }

    /// The same with a code (RFC 2449 section 8, RFC 3206).
    #[must_use]
    pub fn code(self, code: ResponseCode) -> Self {
        Self { code: Some(code), ..self }
    }

    /// What it begins with.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The code, if it has one.
    pub fn response_code(&self) -> Option<&ResponseCode> {
        self.code.as_ref()
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What an error says to a client: itself if it is a reply; of any other the client learns no more than that
    /// something does not work just now.
    pub fn of(error: &trenza_core::Error) -> Self {
        error.downcast_ref().cloned().unwrap_or_else(|| {
            tracing::error!(%error, "a mailbox cannot be read");
            Self::err("Something does not work just now, try again later").code(ResponseCode::SysTemp)
        })
    }

    /// Appends it as a line of at most [`LINE_MAX`] bytes; what is longer is cut. What is not printable ASCII becomes `?`.
    pub fn write(&self, out: &mut OutBuf) {
        let plain = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
        // A challenge is as long as it is.
        let most = if self.status == Status::Challenge { usize::MAX } else { LINE_MAX - 2 };
        let line: String = self.line().chars().map(plain).take(most).collect();
        out.push_slice(line.as_bytes());
        out.push_slice(b"\r\n");
    }

    fn line(&self) -> String {
        let start = match self.status {
            Status::Ok => "+OK",
            Status::Err => "-ERR",
            // Behind it stands a space, whatever follows (RFC 5034 section 4).
            Status::Challenge => return format!("+ {}", self.text),
        };
        match (&self.code, self.text.is_empty()) {
            (None, true) => start.to_owned(),
            (None, false) => format!("{start} {}", self.text),
            (Some(code), true) => format!("{start} [{code}]"),
            (Some(code), false) => format!("{start} [{code}] {}", self.text),
        }
    }
}

impl std::error::Error for Reply {}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a terminal would take for its own commands is not shown as it is.
        let shown: String = self.line().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        f.write_str(&shown)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
