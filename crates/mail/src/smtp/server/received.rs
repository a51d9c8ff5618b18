//! The Received field that a server puts before a message, and [`Hops`], which counts those that are there.

use super::Envelope;
use crate::smtp::{Host, Recipient};
use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};
use std::time::SystemTime;

/// The name of the field, in lower case.
const NAME: &[u8] = b"received:";

/// The field with its line ends (RFC 5321 section 4.4).
pub(super) fn field(envelope: &Envelope, host: &str, now: SystemTime) -> String {
    let Envelope { id, client, mail, recipients } = envelope;
    let ip = client.peer.remote.ip().map(|ip| Host::Address(ip.to_canonical()));
    let hello = client.hello.as_ref().filter(|hello| mail.utf8 || hello.is_ascii());
    let from = match (hello, ip) {
        (Some(hello), Some(ip)) => format!("{hello} ({ip})"),
        (Some(hello), None) => hello.to_string(),
        (None, Some(ip)) => format!("{ip} ({ip})"),
        (None, None) => "localhost".into(),
    };
    // Of several the field would tell each of the others (RFC 5321 section 7.2).
    let to = match &**recipients {
        [rcpt] if matches!(rcpt.to, Recipient::Mailbox(_)) => format!("\r\n\tfor <{}>", rcpt.to),
        _ => String::new(),
    };
    let protocol = client.protocol(mail.utf8);
    let date = date(now);
    format!("Received: from {from}\r\n\tby {host} with {protocol} id {id}{to};\r\n\t{date}\r\n")
}

/// A date as messages have it (RFC 5322 section 3.3), in UTC.
pub(crate) fn date(now: SystemTime) -> String {
    let at = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC);
    rfc2822::to_string(&at).unwrap_or_default()
}

/// Counts the Received fields of a message that comes in pieces.
#[derive(Debug, Clone, Default)]
pub(super) struct Hops {
    count: u32,
    /// How much of a line was seen, up to the length of the name.
    seen: usize,
    /// It is not the name.
    differs: bool,
    in_body: bool,
}

impl Hops {
    /// How many there were, with those in `bytes`.
    pub(super) fn look(&mut self, bytes: &[u8]) -> u32 {
        if self.in_body {
            return self.count;
        }
        for byte in bytes {
            match byte {
                b'\n' if self.seen == 0 => {
                    self.in_body = true;
                    break;
                }
                b'\n' => (self.seen, self.differs) = (0, false),
                b'\r' => {}
                byte => {
                    let Some(wanted) = NAME.get(self.seen) else { continue };
                    self.differs |= byte.to_ascii_lowercase() != *wanted;
                    self.seen += 1;
                    self.count += u32::from(self.seen == NAME.len() && !self.differs);
                }
            }
        }
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_of_messages() {
        assert_eq!(date(SystemTime::UNIX_EPOCH), "Thu, 1 Jan 1970 00:00:00 +0000");
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(date(later), "Fri, 15 Jan 2027 08:00:00 +0000");
    }

    #[test]
    fn hops_are_counted_in_the_header_only_at_any_split() {
        let text =
            b"RECEIVED: a\r\n\treceived: b\r\nX-Received: c\r\nReceived:d\r\nreceive\r\n\r\nReceived: e\r\n";
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            let mut hops = Hops::default();
            hops.look(a);
            assert_eq!(hops.look(b), 2, "cut at {cut}");
        }
    }
}
