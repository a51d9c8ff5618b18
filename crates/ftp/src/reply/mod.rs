//! Replies: a code, and text for people; in some of them for programs, too.

mod feature;
mod quote;
mod reader;
#[cfg(test)]
mod tests;

pub use feature::Features;
pub use quote::{quote, unquote};
pub use reader::{LIMITS, Reader};
pub use trenza_wire::reply::ReplyLimits;

use crate::{Code, command::IAC};
use std::fmt;
use trenza_wire::OutBuf;

/// What can be wrong with a reply: the server's fault, and nothing can be answered.
pub type Error = trenza_wire::reply::ReplyError;

/// A reply.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    code: Code,
    lines: Vec<Vec<u8>>,
}

impl Reply {
    /// A reply of one line.
    pub fn new(code: Code, text: impl AsRef<[u8]>) -> Self {
        Self { code, lines: vec![text.as_ref().to_vec()] }
    }

    /// A reply of several lines: the first one, what it is about, and the last one.
    pub fn of_lines(
        code: Code,
        first: impl AsRef<[u8]>,
        middle: impl IntoIterator<Item = impl AsRef<[u8]>>,
        last: impl AsRef<[u8]>,
    ) -> Self {
        let mut lines = vec![first.as_ref().to_vec()];
        lines.extend(middle.into_iter().map(|line| line.as_ref().to_vec()));
        lines.push(last.as_ref().to_vec());
        Self { code, lines }
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Its lines, at least one, without codes.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.lines.iter().map(Vec::as_slice)
    }

    /// The lines between the first and the last: features, facts, a listing.
    pub fn middle(&self) -> impl Iterator<Item = &[u8]> {
        let middle = self.lines.get(1..self.lines.len().saturating_sub(1)).unwrap_or_default();
        middle.iter().map(Vec::as_slice)
    }

    /// The first line.
    pub fn text(&self) -> &[u8] {
        self.lines.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// The last line, which is where the result of a command stands.
    pub fn last(&self) -> &[u8] {
        self.lines.last().map(Vec::as_slice).unwrap_or_default()
    }

    /// Appends the reply as RFC 959 section 4.2 has it. NUL, CR and LF in its text, which would end a line, become `?`.
    pub fn write(&self, out: &mut OutBuf) {
        let Some((last, before)) = self.lines.split_last() else { return };
        for (number, line) in before.iter().enumerate() {
            match number {
                0 => write_line(Some((self.code, b'-')), line, out),
                _ => write_line(None, line, out),
            }
        }
        write_line(Some((self.code, b' ')), last, out);
    }
}

/// Appends a reply of one line.
pub fn write(code: Code, text: impl AsRef<[u8]>, out: &mut OutBuf) {
    write_line(Some((code, b' ')), text.as_ref(), out);
}

fn write_line(head: Option<(Code, u8)>, text: &[u8], out: &mut OutBuf) {
    let mut line = Vec::with_capacity(text.len() + 6);
    match head {
        Some((code, mark)) => {
            line.extend(code.to_string().as_bytes());
            line.push(mark);
        }
        // It would be taken for the last one.
        None if text.first().is_some_and(u8::is_ascii_digit) => line.push(b' '),
        None => {}
    }
    for byte in text {
        match *byte {
            b'\0' | b'\r' | b'\n' => line.push(b'?'),
            IAC => line.extend([IAC, IAC]),
            byte => line.push(byte),
        }
    }
    line.extend(b"\r\n");
    out.push_slice(&line);
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a terminal would take for its own commands is not shown as it is.
        let text = String::from_utf8_lossy(self.last());
        let shown: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        write!(f, "{} {shown}", self.code)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        self.lines.iter().try_for_each(|line| write!(f, " \"{}\"", line.escape_ascii()))
    }
}
