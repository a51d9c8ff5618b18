//! [`Header`]: the fields of a message, and where its body begins.

use memchr::memmem;

/// How many bytes of fields are looked at; a message with more cannot be checked.
pub const HEADER_MAX: usize = 128 * 1024;

/// The header of a message that is pushed: its fields are kept, its body is given on.
#[derive(Debug, Default)]
pub(crate) struct Header {
    bytes: Vec<u8>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Fields,
    Body,
    /// There were too many.
    Over,
}

/// A field as it came, with the CRLF at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) raw: &'a [u8],
    colon: usize,
}

impl Header {
    /// Takes bytes of the message; gives those of them that are of its body.
    pub(crate) fn push<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match self.stage {
            Stage::Body => return bytes,
            Stage::Over => return &[],
            Stage::Fields => {}
        }
        let old = self.bytes.len();
        // Of what is longer than is kept only so much is looked at.
        let part = bytes.get(..HEADER_MAX + 4).unwrap_or(bytes);
        self.bytes.extend_from_slice(part);
        let from = old.saturating_sub(3);
        let end = match self.bytes.starts_with(b"\r\n") {
            true => Some((0, 2)),
            false => memmem::find(self.bytes.get(from..).unwrap_or_default(), b"\r\n\r\n")
                .map(|at| (from + at + 2, from + at + 4)),
        };
        if let Some((fields, body)) = end {
            self.stage = Stage::Body;
            self.bytes.truncate(fields);
            return bytes.get(body.saturating_sub(old)..).unwrap_or_default();
        }
        if self.bytes.len() > HEADER_MAX {
            self.stage = Stage::Over;
            self.bytes = Vec::new();
        }
        &[]
    }

    /// The body has begun.
    pub(crate) fn is_whole(&self) -> bool {
        self.stage == Stage::Body
    }

    /// There are more bytes in it than are looked at.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// The fields, in their order.
    pub(crate) fn fields(&self) -> Vec<Field<'_>> {
        let fields = self.lines().into_iter().filter_map(|raw| {
            let colon = memchr::memchr(b':', raw)?;
            Some(Field { raw, colon })
        });
        fields.collect()
    }

    /// Its lines with those that they go on in: the fields, and what is none.
    pub(crate) fn lines(&self) -> Vec<&[u8]> {
        let mut lines = Vec::new();
        let mut rest = &self.bytes[..];
        while !rest.is_empty() {
            let mut end = 0;
            loop {
                let line = memmem::find(rest.get(end..).unwrap_or_default(), b"\r\n");
                end = line.map_or(rest.len(), |at| end + at + 2);
                if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                    break;
                }
            }
            let (raw, after) = rest.split_at(end);
            lines.push(raw);
            rest = after;
        }
        lines
    }
}

impl<'a> Field<'a> {
    /// Its name, as it is spelled.
    pub(crate) fn name(&self) -> &'a [u8] {
        self.raw.get(..self.colon).unwrap_or_default().trim_ascii_end()
    }

    /// What stands behind the colon, folded as it is, with the CRLF at its end.
    pub(crate) fn value(&self) -> &'a [u8] {
        self.raw.get(self.colon + 1..).unwrap_or_default()
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }
}
