//! [`Reader`]: the commands of a connection.

use super::{
    super::{Code, Reply, Status},
    Command,
    parameters::{AUTH_MAX, ENVID_MAX, ORCPT_MAX},
};
use crate::{
    line::{LineError, LineReader},
    sasl::{self, Response},
};
use memchr::memchr;
use trenza_wire::Input;

/// The longest command in bytes, with its CRLF (RFC 5321 section 4.5.3.1.4).
pub const LINE_MAX: usize = 512;
/// The same for MAIL, which extensions lengthen: SIZE by 26 (RFC 1870), BODY by 17 (RFC 6152), SMTPUTF8 by 10 (RFC 6531),
/// RET, ENVID (RFC 3461) and AUTH (RFC 4954) by what they may have.
pub const MAIL_LINE_MAX: usize = LINE_MAX + 26 + 17 + 10 + 9 + (7 + ENVID_MAX) + (6 + AUTH_MAX);
/// The same for RCPT, which NOTIFY and ORCPT lengthen (RFC 3461).
pub const RCPT_LINE_MAX: usize = LINE_MAX + 29 + (7 + ORCPT_MAX);
/// The longest line of a login in bytes, with its CRLF (RFC 4954 section 4).
pub const AUTH_LINE_MAX: usize = sasl::LINE_MAX;

/// What is wrong with what a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// It was not understood: to be answered so. What was wrong is taken, and the next command can be read.
    Refused(Reply),
    /// A CR or LF stands alone, which others might take for the end of a line: somebody may try to smuggle commands past
    /// one of them. To be answered so, and the connection closed; nothing more can be read.
    Fatal(Reply),
}

/// Takes commands from a connection, at the server's end.
///
/// Lines end in CRLF, and nowhere else is there a CR or LF. A line that is too long is refused once, and passed over.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    lines: LineReader,
}

impl Reader {
    /// At the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next command; None until it is whole.
    ///
    /// # Errors
    /// The client's: see [`Violation`].
    pub fn next(&mut self, input: &mut Input<'_>) -> Result<Option<Command>, Violation> {
        match self.line(input, line_max)? {
            Some(line) => Command::parse(line).map(Some).map_err(Violation::Refused),
            None => Ok(None),
        }
    }

    /// The next line of a login; None until it is whole.
    ///
    /// # Errors
    /// As [`Reader::next`]; what is no base64 is refused.
    pub fn response(&mut self, input: &mut Input<'_>) -> Result<Option<Response>, Violation> {
        let Some(line) = self.line(input, |_| AUTH_LINE_MAX)? else { return Ok(None) };
        match Response::parse(line) {
            Some(response) => Ok(Some(response)),
            None => {
                let reply = Reply::new(Code::BAD_ARGUMENT, Status::SYNTAX, "This is no base64");
                Err(Violation::Refused(reply))
            }
        }
    }

    fn line<'a>(
        &mut self,
        input: &mut Input<'a>,
        most: impl FnOnce(&[u8]) -> usize,
    ) -> Result<Option<&'a [u8]>, Violation> {
        self.lines.next(input, most).map_err(|error| match error {
            LineError::Bare => bare(),
            LineError::TooLong => {
                Violation::Refused(Reply::new(Code::UNKNOWN, Status::SYNTAX, "The line is too long"))
            }
        })
    }
}

fn bare() -> Violation {
    Violation::Fatal(Reply::new(Code::UNKNOWN, Status::SYNTAX, "A CR or LF stands alone: lines end in CRLF"))
}

/// How long the line may be that begins so. The verb is there before a line can be too long for any.
fn line_max(line: &[u8]) -> usize {
    let verb = line.get(..memchr(b' ', line).unwrap_or(line.len()).min(5)).unwrap_or_default();
    match () {
        () if verb.eq_ignore_ascii_case(b"MAIL") => MAIL_LINE_MAX,
        () if verb.eq_ignore_ascii_case(b"RCPT") => RCPT_LINE_MAX,
        () if verb.eq_ignore_ascii_case(b"AUTH") => AUTH_LINE_MAX,
        () => LINE_MAX,
    }
}
