//! [`Part`]: a part of a message.

use super::{
    Message,
    structure::{self, Encoding, Kind, Shape},
};
use mail_parser::{
    ContentType, HeaderValue, decoders::charsets::map::charset_decoder, parsers::MessageStream,
};
use std::borrow::Cow;

/// A part of a message: the whole, one of several, or what is in a message that is in it.
#[derive(Clone, Copy)]
pub struct Part<'m> {
    message: &'m Message<'m>,
    number: usize,
}

impl<'m> Part<'m> {
    pub(super) fn new(message: &'m Message<'_>, number: usize) -> Self {
        Self { message, number }
    }

    fn shape(&self) -> Option<&'m Shape<'m>> {
        self.message.shapes.get(self.number)
    }

    /// Its type in lower case, as in `text/plain`, which is what it is if it does not say so.
    pub fn content_type(&self) -> String {
        match self.content() {
            Some(content) => {
                format!("{}/{}", content.ctype(), content.subtype().unwrap_or("*")).to_ascii_lowercase()
            }
            None if self.is_message() => "message/rfc822".into(),
            None => "text/plain".into(),
        }
    }

    fn content(&self) -> Option<&'m ContentType<'m>> {
        self.shape().and_then(|shape| shape.content_type.as_ref())
    }

    /// Whether it is of this type.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        match self.content() {
            Some(content) => structure::is(content, kind, subtype),
            None => !self.is_message() && (kind, subtype) == ("text", "plain"),
        }
    }

    /// A parameter of its type, like `charset`, by its name in lower case.
    pub fn parameter(&self, name: &str) -> Option<&'m str> {
        self.content().and_then(|content| content.attribute(name))
    }

    /// How deep it is in others; the whole message is 0.
    pub fn depth(&self) -> usize {
        self.shape().map_or(0, |shape| shape.depth)
    }

    /// Whether others are in it that stand beside each other.
    pub fn is_multipart(&self) -> bool {
        self.shape().is_some_and(|shape| shape.kind == Kind::Multipart)
    }

    /// Whether a message is in it, which is its only [child](Part::children).
    pub fn is_message(&self) -> bool {
        self.shape().is_some_and(|shape| shape.kind == Kind::Message)
    }

    /// The part that it is in.
    pub fn parent(&self) -> Option<Self> {
        let number = self.shape()?.parent?;
        Some(Self { number, ..*self })
    }

    /// All parts that it is in, the nearest first.
    pub fn parents(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// The parts in it, without those in them.
    pub fn children(&self) -> impl Iterator<Item = Self> {
        let (message, number, depth) = (self.message, self.number, self.depth());
        let behind = (number + 1..message.shapes.len()).map(move |number| Self { message, number });
        behind.take_while(move |part| part.depth() > depth).filter(move |part| part.depth() == depth + 1)
    }

    /// Whether it is something that comes along: it says so, or it is no text and has no parts.
    pub fn is_attachment(&self) -> bool {
        let Some(shape) = self.shape() else { return false };
        match &shape.disposition {
            Some(disposition) if disposition.is_attachment() => true,
            Some(disposition) if disposition.is_inline() => false,
            _ => {
                let is_text =
                    self.content().is_none_or(|content| content.ctype().eq_ignore_ascii_case("text"));
                shape.kind == Kind::Message || (shape.kind == Kind::Leaf && !is_text)
            }
        }
    }

    /// What file it was, as whoever has sent it says: a name, not a path; it may be anything.
    pub fn file_name(&self) -> Option<&'m str> {
        let disposition = self.shape().and_then(|shape| shape.disposition.as_ref());
        disposition
            .and_then(|disposition| disposition.attribute("filename"))
            .or_else(|| self.parameter("name"))
    }

    /// Its header as it is, without the empty line behind it.
    pub fn raw_header(&self) -> &'m [u8] {
        self.shape().and_then(|shape| self.message.data.get(shape.header.clone())).unwrap_or_default()
    }

    /// What stands behind its header, as it is.
    pub fn raw_body(&self) -> &'m [u8] {
        self.shape().and_then(|shape| self.message.data.get(shape.body.clone())).unwrap_or_default()
    }

    /// The first field of its header with this name, on one line and decoded (RFC 2047).
    pub fn header(&self, name: &str) -> Option<String> {
        match MessageStream::new(self.raw_field(name)?).parse_unstructured() {
            HeaderValue::Text(text) => Some(text.into_owned()),
            _ => Some(String::new()),
        }
    }

    /// The addresses in the first field of its header with this name: names, as far as there are any, and addresses as they
    /// stand there.
    pub fn addresses(&self, name: &str) -> Vec<(Option<String>, String)> {
        let Some(field) = self.raw_field(name) else { return Vec::new() };
        let HeaderValue::Address(addresses) = MessageStream::new(field).parse_address() else {
            return Vec::new();
        };
        let owned = |one: &mail_parser::Addr<'_>| {
            let address = one.address.as_deref().unwrap_or_default().to_owned();
            (one.name.as_deref().map(str::to_owned), address)
        };
        addresses.iter().map(owned).collect()
    }

    /// What stands behind the colon of a field, with the end of its last line.
    fn raw_field(&self, name: &str) -> Option<&'m [u8]> {
        let header = self.raw_header();
        let header = header.get(..header.len().min(self.message.header_max)).unwrap_or_default();
        let fields = structure::fields(header);
        let field = fields.into_iter().find(|field| field.name.as_str().eq_ignore_ascii_case(name))?;
        header.get(field.offset_start as usize..field.offset_end as usize)
    }

    /// Its bytes, decoded (RFC 2045 section 6). What is not as its encoding has it comes as it is.
    pub fn bytes(&self) -> Cow<'m, [u8]> {
        let body = self.raw_body();
        let decoded = match self.shape().map(|shape| shape.encoding) {
            Some(Encoding::Base64) => MessageStream::new(body).decode_base64_mime(b""),
            Some(Encoding::QuotedPrintable) => MessageStream::new(body).decode_quoted_printable_mime(b""),
            _ => return body.into(),
        };
        match decoded {
            (usize::MAX, _) => body.into(),
            (_, bytes) => bytes,
        }
    }

    /// Its text, decoded from its charset; where that is not known, or not said, it is UTF-8, and what is wrong in it is
    /// mended. None: it is no text.
    pub fn text(&self) -> Option<String> {
        let is_text = self.content().is_none_or(|content| content.ctype().eq_ignore_ascii_case("text"));
        if !is_text || self.is_message() {
            return None;
        }
        let bytes = self.bytes();
        let decoder = self.parameter("charset").and_then(|name| charset_decoder(name.as_bytes()));
        Some(match decoder {
            Some(decode) => decode(&bytes),
            None => String::from_utf8_lossy(&bytes).into_owned(),
        })
    }
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Part({}, {}, {} bytes)", self.number, self.content_type(), self.raw_body().len())
    }
}
