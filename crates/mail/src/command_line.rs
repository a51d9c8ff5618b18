//! [`Reader`]: the commands of a connection, at the server's end, as SMTP and POP3 have them: lines that end in CRLF.

use crate::sasl::{self, Response};
use memchr::memchr2;
use trenza_wire::{Input, InputError};

/// What a client can say in a line.
pub trait Spoken: Sized {
    /// What a client is told.
    type Reply;

    /// How long a line may be that begins so, in bytes with its CRLF. The verb is there before a line can be too long.
    fn line_max(line: &[u8]) -> usize;

    /// Reads a line without its end.
    ///
    /// # Errors
    /// What is to be answered: it is no command, or its arguments are wrong.
    fn read(line: &[u8]) -> Result<Self, Self::Reply>;

    /// What is answered to what is no command at all.
    fn refusal(fault: Fault) -> Self::Reply;
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A CR or LF stands alone.
    Bare,
    /// It is too long.
    TooLong,
    /// A line of a login is no base64.
    Base64,
}

impl Fault {
    /// What can be said of it, whatever the protocol.
    pub fn text(self) -> &'static str {
        match self {
            Self::Bare => "A CR or LF stands alone: lines end in CRLF",
            Self::TooLong => "The line is too long",
            Self::Base64 => "This is no base64",
        }
    }
}

/// What is wrong with what a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation<R> {
    /// It was not understood: to be answered so. What was wrong is taken, and the next command can be read.
    Refused(R),
    /// A CR or LF stands alone, which others might take for the end of a line: somebody may try to smuggle commands past
    /// one of them. To be answered so, and the connection closed; nothing more can be read.
    Fatal(R),
}

/// Takes commands from a connection.
///
/// Lines end in CRLF, and nowhere else is there a CR or LF. A line that is too long is refused once, and passed over.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    /// The rest of a line that is too long is to come.
    skipping: bool,
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
    pub fn next<C: Spoken>(&mut self, input: &mut Input<'_>) -> Result<Option<C>, Violation<C::Reply>> {
        match self.line(input, C::line_max) {
            Ok(Some(line)) => C::read(line).map(Some).map_err(Violation::Refused),
            Ok(None) => Ok(None),
            Err(fault) => Err(violation::<C>(fault)),
        }
    }

    /// The next line of a login; None until it is whole.
    ///
    /// # Errors
    /// As [`Reader::next`]; what is no base64 is refused.
    pub fn response<C: Spoken>(
        &mut self,
        input: &mut Input<'_>,
    ) -> Result<Option<Response>, Violation<C::Reply>> {
        match self.line(input, |_| sasl::LINE_MAX) {
            Ok(Some(line)) => Response::parse(line).map(Some).ok_or_else(|| violation::<C>(Fault::Base64)),
            Ok(None) => Ok(None),
            Err(fault) => Err(violation::<C>(fault)),
        }
    }

    /// The next line without its CRLF, of at most as many bytes with it as `most` says of a line that begins so; None
    /// until it is whole.
    fn line<'a>(
        &mut self,
        input: &mut Input<'a>,
        most: impl FnOnce(&[u8]) -> usize,
    ) -> Result<Option<&'a [u8]>, Fault> {
        if self.skipping && !self.skip(input)? {
            return Ok(None);
        }
        input.line(most(input.peek()).saturating_sub(2)).map_err(|error| match error {
            InputError::BareCr | InputError::BareLf => Fault::Bare,
            _ => {
                self.skipping = true;
                Fault::TooLong
            }
        })
    }

    /// Passes over the rest of a line; true when it has ended.
    fn skip(&mut self, input: &mut Input<'_>) -> Result<bool, Fault> {
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
            _ => Err(Fault::Bare),
        }
    }
}

fn violation<C: Spoken>(fault: Fault) -> Violation<C::Reply> {
    let reply = C::refusal(fault);
    if fault == Fault::Bare { Violation::Fatal(reply) } else { Violation::Refused(reply) }
}
