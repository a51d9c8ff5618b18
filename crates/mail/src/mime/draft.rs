//! [`Draft`]: a message, put together.

use mail_builder::{
    MessageBuilder,
    headers::{
        address::Address, content_type::ContentType, date::Date, message_id::MessageId, raw::Raw, text::Text,
    },
    mime::{BodyPart, MimePart},
};
use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};
use trenza_core::Reactor;

/// The most fields and attachments of a draft.
const ITEMS_MAX: usize = 10_000;

/// A message that is being written: text, HTML or both, and what comes along.
///
/// ```
/// use trenza_mail::mime::{Draft, Message, MimeLimits, Stamp};
///
/// let net = trenza_sim::Net::gentle(1);
/// let stamp = net.host("here").run(|reactor| Stamp::now(reactor, "example.org"));
/// let draft = Draft::new()
///     .from(Some("Ann"), "ann@example.org")
///     .to(None, "bob@example.org")
///     .subject("Gr\u{fc}n")
///     .text("Hello!")
///     .attachment("a.bin", "application/octet-stream", [0, 1, 2]);
/// let bytes = draft.build(&stamp)?;
///
/// let message = Message::parse(&bytes, &MimeLimits::default());
/// assert_eq!(message.text().as_deref(), Some("Hello!"));
/// let attached = message.attachments().next().ok_or("nothing")?;
/// assert_eq!((attached.file_name(), &attached.bytes()[..]), (Some("a.bin"), &[0, 1, 2][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Draft {
    from: Vec<Person>,
    to: Vec<Person>,
    cc: Vec<Person>,
    fields: Vec<(String, String)>,
    text: Option<String>,
    html: Option<String>,
    attachments: Vec<Attachment>,
}

type Person = (Option<String>, String);

#[derive(Debug, Clone)]
struct Attachment {
    name: String,
    kind: String,
    bytes: Vec<u8>,
}

/// When a message is written, and what no other one has: for its Date, its Message-ID, and between its parts.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// When.
    pub date: SystemTime,
    /// 16 random bytes.
    pub unique: [u8; 16],
    /// The domain that its Message-ID is of.
    pub host: String,
}

impl Stamp {
    /// Now, with random bytes of the reactor.
    pub fn now(reactor: &Reactor, host: impl Into<String>) -> Self {
        let mut unique = [0; 16];
        reactor.random(&mut unique);
        Self { date: reactor.wall(), unique, host: host.into() }
    }

