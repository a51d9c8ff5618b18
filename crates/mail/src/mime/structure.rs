//! [`Shape`]: where the parts of a message are.

use super::MimeLimits;
use mail_parser::{ContentType, HeaderName, HeaderValue, MessageParser, parsers::MessageStream};
use memchr::memchr;
use std::ops::Range;

/// The longest boundary that counts, in bytes (RFC 2046 section 5.1.1 has 70).
const BOUNDARY_MAX: usize = 200;

/// A part of a message: ranges of its bytes.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    /// Its header, without the empty line.
    pub(super) header: Range<usize>,
    pub(super) body: Range<usize>,
    /// The part that it is in; of the whole message there is none.
    pub(super) parent: Option<usize>,
    pub(super) depth: usize,
    pub(super) kind: Kind,
    pub(super) content_type: Option<ContentType<'a>>,
    pub(super) disposition: Option<ContentType<'a>>,
    pub(super) encoding: Encoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is in it.
    Leaf,
    Multipart,
    /// A message is in it.
    Message,
}

/// How the bytes of a part are written (RFC 2045 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Base64,
    QuotedPrintable,
}

/// Goes through a message line by line, once.
struct Walk<'a> {
    data: &'a [u8],
    limits: MimeLimits,
    shapes: Vec<Shape<'a>>,
    /// The parts that have begun and not ended, each within the one before it.
    begun: Vec<Begun>,
    /// The header of the innermost one has not ended.
    in_header: bool,
    /// Something was left undivided.
    is_cut: bool,
}

struct Begun {
    number: usize,
    /// What its parts stand between, with its hyphens; None: it has none, or the last one was seen.
    delimiter: Option<Vec<u8>>,
}

/// The parts of a message, each behind the one that it is in; whether a limit has left something undivided.
pub(super) fn walk<'a>(data: &'a [u8], limits: &MimeLimits) -> (Vec<Shape<'a>>, bool) {
    let mut walk =
        Walk { data, limits: *limits, shapes: Vec::new(), begun: Vec::new(), in_header: true, is_cut: false };
    walk.begin(None, 0);
    let mut at = 0;
    while at < data.len() {
        let rest = data.get(at..).unwrap_or_default();
        let line = rest.get(..memchr(b'\n', rest).map_or(rest.len(), |end| end + 1)).unwrap_or_default();
        let next = at + line.len();
        if let Some((level, is_last)) = walk.delimiter(line) {
            walk.end_within(level, at);
            walk.divide(level, is_last, next);
        } else if walk.in_header && matches!(line, b"\n" | b"\r\n") {
            walk.header_ended(at, next);
        }
        at = next;
    }
    walk.end_all();
    (walk.shapes, walk.is_cut)
}

impl<'a> Walk<'a> {
    /// A part begins, with its header.
    fn begin(&mut self, parent: Option<usize>, at: usize) {
        let depth = parent.and_then(|parent| self.shapes.get(parent)).map_or(0, |parent| parent.depth + 1);
        self.begun.push(Begun { number: self.shapes.len(), delimiter: None });
        self.shapes.push(Shape {
            header: at..at,
            body: at..at,
            parent,
            depth,
            kind: Kind::Leaf,
            content_type: None,
            disposition: None,
            encoding: Encoding::Identity,
        });
        self.in_header = true;
    }

