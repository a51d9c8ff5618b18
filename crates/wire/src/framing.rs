//! Messages in a stream of bytes: [netstrings](netstring) and strings with their length before them ([`Prefix`]).
//!
//! Readers take a whole message from an [`Input`] or nothing: what is not whole is offered again with more behind
//! it. They fail as soon as the bytes cannot become a message any more, however they come, and take nothing then.
//! A message is unread until it is whole, so each has a limit that the connection's unread limit must exceed by the
//! few bytes around the string.
//!
//! Lines need nothing of this: [`Input::line`] reads them, and a protocol that changes to raw bytes and back calls
//! another method of the same input. Here a line says how many bytes follow:
//!
//! ```
//! use std::cell::Cell;
//! use trenza_wire::{Input, OutBuf};
//!
//! /// Shouts lines; `DATA n` has the next n bytes copied as they are.
//! #[derive(Default)]
//! struct Shout {
//!     raw: usize,
//! }
//!
//! impl Shout {
//!     fn received(&mut self, input: &mut Input<'_>, out: &mut OutBuf) -> Result<(), Box<dyn std::error::Error>> {
//!         loop {
//!             let piece = input.up_to(self.raw);
//!             out.push_slice(piece);
//!             self.raw -= piece.len();
//!             if self.raw > 0 {
//!                 return Ok(());
//!             }
//!             let Some(line) = input.line(512)? else { return Ok(()) };
//!             match line.strip_prefix(b"DATA ") {
//!                 Some(length) => self.raw = std::str::from_utf8(length)?.parse()?,
//!                 None => out.push_vec(line.to_ascii_uppercase()),
//!             }
//!         }
//!     }
//! }
//!
//! let (frozen, mut out) = (Cell::new(false), OutBuf::new());
//! let mut input = Input::new(b"hello\r\nDATA 6\r\na\r\nb\r\nyou\r\nDATA 9\r\nand so", &frozen, 64 * 1024);
//! let mut shout = Shout::default();
//! shout.received(&mut input, &mut out)?;
//! assert_eq!(out.to_vec()?, b"HELLOa\r\nb\r\nYOUand so");
//! assert_eq!(shout.raw, 3); // and lines after them
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where all of the raw bytes are wanted at once, [`Input::take`] gives them.

use crate::{Input, OutBuf, ProtocolError};
use std::ops::ControlFlow;

/// What can be wrong with a message: ours, when the caller's limits or bytes cannot be; else the peer's.
pub type Error = ProtocolError<()>;

/// The most bytes around the string in any message of this module: the digits of a length, a colon, a comma.
const AROUND_MAX: usize = 22;

/// A string framed as `5:hello,`, without its frame, or None until it is whole. The length is in decimal digits
/// without leading zeros.
///
/// ```
/// use std::cell::Cell;
/// use trenza_wire::{Input, OutBuf, framing};
///
/// let mut out = OutBuf::new();
/// framing::write_netstring(b"hello", &mut out);
/// framing::write_netstring(b"", &mut out);
/// let bytes = out.to_vec()?;
/// assert_eq!(bytes, b"5:hello,0:,");
///
/// let frozen = Cell::new(false);
/// let mut input = Input::new(&bytes, &frozen, 64 * 1024);
/// assert_eq!(framing::netstring(&mut input, 512)?, Some(&b"hello"[..]));
/// assert_eq!(framing::netstring(&mut input, 512)?, Some(&b""[..]));
/// assert_eq!(framing::netstring(&mut input, 512)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The peer's: no such frame; a length of over `max` bytes, at once and not when the bytes are there. Ours: the
/// connection may not hold `max` bytes and their frame unread.
pub fn netstring<'a>(input: &mut Input<'a>, max: usize) -> Result<Option<&'a [u8]>, Error> {
    fits(input, max)?;
    let mut length = None;
    for (at, byte) in input.peek().iter().enumerate() {
        match digit(length, *byte, max)? {
            ControlFlow::Continue(longer) => length = Some(longer),
            ControlFlow::Break(length) => return body(input, at + 1, length, b","),
        }
    }
    Ok(None)
}

/// Appends `data` as a [`netstring`].
pub fn write_netstring(data: &[u8], out: &mut OutBuf) {
    out.push_slice(data.len().to_string().as_bytes());
    out.push_slice(b":");
    out.push_slice(data);
    out.push_slice(b",");
}

/// The length before a string: an unsigned number, most significant byte first, that does not count itself.
///
/// ```
/// use std::cell::Cell;
/// use trenza_wire::{Input, OutBuf, framing::Prefix};
///
/// let mut out = OutBuf::new();
/// Prefix::U16.write(b"hello", &mut out)?;
/// let bytes = out.to_vec()?;
/// assert_eq!(bytes, b"\0\x05hello");
///
/// let frozen = Cell::new(false);
/// let mut input = Input::new(&bytes, &frozen, 64 * 1024);
/// assert_eq!(Prefix::U16.read(&mut input, 512)?, Some(&b"hello"[..]));
/// assert!(Prefix::U8.write(&[b'a'; 256], &mut out).is_err_and(|error| error.is_local()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// One byte: strings of up to 255 bytes.
    U8,
    /// Two bytes: up to 65,535.
    U16,
    /// Four bytes: up to 4,294,967,295.
    U32,
}

