//! Field sections: the lines up to an empty one, in heads and in trailers (RFC 9112, section 5).

use super::{
    error::{Error, bad, refuse},
    find::{find, find_line_end},
    name, spare,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE},
};

const TOO_LARGE: StatusCode = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;

/// Looks for the empty line that ends a section, and at no byte twice however slowly they come.
///
/// Every line must end in CRLF with no other CR or LF in it: what a lenient neighbour takes for a line end
/// is where smuggled requests begin (RFC 9112, section 2.2).
#[derive(Debug, Clone, Default)]
pub(super) struct Scan {
    /// Bytes looked at.
    at: usize,
    /// Where the line begins that is being looked at.
    line: usize,
    /// Lines that have ended.
    lines: usize,
}

impl Scan {
    /// The number of lines before the empty one.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// True when no byte was looked at.
    pub(super) fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// The next line's place in `data`, which begins where it began in the calls before. None until the line
    /// is whole.
    ///
    /// # Errors
    /// The section is over `max` bytes; a CR or LF stands alone.
    #[inline(always)]
    pub(super) fn line(&mut self, data: &[u8], max: usize) -> Result<Option<(usize, usize)>, Error> {
        let window = data.get(self.at..data.len().min(max)).unwrap_or_default();
        let found = find_line_end(window).unwrap_or(window.len());
        let end = self.at + found;
        match window.get(found..).unwrap_or_default() {
            [b'\r', b'\n', ..] => {}
            // Not seen to its end: it is looked at again when there is more, and a lone CR at the end with it.
            [] | [b'\r'] => {
                let complete = end + window.len() - found;
                self.at = end;
                return if complete < max { Ok(None) } else { Err(refuse(TOO_LARGE, "fields too large")) };
            }
            [b'\r', ..] => return Err(bad("CR without LF")),
            _ => return Err(bad("LF without CR")),
        }
        let start = self.line;
        self.at = end + 2;
        self.line = end + 2;
        self.lines += usize::from(start < end);
        Ok(Some((start, end)))
    }

    /// The section's length, empty line included. None until it is whole.
    ///
    /// # Errors
    /// As [`Scan::line`]; more than `lines_max` lines.
    pub(super) fn end(&mut self, data: &[u8], max: usize, lines_max: usize) -> Result<Option<usize>, Error> {
        while let Some((start, end)) = self.line(data, max)? {
            if start == end {
                return Ok(Some(self.at));
            }
            if self.lines > lines_max {
                return Err(refuse(TOO_LARGE, "too many fields"));
            }
        }
        Ok(None)
    }
}

/// What a field section holds.
pub(super) struct Fields<'a> {
    pub(super) map: HeaderMap,
    pub(super) present: Present,
    /// The value of Host; None: it is not there.
    pub(super) host: Option<&'a [u8]>,
    /// Host is there more than once.
    pub(super) hosts: bool,
}

/// Parses what is in `section` from `at` on: it ends with its empty line, and its lines end in CRLF, as [`Scan`] has
/// seen. Values share its memory.
///
/// # Errors
/// A field line is malformed: folded, with space around its name, with control bytes.
pub(super) fn fields(section: &Bytes, mut at: usize, lines: usize) -> Result<Fields<'_>, Error> {
    let mut fields = Fields { map: spare::map(lines), present: Present::default(), host: None, hosts: false };
    loop {
        let rest = section.get(at..).unwrap_or_default();
        if rest.first() == Some(&b'\r') {
            return Ok(fields);
        }
        // Where a line has no colon this finds another one's, and the name has a line end in it.
        let colon = find(b':', rest).ok_or_else(|| bad("field without a colon"))?;
        let (name, rest) = rest.split_at_checked(colon).ok_or_else(|| bad("malformed field name"))?;
        let end = find(b'\r', rest).ok_or_else(|| bad("malformed fields"))?;
        let name = name::parse(name)?;
        let value = trim(rest.get(1..end).unwrap_or_default());
        if name == HOST {
            fields.hosts |= fields.host.replace(value).is_some();
        }
        fields.present.note(&name);
        // An empty value may point beside the section, where `slice_ref` would not find it.
        let value = if value.is_empty() { Bytes::new() } else { section.slice_ref(value) };
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| bad("malformed field value"))?;
        fields.map.try_append(name, value).map_err(|_| refuse(TOO_LARGE, "too many fields"))?;
        at += colon + end + 2;
    }
}

/// A value without the spaces and tabs around it (RFC 9112, section 5.1). Other white space is refused.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Which fields are there that say how a message is read, answered or written. To look at each name once is cheaper
/// than to search for each of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Present {
    pub(super) connection: bool,
    pub(super) upgrade: bool,
    pub(super) expect: bool,
    pub(super) date: bool,
    /// Content-Length or Transfer-Encoding.
    pub(super) framing: bool,
}

impl Present {
    pub(super) fn in_section(headers: &HeaderMap) -> Self {
        let mut present = Self::default();
        headers.keys().for_each(|name| present.note(name));
        present
    }

    fn note(&mut self, name: &HeaderName) {
        match *name {
            CONNECTION => self.connection = true,
            UPGRADE => self.upgrade = true,
            EXPECT => self.expect = true,
            DATE => self.date = true,
            CONTENT_LENGTH | TRANSFER_ENCODING => self.framing = true,
            _ => {}
        }
    }
}

/// The elements of a comma-separated list field, over all its lines, trimmed; empty ones too.
pub(super) fn list<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|value| value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii))
}

/// Appends one field line.
pub(super) fn write_field(name: &HeaderName, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
