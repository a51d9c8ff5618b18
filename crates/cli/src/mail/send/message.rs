//! [`Message`]: a message as scripts make it, and as it is sent.

use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};
use trenza::{Reactor, mail::smtp::Mailbox};

/// A message: the fields of its header, each with its line ends, and what follows the blank line.
pub(super) struct Message {
    fields: Vec<Vec<u8>>,
    body: Vec<u8>,
}

/// A message as it is sent.
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    /// The header is not ASCII, so the server must know SMTPUTF8.
    pub(super) header_is_utf8: bool,
}

impl Message {
    /// Reads it. Where there is no header, all of it is the body.
    pub(super) fn of(text: Vec<u8>) -> Self {
        let mut fields: Vec<Vec<u8>> = Vec::new();
        let mut rest = &*text;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            match (fields.last_mut(), line) {
                (Some(field), [b' ' | b'\t', ..]) => field.extend_from_slice(line),
                // The line that mbox files begin a message with is none of it.
                (None, [b'F', b'r', b'o', b'm', b' ', ..]) => {}
                _ if name(line).is_some() => fields.push(line.to_vec()),
                _ => break,
            }
            rest = after;
        }
        let blank = [&b"\r\n"[..], b"\n"].into_iter().find_map(|end| rest.strip_prefix(end));
        Self { body: blank.unwrap_or(rest).to_vec(), fields }
    }

    /// What fields of this name say, unfolded.
    pub(super) fn values(&self, wanted: &str) -> impl Iterator<Item = String> {
        self.fields.iter().filter(move |field| is(field, wanted)).map(|field| {
            let value = field.splitn(2, |byte| *byte == b':').nth(1).unwrap_or_default();
            String::from_utf8_lossy(value).replace(['\r', '\n'], "")
        })
    }

    /// Takes the fields of this name out.
    pub(super) fn remove(&mut self, unwanted: &str) {
        self.fields.retain(|field| !is(field, unwanted));
    }

    /// Adds what a message must have, and who sends one for a script does not think of (RFC 6409 section 8).
    pub(super) fn complete(&mut self, reactor: &Reactor, sender: Option<&Mailbox>) {
        if let Some(sender) = sender {
            self.add("From", || Some(sender.to_string()));
        }
        self.add("Date", || {
            let now = Timestamp::try_from(reactor.wall()).ok()?;
            rfc2822::to_string(&now.to_zoned(TimeZone::system())).ok()
        });
        self.add("Message-ID", || {
            let mut random = [0; 12];
            reactor.random(&mut random);
            let left: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            let right = sender.map_or_else(|| "localhost".to_owned(), |sender| sender.host().to_string());
            Some(format!("<{left}@{right}>"))
        });
    }

    /// Adds a field if there is none of its name.
    fn add(&mut self, name: &str, value: impl FnOnce() -> Option<String>) {
        if self.fields.iter().any(|field| is(field, name)) {
            return;
        }
        if let Some(value) = value() {
            self.fields.push(format!("{name}: {value}\n").into_bytes());
        }
    }

    pub(super) fn into_bytes(self) -> Text {
        let mut bytes = Vec::with_capacity(self.body.len() + 1024);
        for field in &self.fields {
            bytes.extend_from_slice(field);
            if !field.ends_with(b"\n") {
                bytes.push(b'\n');
            }
        }
        let header_is_utf8 = !bytes.is_ascii();
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        Text { bytes, header_is_utf8 }
    }
}

/// The name of the field that a line begins; None: it begins none.
fn name(line: &[u8]) -> Option<&[u8]> {
    let name = line.split(|byte| *byte == b':').next().filter(|name| name.len() < line.len())?;
    // Some have spaces before the colon.
    let name = name.trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(name)
}

fn is(field: &[u8], wanted: &str) -> bool {
    name(field).is_some_and(|name| name.eq_ignore_ascii_case(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        String::from_utf8(Message::of(text.into()).into_bytes().bytes).unwrap()
    }

    #[test]
    fn header_and_body() {
        for (text, sent) in [
            ("To: a\n b\nSubject: x\n\nbody\n\nmore", "To: a\n b\nSubject: x\n\nbody\n\nmore"),
            ("To: a\r\nX : b\r\n\r\n.\r\n", "To: a\r\nX : b\r\n\n.\r\n"),
            ("no header\n", "\nno header\n"),
            (" folded\nTo: a\n", "\n folded\nTo: a\n"),
            ("From ann Mon\nTo: a\n\nb", "To: a\n\nb"),
            ("To: a\nno field\n", "To: a\n\nno field\n"),
            ("To: a", "To: a\n\n"),
            ("\nTo: a\n", "\nTo: a\n"),
            ("", "\n"),
        ] {
            assert_eq!(again(text), sent, "{text:?}");
        }
    }

    #[test]
    fn fields() {
        let mut message = Message::of(b"To: a,\n\tb\nbcc: c\nTo: d\nBCC :e\n\nBcc: f\n".to_vec());
        assert_eq!(message.values("to").collect::<Vec<_>>(), [" a,\tb", " d"]);
        assert_eq!(message.values("Bcc").count(), 2);
        message.remove("Bcc");
        assert_eq!(message.values("Bcc").count(), 0);
        assert!(message.into_bytes().bytes.ends_with(b"\n\nBcc: f\n"));
        assert!(Message::of("Subject: \u{e4}\n\n".into()).into_bytes().header_is_utf8);
        assert!(!Message::of("To: a\n\n\u{e4}".into()).into_bytes().header_is_utf8);
    }
}
