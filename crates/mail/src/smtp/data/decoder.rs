//! [`Decoder`]: a message as it comes behind DATA, and [`Lines`], which looks at one that comes by BDAT.

use memchr::memchr2;
use trenza_wire::Input;

/// A CR or LF that stands alone in a message. What some programs take for an end of line and others not is what SMTP
/// smuggling is made of, so such a message is to be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a CR or LF stands alone in the message")]
pub struct Bare;

/// What a [`Decoder`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the message, without the dots that were put before others.
    Bytes(&'a [u8]),
    /// The message is whole. What follows is the next command.
    End,
}

/// Takes a message from a connection, in pieces.
///
/// It ends with CRLF, a dot and CRLF and with nothing else, whatever stands in it: after a [`Bare`] is reported it can be
/// read on, to its end, so that the refusal comes where the client looks for it.
///
/// ```
/// use std::cell::Cell;
/// use trenza_mail::smtp::data::{Decoder, Piece};
/// use trenza_wire::Input;
///
/// let frozen = Cell::new(false);
/// let mut input = Input::new(b"a\r\n..b\r\n.\r\nQUIT\r\n", &frozen, 4096);
/// let mut decoder = Decoder::new();
/// let mut text = Vec::new();
/// while let Some(Piece::Bytes(bytes)) = decoder.next(&mut input)? {
///     text.extend_from_slice(bytes);
/// }
/// assert_eq!(text, b"a\r\n.b\r\n");
/// assert_eq!(input.rest(), b"QUIT\r\n");
/// # Ok::<(), trenza_mail::smtp::data::Bare>(())
/// ```
#[derive(Debug, Clone)]
pub struct Decoder {
    at_line_start: bool,
    /// A bare CR or LF was reported: others are passed on.
    is_broken: bool,
}

impl Decoder {
    /// At the start of a message.
    pub fn new() -> Self {
        Self { at_line_start: true, is_broken: false }
    }

    /// The next piece; None until more has come. At most two bytes are left unread then.
    ///
    /// # Errors
    /// [`Bare`], once for a message.
    pub fn next<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<Piece<'a>>, Bare> {
        let unread = input.peek();
        if self.at_line_start && unread.first() == Some(&b'.') {
            match unread.get(1..3) {
                Some(b"\r\n") => {
                    input.skip(3);
                    return Ok(Some(Piece::End));
                }
                None if matches!(unread, b"." | b".\r") => return Ok(None),
                _ => {
                    input.skip(1);
                    self.at_line_start = false;
                }
            }
        }
        let unread = input.peek();
        let (end, bare) = self.scan(unread);
        if bare {
            self.is_broken = true;
            return Err(Bare);
        }
        Ok(Some(Piece::Bytes(input.up_to(end))).filter(|_| end > 0))
    }

    /// Where the bytes end that can be passed on as they are; and whether a bare CR or LF comes first.
    fn scan(&mut self, unread: &[u8]) -> (usize, bool) {
        let mut at = 0;
        loop {
            let rest = unread.get(at..).unwrap_or_default();
            if self.at_line_start && rest.first() == Some(&b'.') {
                return (at, false);
            }
            let Some(found) = memchr2(b'\r', b'\n', rest) else {
                self.at_line_start &= rest.is_empty();
                return (unread.len(), false);
            };
            self.at_line_start &= found == 0;
            match rest.get(found..) {
                Some([b'\r', b'\n', ..]) => {
                    at += found + 2;
                    self.at_line_start = true;
                }
                Some([b'\r']) => return (at + found, false),
                _ if self.is_broken => {
                    at += found + 1;
                    self.at_line_start = false;
                }
                // What stands before it is passed on first, so that the state is that of the first unread byte.
                _ => return (at + found, at + found == 0),
            }
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Looks whether what comes in chunks is lines that end in CRLF.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lines {
    after_cr: bool,
}

impl Lines {
    /// Looks at more of it.
    ///
    /// # Errors
    /// [`Bare`].
    pub fn check(&mut self, bytes: &[u8]) -> Result<(), Bare> {
        let mut rest = bytes;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").ok_or(Bare)?;
        }
        while let Some(at) = memchr2(b'\r', b'\n', rest) {
            match rest.get(at..) {
                Some([b'\r', b'\n', ..]) => rest = rest.get(at + 2..).unwrap_or_default(),
                Some([b'\r']) => {
                    self.after_cr = true;
                    return Ok(());
                }
                _ => return Err(Bare),
            }
        }
        Ok(())
    }

    /// It ends here.
    ///
    /// # Errors
    /// [`Bare`].
    pub fn finish(self) -> Result<(), Bare> {
        if self.after_cr { Err(Bare) } else { Ok(()) }
    }
}
