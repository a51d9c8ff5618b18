//! [`Cleaner`]: a message without the fields that claim to be this server's word (RFC 8601 section 5).

use super::Checks;
use crate::smtp::server::{Message, Outcome};
use std::mem;
use trenza_core::Deferred;

/// The name of the fields that may be lies.
const NAME: &[u8] = b"authentication-results";
/// How many bytes of such a field are looked at. Nobody honest writes a longer one, so it is left out whoever it names.
const FIELD_MAX: usize = 64 * 1024;
/// The name of a field with the spaces behind it is not looked for in more.
const NAME_MAX: usize = 128;

/// Leaves out forged fields of a message that is pushed, however long its header is. It holds a part of one field.
pub(super) struct Cleaner {
    checks: Checks,
    within: Within,
    at_line_start: bool,
}

/// Where in a message it is.
enum Within {
    /// In the name of a field, which is these bytes so far.
    Name(Vec<u8>),
    /// In a field that may be a lie.
    Suspect(Vec<u8>),
    /// In one that is.
    Lie,
    /// In any other.
    Field,
    Body,
}

impl Cleaner {
    pub(super) fn new(checks: Checks) -> Self {
        Self { checks, within: Within::Field, at_line_start: true }
    }

    /// Takes bytes; appends those that may go on.
    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some(first) = bytes.first() {
            if mem::take(&mut self.at_line_start) {
                self.begin_line(*first, out);
            }
            if let Within::Body = self.within {
                return out.extend_from_slice(bytes);
            }
            let end = memchr::memchr(b'\n', bytes).map(|at| at + 1);
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.at_line_start = end.is_some();
            self.part(part, out);
            bytes = rest;
        }
    }

    /// The end: a message may be all header.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        self.end_field(out);
    }

    /// A line begins in the header: it goes on with a field, begins one, or ends the header.
    fn begin_line(&mut self, first: u8, out: &mut Vec<u8>) {
        if !matches!(first, b' ' | b'\t') {
            self.end_field(out);
            self.within = if first == b'\r' { Within::Body } else { Within::Name(Vec::new()) };
        }
    }

    /// A part of a line in the header, or all of it.
    fn part(&mut self, part: &[u8], out: &mut Vec<u8>) {
        match &mut self.within {
            Within::Name(name) => {
                name.extend_from_slice(part);
                let colon = memchr::memchr(b':', name);
                let is_suspect = colon.is_some_and(|colon| {
                    name.get(..colon).is_some_and(|name| name.trim_ascii_end().eq_ignore_ascii_case(NAME))
                });
                if is_suspect {
                    self.within = Within::Suspect(mem::take(name));
                } else if colon.is_some() || self.at_line_start || name.len() > NAME_MAX {
                    out.extend_from_slice(name);
                    self.within = Within::Field;
                }
            }
            Within::Suspect(field) if field.len() + part.len() > FIELD_MAX => self.within = Within::Lie,
            Within::Suspect(field) => field.extend_from_slice(part),
            Within::Lie => {}
            Within::Field | Within::Body => out.extend_from_slice(part),
        }
    }

    fn end_field(&mut self, out: &mut Vec<u8>) {
        match mem::replace(&mut self.within, Within::Field) {
            Within::Name(name) => out.extend_from_slice(&name),
            Within::Suspect(field) => {
                let colon = memchr::memchr(b':', &field).map_or(0, |colon| colon + 1);
                if !self.checks.is_forged(field.get(colon..).unwrap_or_default()) {
                    out.extend_from_slice(&field);
                }
            }
            Within::Lie | Within::Field | Within::Body => {}
        }
    }
}

/// A message that is cleaned as it streams by.
pub(super) struct Cleaned {
    pub(super) inner: Box<dyn Message>,
    pub(super) cleaner: Cleaner,
}

impl Message for Cleaned {
    fn push(&mut self, bytes: &[u8]) {
        if let Within::Body = self.cleaner.within {
            return self.inner.push(bytes);
        }
        let mut out = Vec::with_capacity(bytes.len());
        self.cleaner.push(bytes, &mut out);
        self.inner.push(&out);
    }

    fn is_full(&self) -> bool {
        self.inner.is_full()
    }

    fn room(&self) -> Option<Deferred<()>> {
        self.inner.room()
    }

    fn finish(self: Box<Self>) -> Deferred<Outcome> {
        let Self { mut inner, cleaner } = *self;
        let mut out = Vec::new();
        cleaner.finish(&mut out);
        inner.push(&out);
        inner.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::tests::Table;

    /// What comes of a message that is pushed in pieces of this size.
    fn cleaned(checks: &Checks, message: &[u8], size: usize) -> Vec<u8> {
        let (mut cleaner, mut out) = (Cleaner::new(checks.clone()), Vec::new());
        message.chunks(size).for_each(|piece| cleaner.push(piece, &mut out));
        cleaner.finish(&mut out);
        out
    }

    fn checks() -> Checks {
        let net = trenza_sim::Net::gentle(1);
        net.host("mx").run(|reactor| Checks::new(reactor, Table::new(""), "mx.example.com"))
    }

    #[test]
    fn lies_are_left_out_and_nothing_else_is_however_it_comes() {
        let checks = checks();
        let lie = "Authentication-Results: mx.example.com; spf=pass\r\n";
        let folded = "AUTHENTICATION-results \t:\r\n (a comment)\r\n\tMX.example.com\r\n ; dkim=pass\r\n";
        let honest = "Authentication-Results: mx.example.org; spf=fail\r\n\tmx.example.com\r\n";
        let from = "From: ann@example.org\r\n";
        let long = format!("X: {}\r\n {}\r\n", "x".repeat(300), "y".repeat(300));
        for (parts, kept) in [
            (&[lie, from, "\r\n", lie][..], &[from, "\r\n", lie][..]),
            (&[from, folded, honest, folded, "\r\nbody"], &[from, honest, "\r\nbody"]),
            (
                &[&long, lie, "no field\r\n", " of it\r\n", lie, "\r\n"],
                &[&long, "no field\r\n", " of it\r\n", "\r\n"],
            ),
            // All is header, or none is.
            (&[from, lie], &[from]),
            (&[honest], &[honest]),
            (&["\r\n", lie], &["\r\n", lie]),
            (&[" folded\r\n", lie, from], &[" folded\r\n", from]),
            (&["Authentication-Results"], &["Authentication-Results"]),
            (
                &["Authentication-Results\r\n", ": mx.example.com\r\n"],
                &["Authentication-Results\r\n", ": mx.example.com\r\n"],
            ),
            (&[], &[]),
        ] {
            let (message, kept) = (parts.concat(), kept.concat());
            for size in 1..=message.len().max(1) {
                let out = cleaned(&checks, message.as_bytes(), size);
                assert_eq!(String::from_utf8(out).unwrap(), kept, "in pieces of {size}");
            }
        }
    }

    #[test]
    fn no_length_hides_a_lie_or_loses_a_message() {
        let checks = checks();
        let hidden =
            format!("Authentication-Results: ({}) mx.example.com; spf=pass\r\n", "x\r\n ".repeat(30_000));
        let header = "Received: from somewhere, and from somewhere else\r\n".repeat(10_000);
        let message = format!("{header}{hidden}{header}\r\nbody\r\n");
        for size in [7, 1000, 70_000, message.len()] {
            let out = cleaned(&checks, message.as_bytes(), size);
            assert!(out == format!("{header}{header}\r\nbody\r\n").as_bytes(), "in pieces of {size}");
        }
    }
}