impl Prefix {
    /// A string without its length, or None until it is whole.
    ///
    /// # Errors
    /// The peer's: a length of over `max` bytes, as soon as it is known. Ours: the connection may not hold the
    /// longest string unread: of `max` bytes, or what the length can say if that is less.
    pub fn read<'a>(self, input: &mut Input<'a>, max: usize) -> Result<Option<&'a [u8]>, Error> {
        fits(input, max.min(self.longest()))?;
        let Some(prefix) = input.peek().get(..self.size()) else { return Ok(None) };
        let length = prefix.iter().fold(0, |length: usize, byte| length << 8 | usize::from(*byte));
        if length > max {
            return fault("a string is longer than the limit");
        }
        body(input, self.size(), length, b"")
    }

    /// Appends `data` behind its length.
    ///
    /// # Errors
    /// Ours: `data` is longer than the length can say; nothing is appended.
    pub fn write(self, data: &[u8], out: &mut OutBuf) -> Result<(), Error> {
        if data.len() > self.longest() {
            return Err(Error::Local("a string is longer than its length can say"));
        }
        let length = (data.len() as u64).to_be_bytes();
        out.push_slice(length.get(length.len() - self.size()..).unwrap_or_default());
        out.push_slice(data);
        Ok(())
    }

    fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
        }
    }

    fn longest(self) -> usize {
        usize::MAX >> (usize::BITS as usize - 8 * self.size())
    }
}

/// A limit that the connection cannot meet shows with the first byte, not with the first long message.
fn fits(input: &Input<'_>, max: usize) -> Result<(), Error> {
    if max.saturating_add(AROUND_MAX) > input.unread_max() {
        return Err(Error::Local("the limit of a message is over the connection's unread limit"));
    }
    Ok(())
}

/// The length of a netstring after one more byte: Break at the colon.
fn digit(length: Option<usize>, byte: u8, max: usize) -> Result<ControlFlow<usize, usize>, Error> {
    let longer = match (length, byte) {
        (Some(length), b':') => return Ok(ControlFlow::Break(length)),
        (Some(0), b'0'..=b'9') => return fault("a netstring's length begins with a zero"),
        (length, b'0'..=b'9') => {
            length.unwrap_or(0).saturating_mul(10).saturating_add(usize::from(byte - b'0'))
        }
        _ => return fault("a netstring has no length"),
    };
    if longer > max {
        return fault("a netstring is longer than the limit");
    }
    Ok(ControlFlow::Continue(longer))
}

/// Takes a message of `head` bytes, `length` bytes and `end`; gives those in the middle.
fn body<'a>(
    input: &mut Input<'a>,
    head: usize,
    length: usize,
    end: &[u8],
) -> Result<Option<&'a [u8]>, Error> {
    let after = head.saturating_add(length);
    let unread = input.peek();
    let Some(found) = unread.get(after..).and_then(|rest| rest.get(..end.len())) else { return Ok(None) };
    if found != end {
        return fault("a netstring has no comma at its end");
    }
    input.skip(after + end.len());
    Ok(unread.get(head..after))
}

