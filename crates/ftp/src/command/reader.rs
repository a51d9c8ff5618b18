//! [`Reader`]: the commands of a control connection.

use super::{Command, Error, parse::fault};
use crate::Code;
use memchr::memchr;
use trenza_wire::{Input, InputError};

/// The longest command in bytes, without its line end: a path of 4096 bytes, and what stands before it.
pub const LINE_MAX: usize = 4200;

/// Telnet's "interpret as command" (RFC 854); twice, it stands for the byte itself.
pub(crate) const IAC: u8 = 255;
/// Telnet's commands with an option behind them: WILL to DONT.
const WITH_OPTION: std::ops::RangeInclusive<u8> = 251..=254;
/// The first of Telnet's commands: SE. Interrupt (IP, 244) and the data mark (DM, 242), which clients send before ABOR,
/// are among those that follow.
const FIRST_COMMAND: u8 = 240;

/// Takes commands from a control connection, at the server's end.
///
/// Lines end in CRLF, or in LF alone. Telnet's commands are passed over, wherever they stand: clients send them before
/// ABOR, as urgent data (RFC 959 section 4.1.3). A line that is too long is an error once, and passed over.
#[derive(Debug, Clone)]
pub struct Reader {
    line_max: usize,
    skipping: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(LINE_MAX)
    }
}

impl Reader {
    /// At the start of a connection; `line_max` is the longest line in bytes, without its end.
    pub fn new(line_max: usize) -> Self {
        Self { line_max, skipping: false }
    }

    /// The next command; None until it is whole.
    ///
    /// # Errors
    /// The client's: answer with the code and go on. What was wrong is taken.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use trenza_ftp::command::{Command, Reader};
    /// use trenza_wire::Input;
    ///
    /// let frozen = Cell::new(false);
    /// let mut input = Input::new(b"\xff\xf4\xff\xf2ABOR\r\ncwd  a b\nFOO\r\nQU", &frozen, 4096);
    /// let mut reader = Reader::default();
    /// assert_eq!(reader.next(&mut input)?, Some(Command::Abor));
    /// assert_eq!(reader.next(&mut input)?, Some(Command::Cwd(b" a b".to_vec())));
    /// assert!(reader.next(&mut input).is_err());
    /// assert_eq!(reader.next(&mut input)?, None);
    /// # Ok::<(), trenza_ftp::command::Error>(())
    /// ```
    pub fn next(&mut self, input: &mut Input<'_>) -> Result<Option<Command>, Error> {
        if self.skipping && !self.skip(input) {
            return Ok(None);
        }
        let line = match input.line_lf(self.line_max) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(InputError::LineTooLong { .. }) => {
                self.skipping = true;
                self.skip(input);
                return fault(Code::NOT_UNDERSTOOD, "the line is too long");
            }
            Err(_) => return fault(Code::NOT_UNDERSTOOD, "the line cannot be read"),
        };
        match plain(line) {
            Some(line) => Command::parse(&line).map(Some),
            None => Command::parse(line).map(Some),
        }
    }

    /// Passes over the rest of a line; true when it has ended.
    fn skip(&mut self, input: &mut Input<'_>) -> bool {
        let unread = input.peek();
        let end = memchr(b'\n', unread);
        input.skip(end.map_or(unread.len(), |at| at + 1));
        self.skipping = end.is_none();
        end.is_some()
    }
}

/// The line without Telnet's commands; None: there are none in it.
fn plain(line: &[u8]) -> Option<Vec<u8>> {
    let urgent = line.first().is_some_and(|first| *first >= FIRST_COMMAND);
    if !urgent && memchr(IAC, line).is_none() {
        return None;
    }
    let (mut plain, mut rest) = (Vec::with_capacity(line.len()), line);
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != IAC {
            // A command whose IAC was the urgent byte, and which got lost on the way: no verb begins so.
            if !(plain.is_empty() && *first >= FIRST_COMMAND) {
                plain.push(*first);
            }
            continue;
        }
        match after.first() {
            Some(&IAC) => {
                plain.push(IAC);
                rest = after.get(1..).unwrap_or_default();
            }
            Some(code) if WITH_OPTION.contains(code) => rest = after.get(2..).unwrap_or_default(),
            Some(code) if *code >= FIRST_COMMAND => rest = after.get(1..).unwrap_or_default(),
            // Clients that know no Telnet send the byte as it is, in names of older character sets.
            _ if !plain.is_empty() => plain.push(IAC),
            _ => {}
        }
    }
    Some(plain)
}
