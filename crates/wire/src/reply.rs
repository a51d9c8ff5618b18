//! Replies that begin with a number of three digits, as FTP and SMTP have them (RFC 959 section 4.2, RFC 5321 section
//! 4.2): their lines.

use crate::{Input, ProtocolError};

/// What is wrong with a reply: the server's fault, and nothing can be answered.
pub type ReplyError = ProtocolError<()>;

/// What a reply may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLimits {
    /// The longest line in bytes, without its end.
    pub line: usize,
    /// The most lines.
    pub lines: usize,
    /// The most bytes of all lines, without their ends.
    pub bytes: usize,
}

/// A line of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLine<'a> {
    /// The number of the reply, from 0 to 999.
    pub code: u16,
    /// What stands behind number and mark; all of a line that does not begin with them.
    pub text: &'a [u8],
    /// The reply is whole.
    pub is_last: bool,
}

/// Takes replies from a connection line by line, at the client's end.
///
/// ```text
///   250-first     the number and a hyphen: more lines follow
///   250-more      SMTP: the number again; FTP: anything
///   250 last      the number and a space, or nothing
/// ```
///
/// ```
/// use std::cell::Cell;
/// use trenza_wire::{Input, reply::{ReplyLimits, ReplyLine, ReplyLines}};
///
/// let frozen = Cell::new(false);
/// let mut input = Input::new(b"250-hello\r\n250 SIZE\r\n220", &frozen, 4096);
/// let mut lines = ReplyLines::numbered(ReplyLimits { line: 512, lines: 100, bytes: 4096 });
/// let line = |text, is_last| Some(ReplyLine { code: 250, text, is_last });
/// assert_eq!(lines.next(&mut input)?, line(b"hello", false));
/// assert_eq!(lines.next(&mut input)?, line(b"SIZE", true));
/// assert_eq!(lines.next(&mut input)?, None);
/// # Ok::<(), trenza_wire::reply::ReplyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReplyLines {
    limits: ReplyLimits,
    /// Lines within a reply need no number, and end in LF.
    free: bool,
    /// The number of the reply that has begun.
    code: Option<u16>,
    /// Of the reply that has begun.
    lines: usize,
    bytes: usize,
}

impl ReplyLines {
    /// SMTP's: every line has the number of the first one, and ends in CRLF.
    pub fn numbered(limits: ReplyLimits) -> Self {
        Self { limits, free: false, code: None, lines: 0, bytes: 0 }
    }

    /// FTP's: lines end in CRLF or LF, and what stands between the first line and the one that has its number and a space
    /// may begin with anything, digits too. Where servers put the number before those lines it is taken off.
    pub fn free(limits: ReplyLimits) -> Self {
        Self { free: true, ..Self::numbered(limits) }
    }

    /// Whether a reply has begun and is not whole.
    pub fn is_within(&self) -> bool {
        self.code.is_some()
    }

    /// The next line; None until it is whole.
    ///
    /// # Errors
    /// The server's: this is no reply, or a limit is exceeded. Nothing of use follows.
    pub fn next<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<ReplyLine<'a>>, ReplyError> {
        let max = self.limits.line;
        let line = if self.free { input.line_lf(max) } else { input.line(max) };
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(_) if self.free => return fault("a line of a reply is too long"),
            Err(_) => return fault("a line of a reply is too long, or does not end in CRLF"),
        };
        self.lines += 1;
        self.bytes += line.len();
        if self.lines > self.limits.lines || self.bytes > self.limits.bytes {
            return fault("a reply is too long");
        }
        let (code, text, is_last) = match (self.code, numbered(line)) {
            (None, None) => return fault("a reply has no code"),
            (None, Some(numbered)) => numbered,
            (Some(own), Some(numbered)) if numbered.0 == own => numbered,
            (Some(own), _) if self.free => (own, line, false),
            (Some(_), None) => return fault("a reply has no code"),
            (Some(_), Some(_)) => return fault("a reply has several codes"),
        };
        if is_last {
            (self.code, self.lines, self.bytes) = (None, 0, 0);
        } else {
            self.code = Some(code);
        }
        Ok(Some(ReplyLine { code, text, is_last }))
    }
}