    fn id(&self) -> String {
        self.unique.iter().fold(String::new(), |mut text, byte| {
            _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Why a draft is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// A field has a name that fields cannot have, or that the draft has by itself.
    #[error("no field can be called {0:?} here")]
    Name(String),
    /// A name, an address, a type or a value has a line end or another control character in it: what follows could be
    /// another field.
    #[error("{0:?} has a control character in it")]
    Control(String),
    /// It has too many fields, people or attachments.
    #[error("there are over {ITEMS_MAX} of its fields, people or attachments")]
    Items,
}

/// The fields that a draft has by itself.
const OWN: [&str; 8] =
    ["from", "to", "cc", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding"];

impl Draft {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds who it is from: a name, and an address like `ann@example.org`.
    pub fn from(mut self, name: Option<&str>, address: impl Into<String>) -> Self {
        self.from.push((name.map(str::to_owned), address.into()));
        self
    }

    /// Adds who it is for.
    pub fn to(mut self, name: Option<&str>, address: impl Into<String>) -> Self {
        self.to.push((name.map(str::to_owned), address.into()));
        self
    }

    /// Adds who gets a copy.
    pub fn cc(mut self, name: Option<&str>, address: impl Into<String>) -> Self {
        self.cc.push((name.map(str::to_owned), address.into()));
        self
    }

    /// Says what it is about.
    pub fn subject(self, text: impl Into<String>) -> Self {
        self.field("Subject", text)
    }

    /// Adds a field; what is not ASCII in it is encoded (RFC 2047).
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// What is to be read, without formatting.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The same as HTML.
    pub fn html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// Adds something that comes along: what file it was, and of which type it is, as in `image/png`.
    pub fn attachment(
        mut self,
        name: impl Into<String>,
        kind: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        self.attachments.push(Attachment { name: name.into(), kind: kind.into(), bytes: bytes.into() });
        self
    }

    /// The message, in lines that end in CRLF. The same draft and stamp give the same bytes.
    ///
    /// # Errors
    /// [`DraftError`]: nobody can add fields by what is said of a name or a subject.
    pub fn build(&self, stamp: &Stamp) -> Result<Vec<u8>, DraftError> {
        self.check(stamp)?;
        let id = stamp.id();
        let since = stamp.date.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
        let mut builder = MessageBuilder::new()
            .header("Date", Date::new(seconds))
            .header("Message-ID", MessageId::new(format!("{id}@{}", stamp.host)))
            .header("MIME-Version", Raw::new("1.0"));
        for (name, people) in [("From", &self.from), ("To", &self.to), ("Cc", &self.cc)] {
            let addresses =
                people.iter().map(|(name, address)| Address::new_address(name.as_deref(), address.as_str()));
            match addresses.collect::<Vec<_>>() {
                none if none.is_empty() => {}
                some => builder = builder.header(name, Address::new_list(some)),
            }
        }
        for (name, value) in &self.fields {
            builder = builder.header(name.as_str(), Text::new(value.as_str()));
        }
        let mut message = Vec::new();
        builder.body(self.body(&id)).serialize(&mut message);
        Ok(message)
    }

    /// The parts, in multiparts where there are several.
    fn body(&self, id: &str) -> MimePart<'_> {
        let read =
            match (written("text/plain", self.text.as_deref()), written("text/html", self.html.as_deref())) {
                (Some(text), Some(html)) => multipart("alternative", id, vec![text, html]),
                (text, html) => {
                    text.or(html).unwrap_or_else(|| MimePart::new("text/plain", BodyPart::Text("".into())))
                }
            };
        if self.attachments.is_empty() {
            return read;
        }
        let attached = self.attachments.iter().map(|one| {
            let part = MimePart::new(one.kind.as_str(), BodyPart::Binary(one.bytes.as_slice().into()));
            part.attachment(one.name.as_str())
        });
        multipart("mixed", id, [read].into_iter().chain(attached).collect())
    }

    fn check(&self, stamp: &Stamp) -> Result<(), DraftError> {
        let people = || self.from.iter().chain(&self.to).chain(&self.cc);
        if [self.fields.len(), self.attachments.len(), people().count()]
            .iter()
            .any(|count| *count > ITEMS_MAX)
        {
            return Err(DraftError::Items);
        }
        for (name, _) in &self.fields {
            let of_name = |byte: u8| byte.is_ascii_graphic() && byte != b':';
            let is_own = OWN.iter().any(|own| own.eq_ignore_ascii_case(name));
            if name.is_empty() || is_own || !name.bytes().all(of_name) {
                return Err(DraftError::Name(name.clone()));
            }
        }
        let values = self.fields.iter().map(|(_, value)| value);
        let said = people().flat_map(|(name, address)| name.iter().chain([address]));
        let attached = self.attachments.iter().flat_map(|one| [&one.name, &one.kind]);
        match values
            .chain(said)
            .chain(attached)
            .chain([&stamp.host])
            .find(|text| text.contains(char::is_control))
        {
            Some(text) => Err(DraftError::Control(text.clone())),
            None => Ok(()),
        }
    }
}

/// Parts beside each other. `kind` is in the boundary, so that those of multiparts within each other differ.
fn multipart<'a>(kind: &str, id: &str, parts: Vec<MimePart<'a>>) -> MimePart<'a> {
    let content = ContentType::new(format!("multipart/{kind}"));
    MimePart::new(content.attribute("boundary", format!("=_{kind}_{id}")), BodyPart::Multipart(parts))
}

fn written<'a>(kind: &'a str, text: Option<&'a str>) -> Option<MimePart<'a>> {
    text.map(|text| MimePart::new(kind, BodyPart::Text(text.into())))
}
