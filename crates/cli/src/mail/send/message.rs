//! [`Message`]: a message as scripts make it, and as it is sent.

use super::body::Body;
use crate::complaint::Complaint;
use bytes::Bytes;
use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};
use std::io::{BufRead, Read};
use trenza::{
    Reactor, Result,
    mail::smtp::{self, Mailbox, client::Source},
};

/// The largest message in bytes: it is read to its end before anything is sent, so that a script that fails half-way sends
/// nothing.
const MESSAGE_MAX: u64 = 100 * 1024 * 1024;
/// The largest header, which is kept in memory.
const HEADER_MAX: u64 = 1024 * 1024;

/// A message: the fields of its header, each with its line ends, and what follows the blank line.
pub(super) struct Message {
    fields: Vec<Vec<u8>>,
    body: Body,
}

/// A message as it is sent.
pub(super) struct Text {
    head: Vec<u8>,
    body: Body,
}

impl Message {
    /// Reads it to its end. Where there is no header, all of it is the body.
    ///
    /// # Errors
    /// It is too large, or it cannot be read or kept.
    pub(super) fn read(input: &mut impl BufRead) -> Result<Self> {
        let too_large = |what| Complaint::new(what).code(65);
        let mut fields: Vec<Vec<u8>> = Vec::new();
        let mut left = HEADER_MAX;
        let first = loop {
            let mut line = Vec::new();
            left -= input.by_ref().take(left).read_until(b'\n', &mut line)? as u64;
            match (fields.last_mut(), &*line) {
                (Some(field), [b' ' | b'\t', ..]) => field.extend_from_slice(&line),
                // The line that mbox files begin a message with is none of it.
                (None, [b'F', b'r', b'o', b'm', b' ', ..]) => {}
                _ if name(&line).is_some() => fields.push(line),
                (_, b"\n" | b"\r\n") => break Vec::new(),
                _ => break line,
            }
            if left == 0 {
                return Err(too_large("the header of the message has more than 1 MiB").into());
            }
        };
        let body = Body::read(first, &mut input.take(MESSAGE_MAX + 1)).map_err(|error| {
            Complaint::new(format!("the message cannot be kept until it is sent: {error}")).code(75)
        })?;
        if body.size > MESSAGE_MAX {
            return Err(too_large("the message has more than 100 MiB").into());
        }
        Ok(Self { fields, body })
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

    pub(super) fn into_text(self) -> Text {
        let mut head = Vec::new();
        for field in &self.fields {
            head.extend_from_slice(field);
            if !field.ends_with(b"\n") {
                head.push(b'\n');
            }
        }
        head.push(b'\n');
        Text { head, body: self.body }
    }
}

impl Text {
    /// The header is not ASCII, so the server must know SMTPUTF8.
    pub(super) fn header_is_utf8(&self) -> bool {
        !self.head.is_ascii()
    }
}

impl Source for Text {
    fn size(&self) -> Option<u64> {
        Some(self.head.len() as u64 + self.body.size)
    }

    fn body(&self) -> Option<smtp::Body> {
        let is_ascii = self.head.is_ascii() && self.body.is_ascii;
        Some(if is_ascii { smtp::Body::SevenBit } else { smtp::Body::EightBit })
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let head = std::mem::take(&mut self.head);
        let piece = if head.is_empty() { self.body.next().await? } else { head };
        Ok(Some(Bytes::from(piece)).filter(|piece| !piece.is_empty()))
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

    fn read(text: &str) -> Message {
        Message::read(&mut text.as_bytes()).unwrap()
    }

    fn again(text: &str) -> String {
        let Text { head, body } = read(text).into_text();
        String::from_utf8([head, body.bytes()].concat()).unwrap()
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
        let mut message = read("To: a,\n\tb\nbcc: c\nTo: d\nBCC :e\n\nBcc: f\n");
        assert_eq!(message.values("to").collect::<Vec<_>>(), [" a,\tb", " d"]);
        assert_eq!(message.values("Bcc").count(), 2);
        message.remove("Bcc");
        assert_eq!(message.values("Bcc").count(), 0);
        let text = message.into_text();
        assert!(text.head.ends_with(b"\n\n") && text.body.bytes() == b"Bcc: f\n");
        let kind = |text: &str| {
            let text = read(text).into_text();
            (text.header_is_utf8(), text.body())
        };
        assert_eq!(kind("Subject: \u{e4}\n\n"), (true, Some(smtp::Body::EightBit)));
        assert_eq!(kind("To: a\n\n\u{e4}"), (false, Some(smtp::Body::EightBit)));
        assert_eq!(kind("To: a\n\na"), (false, Some(smtp::Body::SevenBit)));
    }

    #[test]
    fn what_is_too_large() {
        let error = |mut text: &mut dyn BufRead| Message::read(&mut text).err().unwrap().to_string();
        assert!(
            error(&mut std::io::BufReader::new(std::io::repeat(b'a').take(MESSAGE_MAX + 2)))
                .contains("100 MiB")
        );
        let folded = "To: a\n".to_owned() + &" b\n".repeat(400_000);
        assert!(error(&mut folded.as_bytes()).contains("header"));
        let line = "a".repeat(3 * 1024 * 1024) + "\nb";
        assert_eq!(again(&line), format!("\n{line}"), "a line without an end is no header");
    }
}