/// The number that a line begins with, what stands behind it and its mark, and whether that is the mark of a last line.
fn numbered(line: &[u8]) -> Option<(u16, &[u8], bool)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let number = digits
        .iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u16::from(byte - b'0')))?;
    match rest.split_first() {
        None => Some((number, rest, true)),
        Some((b' ', text)) => Some((number, text, true)),
        Some((b'-', text)) => Some((number, text, false)),
        Some(_) => None,
    }
}

fn fault<T>(what: &'static str) -> Result<T, ReplyError> {
    Err(ReplyError::Remote { what, reply: () })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const LIMITS: ReplyLimits = ReplyLimits { line: 20, lines: 3, bytes: 40 };

    type Line = (u16, String, bool);

    /// The lines, and what was wrong at last.
    fn read(mut lines: ReplyLines, pieces: &[&[u8]]) -> (Vec<Line>, Option<&'static str>) {
        let (frozen, mut unread, mut seen) = (Cell::new(false), Vec::new(), Vec::new());
        for piece in pieces {
            unread.extend_from_slice(piece);
            let mut input = Input::new(&unread, &frozen, 1 << 20);
            loop {
                match lines.next(&mut input) {
                    Ok(None) => break,
                    Ok(Some(line)) => {
                        assert_eq!(lines.is_within(), !line.is_last);
                        seen.push((line.code, String::from_utf8_lossy(line.text).into(), line.is_last));
                    }
                    Err(error) => return (seen, Some(error.what())),
                }
            }
            let taken = input.taken();
            unread.drain(..taken);
        }
        (seen, None)
    }

    fn line(code: u16, text: &str, is_last: bool) -> Line {
        (code, text.into(), is_last)
    }

    #[test]
    fn replies_at_any_split() {
        let text = b"220 hi\r\n250-a\r\n250-\r\n250\r\n000 x\r\n";
        let lines = vec![
            line(220, "hi", true),
            line(250, "a", false),
            line(250, "", false),
            line(250, "", true),
            line(0, "x", true),
        ];
        for kind in [ReplyLines::numbered, ReplyLines::free] {
            for cut in 0..=text.len() {
                let (a, b) = text.split_at(cut);
                assert_eq!(read(kind(LIMITS), &[a, b]), (lines.clone(), None), "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_stands_between_may_be_anything_in_one_kind_only() {
        for (between, text, wrong) in [
            ("251 b", "251 b", "a reply has several codes"),
            ("2501 b", "2501 b", "a reply has no code"),
            ("b", "b", "a reply has no code"),
            ("", "", "a reply has no code"),
        ] {
            let whole = format!("250-a\r\n{between}\r\n250 c\r\n");
            let free = vec![line(250, "a", false), line(250, text, false), line(250, "c", true)];
            assert_eq!(read(ReplyLines::free(LIMITS), &[whole.as_bytes()]), (free, None));
            let numbered = (vec![line(250, "a", false)], Some(wrong));
            assert_eq!(read(ReplyLines::numbered(LIMITS), &[whole.as_bytes()]), numbered);
        }
        let lf = b"250-a\n250 b\n";
        assert_eq!(read(ReplyLines::free(LIMITS), &[lf]).0.len(), 2);
        assert!(read(ReplyLines::numbered(LIMITS), &[lf]).1.is_some());
    }

    #[test]
    fn what_is_no_reply_and_what_is_too_long() {
        for kind in [ReplyLines::numbered, ReplyLines::free] {
            for wrong in ["", "22", "22x x", "2200 x", "220_x", "hello"] {
                let (seen, wrong) = read(kind(LIMITS), &[format!("{wrong}\r\n").as_bytes()]);
                assert!(seen.is_empty() && wrong.is_some());
            }
            let long = format!("220 {}\r\n", "x".repeat(17));
            assert!(read(kind(LIMITS), &[long.as_bytes()]).1.is_some());
            let most = format!("220-{0}\r\n220 {0}\r\n", "x".repeat(16));
            assert_eq!(read(kind(LIMITS), &[most.repeat(9).as_bytes()]).0.len(), 18, "of each reply");
            let more = format!("220-{0}\r\n220-{0}\r\n220 \r\n", "x".repeat(16));
            assert_eq!(read(kind(LIMITS), &[more.as_bytes()]).1, Some("a reply is too long"));
            assert_eq!(read(kind(LIMITS), &["220-\r\n".repeat(4).as_bytes()]).1, Some("a reply is too long"));
        }
    }
}
