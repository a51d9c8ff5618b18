//! Canonical forms of fields and bodies (RFC 6376 section 3.4): what changes on the way and means nothing is left out.

use aws_lc_rs::digest::{Context, Digest, SHA256};

/// Which of the two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// As it is.
    Simple,
    /// Without differences in whitespace and in the case of names of fields.
    Relaxed,
}

impl Form {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Relaxed => "relaxed",
        }
    }

    /// Appends a field, with the CRLF at its end.
    pub(super) fn field(self, raw: &[u8], into: &mut Vec<u8>) {
        if self == Self::Simple {
            return into.extend_from_slice(raw);
        }
        let (name, value) = match memchr::memchr(b':', raw) {
            Some(colon) => (raw.get(..colon).unwrap_or_default(), raw.get(colon + 1..).unwrap_or_default()),
            None => (raw, &[][..]),
        };
        into.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
        into.push(b':');
        let words = value.split(|byte| b" \t\r\n".contains(byte)).filter(|word| !word.is_empty());
        for (at, word) in words.enumerate() {
            if at > 0 {
                into.push(b' ');
            }
            into.extend_from_slice(word);
        }
        into.extend_from_slice(b"\r\n");
    }
}

/// The hash of a body in one of the forms, as it is pushed in pieces.
pub(super) struct BodyHash {
    form: Form,
    hash: Context,
    /// How many bytes of the canonical form may still be hashed.
    left: u64,
    /// How many bytes the canonical form has.
    length: u64,
    /// Ends of lines that count only if something follows.
    ends: u64,
    /// A CR whose LF has not come.
    cr: bool,
    /// Whitespace that counts only if something follows in its line.
    space: bool,
    out: Vec<u8>,
}

impl BodyHash {
    /// Of the first `limit` bytes of the canonical form.
    pub(super) fn new(form: Form, limit: Option<u64>) -> Self {
        Self {
            form,
            hash: Context::new(&SHA256),
            left: limit.unwrap_or(u64::MAX),
            length: 0,
            ends: 0,
            cr: false,
            space: false,
            out: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.cr && first == b'\n' {
                (self.cr, self.space) = (false, false);
                self.ends += 1;
                bytes = rest;
                continue;
            }
            if std::mem::take(&mut self.cr) {
                self.text(b"\r");
            }
            match first {
                b'\r' => self.cr = true,
                b' ' | b'\t' if self.form == Form::Relaxed => self.space = true,
                _ => {
                    let is_text = |byte: &u8| match self.form {
                        Form::Simple => *byte != b'\r',
                        Form::Relaxed => !b"\r \t".contains(byte),
                    };
                    let end = bytes.iter().position(|byte| !is_text(byte)).unwrap_or(bytes.len());
                    let (text, rest) = bytes.split_at(end);
                    self.text(text);
                    bytes = rest;
                    continue;
                }
            }
            bytes = rest;
        }
        self.flush();
    }

    /// Something follows, so what waited counts.
    fn text(&mut self, text: &[u8]) {
        for _ in 0..std::mem::take(&mut self.ends) {
            self.out.extend_from_slice(b"\r\n");
            if self.out.len() >= 4096 {
                self.flush();
            }
        }
        if std::mem::take(&mut self.space) {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(text);
    }

    fn flush(&mut self) {
        self.length += self.out.len() as u64;
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.out.len());
        self.hash.update(self.out.get(..most).unwrap_or_default());
        self.left -= most as u64;
        self.out.clear();
    }

    /// The hash and how many bytes the canonical form has.
    pub(super) fn finish(mut self) -> (Digest, u64) {
        if std::mem::take(&mut self.cr) {
            self.text(b"\r");
        }
        self.flush();
        // An empty body is a line in the simple form, and nothing in the other.
        if self.length > 0 || self.form == Form::Simple {
            self.out.extend_from_slice(b"\r\n");
            self.flush();
        }
        (self.hash.finish(), self.length)
    }
}
