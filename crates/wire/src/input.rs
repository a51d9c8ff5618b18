//! [`Input`]: a cursor over the unread bytes of a connection.

use crate::InputError;
use memchr::memchr;
use std::cell::Cell;

/// A cursor over the unread bytes of a connection.
///
/// What is not taken is offered again, with more behind it. Slices borrow the buffer (`'a`), not
/// the cursor, so a line can be kept while the next one is read.
///
/// A connection freezes its input when its reader changes (a layer is pushed, the protocol is
/// switched, paused or closed): from then on every method finds nothing, so that the rest reaches
/// the next owner even if the old one's loop does not return.
#[derive(Debug)]
pub struct Input<'a> {
    data: &'a [u8],
    at: usize,
    frozen: &'a Cell<bool>,
    unread_max: usize,
}

impl<'a> Input<'a> {
    /// A cursor at the start of `data`; `unread_max` is the most that [`Input::take`] may ask for.
    pub fn new(data: &'a [u8], frozen: &'a Cell<bool>, unread_max: usize) -> Self {
        Self { data, at: 0, frozen, unread_max }
    }

    /// A line without its CRLF, or None until it is whole.
    ///
    /// # Errors
    /// No CRLF within `max` bytes and the line end; a CR or LF that stands alone.
    pub fn line(&mut self, max: usize) -> Result<Option<&'a [u8]>, InputError> {
        let window = self.window(max.saturating_add(2));
        let Some(end) = memchr(b'\n', window) else {
            let before_last = window.get(..window.len().saturating_sub(1)).unwrap_or_default();
            return match memchr(b'\r', before_last) {
                Some(_) => Err(InputError::BareCr),
                None => self.unless_full(window.len(), max.saturating_add(2), max),
            };
        };
        let line = window.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").ok_or(InputError::BareLf)?;
        if memchr(b'\r', line).is_some() {
            return Err(InputError::BareCr);
        }
        self.at += end + 1;
        Ok(Some(line))
    }

    /// A line that ends in LF, or None until it is whole; one CR before the LF is removed.
    ///
    /// # Errors
    /// No LF within `max` bytes and the line end.
    pub fn line_lf(&mut self, max: usize) -> Result<Option<&'a [u8]>, InputError> {
        let window = self.window(max.saturating_add(2));
        let Some(end) = memchr(b'\n', window) else {
            return self.unless_full(window.len(), max.saturating_add(2), max);
        };
        let line = window.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > max {
            return Err(InputError::LineTooLong { max });
        }
        self.at += end + 1;
        Ok(Some(line))
    }

    /// Exactly `n` bytes, or None until they are all there.
    ///
    /// # Errors
    /// At once when `n` is over the unread limit, since it could never be met.
    pub fn take(&mut self, n: usize) -> Result<Option<&'a [u8]>, InputError> {
        if n > self.unread_max {
            return Err(InputError::TooLarge { wanted: n, max: self.unread_max });
        }
        if self.len() < n {
            return Ok(None);
        }
        Ok(Some(self.up_to(n)))
    }

    /// At most `n` bytes, for bodies that are streamed on.
    pub fn up_to(&mut self, n: usize) -> &'a [u8] {
        let piece = self.window(n);
        self.at += piece.len();
        piece
    }

    /// Everything that is there.
    pub fn rest(&mut self) -> &'a [u8] {
        self.up_to(usize::MAX)
    }

    /// Everything that is there, without taking it.
    pub fn peek(&self) -> &'a [u8] {
        self.window(usize::MAX)
    }

    /// Takes `n` bytes unseen, or as many as there are.
    pub fn skip(&mut self, n: usize) {
        self.up_to(n);
    }

    /// The number of bytes that are there.
    pub fn len(&self) -> usize {
        self.peek().len()
    }

    /// True when nothing is there, or when the input was frozen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most that [`Input::take`] may ask for: what the connection may hold unread.
    pub fn unread_max(&self) -> usize {
        self.unread_max
    }

    /// How many bytes were taken since the cursor was made.
    pub fn taken(&self) -> usize {
        self.at
    }

    fn window(&self, most: usize) -> &'a [u8] {
        if self.frozen.get() {
            return &[];
        }
        let rest = self.data.get(self.at..).unwrap_or_default();
        rest.get(..most).unwrap_or(rest)
    }

    fn unless_full(&self, have: usize, window: usize, max: usize) -> Result<Option<&'a [u8]>, InputError> {
        if have < window { Ok(None) } else { Err(InputError::LineTooLong { max }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(data: &[u8], f: impl FnOnce(&mut Input<'_>, &Cell<bool>) -> T) -> T {
        let frozen = Cell::new(false);
        f(&mut Input::new(data, &frozen, 8), &frozen)
    }

    #[test]
    fn line_needs_crlf() {
        with(b"ab\r\ncd\r", |i, _| {
            assert_eq!(i.line(9), Ok(Some(&b"ab"[..])));
            assert_eq!(i.line(9), Ok(None));
            assert_eq!(i.peek(), b"cd\r");
        });
        with(b"ab\n", |i, _| assert_eq!(i.line(9), Err(InputError::BareLf)));
        with(b"\n", |i, _| assert_eq!(i.line(9), Err(InputError::BareLf)));
        with(b"a\rb\r\n", |i, _| assert_eq!(i.line(9), Err(InputError::BareCr)));
        with(b"a\rb", |i, _| assert_eq!(i.line(9), Err(InputError::BareCr)));
        with(b"\r\n", |i, _| assert_eq!(i.line(0), Ok(Some(&b""[..]))));
    }

    #[test]
    fn line_limit_does_not_count_the_line_end() {
        with(b"abc\r\n", |i, _| assert_eq!(i.line(3), Ok(Some(&b"abc"[..]))));
        with(b"abcd\r\n", |i, _| assert_eq!(i.line(3), Err(InputError::LineTooLong { max: 3 })));
        with(b"abcde", |i, _| assert_eq!(i.line(3), Err(InputError::LineTooLong { max: 3 })));
        with(b"abc\r", |i, _| assert_eq!(i.line(3), Ok(None)));
        with(b"abcd\n", |i, _| assert_eq!(i.line_lf(3), Err(InputError::LineTooLong { max: 3 })));
    }

    #[test]
    fn line_lf_takes_both_ends() {
        with(b"a\nb\r\nc", |i, _| {
            assert_eq!(i.line_lf(9), Ok(Some(&b"a"[..])));
            assert_eq!(i.line_lf(9), Ok(Some(&b"b"[..])));
            assert_eq!(i.line_lf(9), Ok(None));
        });
    }

    #[test]
    fn every_prefix_of_a_line_waits_or_fails_like_the_whole() {
        for whole in [&b"abc\r\n"[..], b"ab\n", b"a\rb\r\n", b"abcdef\r\n"] {
            let result = with(whole, |i, _| i.line(4).map(|l| l.map(<[u8]>::to_vec)));
            for cut in 0..whole.len() {
                let partial = with(&whole[..cut], |i, _| i.line(4).map(|l| l.map(<[u8]>::to_vec)));
                assert!(partial == Ok(None) || partial == result, "{whole:?} cut at {cut}: {partial:?}");
            }
        }
    }

    #[test]
    fn take_is_all_or_nothing_and_limited() {
        with(b"abcd", |i, _| {
            assert_eq!(i.take(5), Ok(None));
            assert_eq!(i.take(3), Ok(Some(&b"abc"[..])));
            assert_eq!(i.take(9), Err(InputError::TooLarge { wanted: 9, max: 8 }));
            assert_eq!((i.taken(), i.len()), (3, 1));
        });
    }

    #[test]
    fn frozen_input_is_empty_and_keeps_its_place() {
        with(b"a\r\nb\r\n", |i, frozen| {
            assert_eq!(i.line(9), Ok(Some(&b"a"[..])));
            frozen.set(true);
            assert_eq!(i.line(9), Ok(None));
            assert_eq!(i.take(1), Ok(None));
            assert_eq!((i.rest(), i.peek(), i.len(), i.taken()), (&b""[..], &b""[..], 0, 3));
        });
    }
}
