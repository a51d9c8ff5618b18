//! Field sections: the lines up to an empty one, in heads and in trailers (RFC 9112, section 5).

use super::error::{Error, bad, refuse};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE},
};
use memchr::memchr;

const TOO_LARGE: StatusCode = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;

/// How many field lines are parsed without asking for memory. Browsers send 10 to 20.
const FIELDS_ON_STACK: usize = 24;

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
    pub(super) fn line(&mut self, data: &[u8], max: usize) -> Result<Option<(usize, usize)>, Error> {
        let window = data.get(self.at..data.len().min(max)).unwrap_or_default();
        let Some(found) = memchr(b'\n', window) else {
            self.at = self.at.saturating_add(window.len());
            return if self.at < max { Ok(None) } else { Err(refuse(TOO_LARGE, "fields too large")) };
        };
        let (start, end) = (self.line, self.at + found);
        let line = data.get(start..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").ok_or_else(|| bad("LF without CR"))?;
        if memchr(b'\r', line).is_some() {
            return Err(bad("CR without LF"));
        }
        self.at = end + 1;
        self.line = end + 1;
        self.lines += usize::from(!line.is_empty());
        Ok(Some((start, start + line.len())))
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

/// Parses `section`, which ends with its empty line and whose lines end in CRLF. Values share its memory.
///
/// # Errors
/// A field line is malformed: folded, with space around its name, with control bytes.
pub(super) fn fields(section: &Bytes, lines: usize) -> Result<HeaderMap, Error> {
    if lines <= FIELDS_ON_STACK {
        collect(section, &mut [httparse::EMPTY_HEADER; FIELDS_ON_STACK])
    } else {
        collect(section, &mut vec![httparse::EMPTY_HEADER; lines])
    }
}

fn collect<'a>(section: &'a Bytes, parsed: &mut [httparse::Header<'a>]) -> Result<HeaderMap, Error> {
    let parsed = match httparse::parse_headers(section, parsed) {
        Ok(httparse::Status::Complete((used, parsed))) if used == section.len() => parsed,
        Ok(_) => return Err(bad("malformed fields")),
        Err(httparse::Error::HeaderName) => return Err(bad("malformed field name")),
        Err(_) => return Err(bad("malformed field value")),
    };
    let mut map = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| bad("malformed field name"))?;
        // An empty value may point beside the section, where `slice_ref` would not find it.
        let value = if field.value.is_empty() { Bytes::new() } else { section.slice_ref(field.value) };
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| bad("malformed field value"))?;
        map.try_append(name, value).map_err(|_| refuse(TOO_LARGE, "too many fields"))?;
    }
    Ok(map)
}

/// Which fields are there that say how a request is read and answered. To look at each name once is cheaper than to
/// search for each of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Present {
    pub(super) connection: bool,
    pub(super) upgrade: bool,
    pub(super) expect: bool,
    /// Content-Length or Transfer-Encoding.
    pub(super) framing: bool,
}

impl Present {
    pub(super) fn in_section(headers: &HeaderMap) -> Self {
        let mut present = Self::default();
        for name in headers.keys() {
            match *name {
                CONNECTION => present.connection = true,
                UPGRADE => present.upgrade = true,
                EXPECT => present.expect = true,
                CONTENT_LENGTH | TRANSFER_ENCODING => present.framing = true,
                _ => {}
            }
        }
        present
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
