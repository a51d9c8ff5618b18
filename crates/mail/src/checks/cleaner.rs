//! [`Cleaner`]: a message without the fields that claim to be this server's word (RFC 8601 section 5).

use super::{Checks, header::Header};

/// Leaves out forged fields of a message that is pushed.
pub(super) struct Cleaner {
    checks: Checks,
    header: Header,
    /// The fields were given on.
    begun: bool,
}

impl Cleaner {
    pub(super) fn new(checks: Checks) -> Self {
        Self { checks, header: Header::default(), begun: false }
    }

    /// Takes bytes; appends those that may go on.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let body = self.header.push(bytes);
        if self.header.is_whole() {
            if !std::mem::replace(&mut self.begun, true) {
                self.fields(out);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(body);
        }
    }

    /// The end: a message may be all header.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        if !self.begun {
            self.fields(out);
        }
    }

    fn fields(&self, out: &mut Vec<u8>) {
        for line in self.header.lines() {
            let forged = memchr::memchr(b':', line).is_some_and(|colon| {
                let (name, value) = line.split_at(colon);
                name.trim_ascii_end().eq_ignore_ascii_case(b"Authentication-Results")
                    && self.checks.is_forged(value.get(1..).unwrap_or_default())
            });
            if !forged {
                out.extend_from_slice(line);
            }
        }
    }
}