    /// Which of the parts that have begun a line divides, the innermost first, and whether nothing more is in it.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        if !line.starts_with(b"--") {
            return None;
        }
        let line = line.trim_ascii_end();
        self.begun.iter().enumerate().rev().find_map(|(level, begun)| {
            match line.strip_prefix(&begun.delimiter.as_ref()?[..])? {
                b"" => Some((level, false)),
                b"--" => Some((level, true)),
                _ => None,
            }
        })
    }

    /// What is within a part that has begun ends before the line at `at`.
    fn end_within(&mut self, level: usize, at: usize) {
        // The line end before a delimiter is the delimiter's (RFC 2046 section 5.1.1).
        let before = self.data.get(..at).unwrap_or_default();
        let mut end = before
            .strip_suffix(b"\n")
            .map_or(before, |before| before.strip_suffix(b"\r").unwrap_or(before))
            .len();
        while self.begun.len() > level + 1 {
            end = self.end(end);
        }
    }

    /// The innermost part ends here, or where it begins; where what it is in ends at the earliest.
    fn end(&mut self, end: usize) -> usize {
        if self.in_header {
            self.header_ended(end, end);
        }
        let shape = self.begun.pop().and_then(|begun| self.shapes.get_mut(begun.number));
        let Some(shape) = shape else { return end };
        shape.body.end = end.max(shape.body.start);
        shape.body.end
    }

    fn end_all(&mut self) {
        while !self.begun.is_empty() {
            let _ = self.end(self.data.len());
        }
    }

    /// Behind a line that divides a part.
    fn divide(&mut self, level: usize, is_last: bool, next: usize) {
        let fits = self.shapes.len() < self.limits.parts;
        let Some(begun) = self.begun.get_mut(level) else { return };
        if is_last {
            begun.delimiter = None;
        } else if fits {
            let number = begun.number;
            self.begin(Some(number), next);
        } else {
            self.is_cut = true;
        }
    }

    /// The header of the innermost part ends here, and its body begins.
    fn header_ended(&mut self, end: usize, body: usize) {
        self.in_header = false;
        let Some(begun) = self.begun.last() else { return };
        let number = begun.number;
        let is_full = self.shapes.len() >= self.limits.parts;
        let digest = self.shapes.get(number).is_some_and(|shape| self.is_in_digest(shape));
        let Some(shape) = self.shapes.get_mut(number) else { return };
        shape.header.end = end.max(shape.header.start);
        // Between two delimiters is one line end, which is theirs both.
        let body = body.max(shape.header.end);
        shape.body = body..body;
        let header = self.data.get(shape.header.clone()).unwrap_or_default();
        let header = header.get(..header.len().min(self.limits.header)).unwrap_or_default();
        describe(shape, header);
        let is_message = match &shape.content_type {
            Some(content) => is(content, "message", "rfc822") || is(content, "message", "global"),
            None => digest,
        };
        let delimiter = shape.content_type.as_ref().and_then(delimiter);
        if (delimiter.is_none() && !is_message) || shape.encoding != Encoding::Identity {
            return;
        }
        if shape.depth.saturating_add(1) >= self.limits.depth || is_full {
            self.is_cut = true;
            return;
        }
        if is_message {
            shape.kind = Kind::Message;
            self.begin(Some(number), body);
        } else {
            shape.kind = Kind::Multipart;
            if let Some(begun) = self.begun.last_mut() {
                begun.delimiter = delimiter;
            }
        }
    }

    /// Whether a part is a message unless it says otherwise (RFC 2046 section 5.1.5).
    fn is_in_digest(&self, shape: &Shape<'_>) -> bool {
        let parent = shape.parent.and_then(|parent| self.shapes.get(parent));
        parent
            .and_then(|parent| parent.content_type.as_ref())
            .is_some_and(|content| is(content, "multipart", "digest"))
    }
}

/// Reads what a header says of its part.
fn describe<'a>(shape: &mut Shape<'a>, header: &'a [u8]) {
    for field in fields(header) {
        match (field.name, field.value) {
            (HeaderName::ContentType, HeaderValue::ContentType(content)) => {
                shape.content_type.get_or_insert(content);
            }
            (HeaderName::ContentDisposition, HeaderValue::ContentType(disposition)) => {
                shape.disposition.get_or_insert(disposition);
            }
            (HeaderName::ContentTransferEncoding, HeaderValue::Text(encoding)) => {
                shape.encoding = match encoding.trim().to_ascii_lowercase().as_str() {
                    "base64" => Encoding::Base64,
                    "quoted-printable" => Encoding::QuotedPrintable,
                    _ => Encoding::Identity,
                };
            }
            _ => {}
        }
    }
}

/// The fields of a header, as `mail-parser` reads them.
pub(super) fn fields(header: &[u8]) -> Vec<mail_parser::Header<'_>> {
    let mut fields = Vec::new();
    MessageStream::new(header).parse_headers(&MessageParser::default(), &mut fields);
    fields
}

/// Whether a content type is this one.
pub(super) fn is(content: &ContentType<'_>, kind: &str, subtype: &str) -> bool {
    let own = content.subtype().unwrap_or_default();
    content.ctype().eq_ignore_ascii_case(kind) && own.eq_ignore_ascii_case(subtype)
}

/// What the parts of a multipart stand between.
fn delimiter(content: &ContentType<'_>) -> Option<Vec<u8>> {
    if !content.ctype().eq_ignore_ascii_case("multipart") {
        return None;
    }
    let boundary = content.attribute("boundary")?.trim_ascii_end();
    let fits = (1..=BOUNDARY_MAX).contains(&boundary.len());
    fits.then(|| [b"--", boundary.as_bytes()].concat())
}
