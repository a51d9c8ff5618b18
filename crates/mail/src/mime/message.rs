//! [`Message`]: a message, taken apart.

use super::{
    Part,
    structure::{self, Shape},
};

/// How much of a message is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MimeLimits {
    /// How deep parts are in each other. Default 50. What lies deeper is left undivided.
    pub depth: usize,
    /// How many parts there are. Default 10,000. What follows them is only in the bytes of what they are in.
    pub parts: usize,
    /// How much of a header is read, in bytes. Default 256 KiB. What stands behind that is passed over.
    pub header: usize,
}

impl Default for MimeLimits {
    fn default() -> Self {
        Self { depth: 50, parts: 10_000, header: 256 * 1024 }
    }
}

/// A message, taken apart. It borrows the bytes; a part is decoded when it is asked for.
///
/// Any bytes are a message: what is wrong with them is read as well as it can be. Time grows with the size, and memory with
/// the number of parts, whatever is nested in what.
///
/// ```
/// use trenza_mail::mime::{Message, MimeLimits};
///
/// let message = Message::parse(b"Subject: =?utf-8?Q?gr=C3=BCn?=\r\n\r\nHello!\r\n", &MimeLimits::default());
/// assert_eq!(message.root().header("Subject").as_deref(), Some("gr\u{fc}n"));
/// assert_eq!(message.text().as_deref(), Some("Hello!\r\n"));
/// assert_eq!(message.attachments().count(), 0);
/// ```
#[derive(Debug)]
pub struct Message<'a> {
    pub(super) data: &'a [u8],
    pub(super) shapes: Vec<Shape<'a>>,
    /// How much of a header is read.
    pub(super) header_max: usize,
    is_cut: bool,
}

impl<'a> Message<'a> {
    /// Takes a message apart.
    pub fn parse(data: &'a [u8], limits: &MimeLimits) -> Self {
        let (shapes, is_cut) = structure::walk(data, limits);
        Self { data, shapes, header_max: limits.header, is_cut }
    }

    /// Whether a limit has left something undivided.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// All of it as one part, whose header is the message's.
    pub fn root(&self) -> Part<'_> {
        Part::new(self, 0)
    }

    /// All parts, each behind the one that it is in; the first is the [root](Message::root).
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        (0..self.shapes.len()).map(|number| Part::new(self, number))
    }

    /// What is to be read, without formatting: the first plain text that is no attachment.
    pub fn text(&self) -> Option<String> {
        self.first("plain")
    }

    /// What is to be read, as HTML, which may do anything.
    pub fn html(&self) -> Option<String> {
        self.first("html")
    }

    fn first(&self, subtype: &str) -> Option<String> {
        let mut parts = self.parts().filter(|part| !part.is_multipart() && !part.is_attachment());
        parts.find(|part| part.is("text", subtype))?.text()
    }

    /// What is attached: parts that say so, and others that are neither text nor made of parts. What is in a message that is
    /// attached is not.
    pub fn attachments(&self) -> impl Iterator<Item = Part<'_>> {
        self.parts()
            .filter(|part| part.is_attachment() && !part.parents().any(|parent| parent.is_attachment()))
    }
}
