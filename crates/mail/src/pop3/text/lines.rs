//! [`line`]: the lines of a listing, one by one.

use super::super::reply::{Error, LINE_READ_MAX, fault};
use trenza_wire::Input;

/// A line of a listing, or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line, without its end and without a dot that was doubled.
    Text(&'a [u8]),
    /// It was the last one.
    End,
}

/// The next line of a listing (CAPA, LIST, UIDL), at the client's end; None until it is whole.
///
/// # Errors
/// The server's: a line is too long, or does not end in CRLF.
pub fn line<'a>(input: &mut Input<'a>) -> Result<Option<Line<'a>>, Error> {
    match input.line(LINE_READ_MAX) {
        Ok(Some(b".")) => Ok(Some(Line::End)),
        Ok(Some(line)) => Ok(Some(Line::Text(line.strip_prefix(b".").unwrap_or(line)))),
        Ok(None) => Ok(None),
        Err(_) => fault("a line of a listing is too long, or does not end in CRLF"),
    }
}