fn fault<T>(what: &'static str) -> Result<T, Error> {
    Err(Error::Remote { what, reply: () })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    type Read = fn(&mut Input<'_>) -> Result<Option<Vec<u8>>, Error>;

    const NET: Read = |input| Ok(netstring(input, 12)?.map(<[u8]>::to_vec));
    const U8: Read = |input| Ok(Prefix::U8.read(input, 12)?.map(<[u8]>::to_vec));
    const U16: Read = |input| Ok(Prefix::U16.read(input, 12)?.map(<[u8]>::to_vec));
    const U32: Read = |input| Ok(Prefix::U32.read(input, 12)?.map(<[u8]>::to_vec));

    /// The strings in `pieces`, and what was wrong after them.
    fn all(read: Read, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<&'static str>) {
        let (frozen, mut unread, mut strings) = (Cell::new(false), Vec::new(), Vec::new());
        for piece in pieces {
            unread.extend_from_slice(piece);
            let mut input = Input::new(&unread, &frozen, 64);
            loop {
                match read(&mut input) {
                    Ok(Some(string)) => strings.push(string),
                    Ok(None) => break,
                    Err(Error::Remote { what, .. }) => return (strings, Some(what)),
                    Err(Error::Local(what)) => panic!("the peer's bytes are not our fault: {what}"),
                }
            }
            let taken = input.taken();
            unread.drain(..taken);
        }
        (strings, None)
    }

    /// What is read of `bytes`, the same at every cut and byte for byte.
    fn seen(read: Read, bytes: &[u8]) -> (Vec<Vec<u8>>, Option<&'static str>) {
        let whole = all(read, &[bytes]);
        for at in 0..=bytes.len() {
            let (before, after) = bytes.split_at(at);
            assert_eq!(all(read, &[before, after]), whole, "{bytes:?} cut at {at}");
        }
        assert_eq!(all(read, &bytes.chunks(1).collect::<Vec<_>>()), whole, "{bytes:?} byte for byte");
        whole
    }

    fn ok(strings: &[&[u8]]) -> (Vec<Vec<u8>>, Option<&'static str>) {
        (strings.iter().map(|string| string.to_vec()).collect(), None)
    }

    #[test]
    fn strings_are_the_same_at_every_cut() {
        assert_eq!(
            seen(NET, b"5:hello,0:,12:hello, world,3:,:,,"),
            ok(&[b"hello", b"", b"hello, world", b",:,"])
        );
        assert_eq!(seen(U8, b"\x05hello\x00\x01a"), ok(&[b"hello", b"", b"a"]));
        assert_eq!(seen(U16, b"\0\x05hello\0\0\0\x01a"), ok(&[b"hello", b"", b"a"]));
        assert_eq!(seen(U32, b"\0\0\0\x05hello\0\0\0\0\0\0\0\x01a"), ok(&[b"hello", b"", b"a"]));
    }

    #[test]
    fn what_is_not_whole_waits() {
        for part in [&b""[..], b"1", b"12", b"5:", b"5:hello"] {
            assert_eq!(seen(NET, part), ok(&[]));
        }
        for part in [&b""[..], b"\0", b"\0\0\0", b"\0\0\0\x05hell"] {
            assert_eq!(seen(U32, part), ok(&[]));
        }
    }

    #[test]
    fn garbage_is_the_peers_fault() {
        for bytes in
            [&b"x"[..], b":", b":,", b"+5:hello,", b" 5:hello,", b"5 :hello,", b"5;hello,", b"-0:,", b"\xff"]
        {
            assert_eq!(seen(NET, bytes).1, Some("a netstring has no length"), "{bytes:?}");
        }
        for bytes in [&b"05:hello,"[..], b"00:,", b"00"] {
            assert_eq!(seen(NET, bytes).1, Some("a netstring's length begins with a zero"), "{bytes:?}");
        }
        for bytes in [&b"5:helloo"[..], b"5:hello\n", b"0:0", b"0:\0"] {
            assert_eq!(seen(NET, bytes).1, Some("a netstring has no comma at its end"), "{bytes:?}");
        }
        let after = seen(NET, b"1:a,x");
        assert_eq!(after, (vec![b"a".to_vec()], Some("a netstring has no length")));
    }

    #[test]
    fn lengths_over_the_limit_fail_before_the_bytes_come() {
        for bytes in [&b"13"[..], b"20", b"99999999999999999999999999"] {
            assert_eq!(seen(NET, bytes).1, Some("a netstring is longer than the limit"), "{bytes:?}");
        }
        for (read, bytes) in
            [(U8, &b"\x0d"[..]), (U16, b"\0\x0d"), (U16, b"\xff\xff"), (U32, b"\xff\xff\xff\xff")]
        {
            assert_eq!(seen(read, bytes).1, Some("a string is longer than the limit"), "{bytes:?}");
        }
    }

    #[test]
    fn a_limit_that_no_connection_meets_is_our_fault() {
        let frozen = Cell::new(false);
        let mut input = Input::new(b"1:a,", &frozen, 64);
        assert!(netstring(&mut input, 43).unwrap_err().is_local());
        assert!(Prefix::U32.read(&mut input, usize::MAX).unwrap_err().is_local());
        assert!(Prefix::U8.read(&mut input, usize::MAX).unwrap_err().is_local());
        assert_eq!(netstring(&mut input, 42), Ok(Some(&b"a"[..])));
        let mut input = Input::new(b"\x01a", &frozen, 255 + AROUND_MAX);
        assert_eq!(Prefix::U8.read(&mut input, usize::MAX), Ok(Some(&b"a"[..])));
    }

    #[test]
    fn frozen_input_gives_nothing() {
        let frozen = Cell::new(true);
        let mut input = Input::new(b"1:a,", &frozen, 64);
        assert_eq!(netstring(&mut input, 12), Ok(None));
        assert_eq!(Prefix::U8.read(&mut input, 12), Ok(None));
        assert_eq!(input.taken(), 0);
    }

    #[test]
    fn a_string_that_is_too_long_for_its_length_is_not_written() {
        for (prefix, longest) in [(Prefix::U8, 255), (Prefix::U16, 65_535)] {
            let mut out = OutBuf::new();
            prefix.write(&vec![b'a'; longest], &mut out).unwrap();
            assert_eq!(out.len(), prefix.size() + longest);
            assert!(prefix.write(&vec![b'a'; longest + 1], &mut out).unwrap_err().is_local());
            assert_eq!(out.len(), prefix.size() + longest);
        }
    }
}
