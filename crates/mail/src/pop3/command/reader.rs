//! [`Reader`]: the commands of a connection.

use super::{super::Reply, Command};
use crate::{
    line::{LineError, LineReader},
    sasl::{self, Response},
};
use trenza_wire::Input;

/// The longest command in bytes, with its CRLF (RFC 2449 section 4).
pub const LINE_MAX: usize = 255;
/// The same for AUTH, and the longest line of a login (RFC 5034 section 4).
pub const AUTH_LINE_MAX: usize = sasl::LINE_MAX;

/// What is wrong with what a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// It was not understood: to be answered so. What was wrong is taken, and the next command can be read.
    Refused(Reply),
    /// A CR or LF stands alone. To be answered so, and the connection closed; nothing more can be read.
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
            None => Err(Violation::Refused(Reply::err("This is no base64"))),
        }
    }

    fn line<'a>(
        &mut self,
        input: &mut Input<'a>,
        most: impl FnOnce(&[u8]) -> usize,
    ) -> Result<Option<&'a [u8]>, Violation> {
        self.lines.next(input, most).map_err(|error| match error {
            LineError::Bare => Violation::Fatal(Reply::err("A CR or LF stands alone: lines end in CRLF")),
            LineError::TooLong => Violation::Refused(Reply::err("The line is too long")),
        })
    }
}

/// How long the line may be that begins so. The verb is there before a line can be too long for any.
fn line_max(line: &[u8]) -> usize {
    let is_auth = line.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
    if is_auth { AUTH_LINE_MAX } else { LINE_MAX }
}
