//! [`Record`]: what came of a message, as a line for a log.

use super::{Envelope, Mode};
use crate::smtp::{Recipient, Reply};
use jiff::{Timestamp, Unit};
use serde_json::json;
use std::{
    fmt::Write as _,
    net::IpAddr,
    time::{Duration, SystemTime},
};

/// So many recipients are in a line of text; of others it says how many.
const SHOWN_MAX: usize = 20;

/// A message that came, or a recipient that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// When it began to come, by the wall clock.
    pub at: SystemTime,
    /// How long that took, with all that was done to keep it.
    pub took: Duration,
    /// By what name the server knows it; None: it never came.
    pub id: Option<String>,
    /// What kind of server it came to.
    pub mode: Mode,
    /// The client's address, where it has one.
    pub address: Option<IpAddr>,
    /// Who has logged in.
    pub account: Option<String>,
    /// It came over TLS.
    pub secured: bool,
    /// Who it is from: nothing for a bounce.
    pub sender: String,
    /// Who it is for.
    pub recipients: Vec<Recipient>,
    /// How many bytes came.
    pub bytes: u64,
    /// Why it was not taken for all of them, in words; None: it was.
    pub failure: Option<String>,
}

impl Record {
    pub(super) fn new(envelope: &Envelope, at: SystemTime) -> Self {
        let Envelope { id, client, mail, recipients } = envelope;
        Self {
            at,
            took: Duration::ZERO,
            id: Some(id.clone()).filter(|id| !id.is_empty()),
            mode: client.mode,
            address: client.peer.remote.ip(),
            account: client.account.as_ref().map(|account| account.name.clone()),
            secured: client.is_secured(),
            sender: mail.sender.as_ref().map(ToString::to_string).unwrap_or_default(),
            recipients: recipients.iter().map(|rcpt| rcpt.to.clone()).collect(),
            bytes: 0,
            failure: None,
        }
    }

    pub(super) fn failed(&mut self, reply: &Reply) {
        self.failure.get_or_insert_with(|| reply.to_string());
    }

    fn kind(&self) -> &'static str {
        match self.mode {
            Mode::Reception => "smtp",
            Mode::Submission => "submission",
            Mode::Lmtp => "lmtp",
        }
    }

    /// A line of text without its end: time, seconds, how it came, by which name, account, address, sender, recipients,
    /// bytes, and how it ended. What could end the line or upset a terminal is escaped.
    ///
    /// ```text
    /// 2026-05-04T12:30:01Z 0.013s smtp 0123456789ABCDEF - 192.0.2.7 tls <a@example.com> <ann@example.org> 10240 ok
    /// 2026-05-04T12:31:09Z 0.000s submission - ann 192.0.2.7 <ann@example.org> <x@y> 0 failed: 550 5.1.1 No such user here
    /// ```
    pub fn text(&self) -> String {
        let or_none = |text: Option<&str>| text.map_or_else(|| "-".into(), word);
        let (stamp, took, kind) = (stamp(self.at), self.took.as_secs_f64(), self.kind());
        let id = or_none(self.id.as_deref());
        let mut line = format!("{stamp} {took:.3}s {kind} {id} {} ", or_none(self.account.as_deref()));
        line += &self.address.map_or_else(|| "-".into(), |ip| ip.to_canonical().to_string());
        line += if self.secured { " tls" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(line, " <{}> ", word(&self.sender));
        for (number, to) in self.recipients.iter().take(SHOWN_MAX).enumerate() {
            let _ = write!(line, "{}<{}>", if number == 0 { "" } else { "," }, word(&to.to_string()));
        }
        if let Some(more) = self.recipients.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
            let _ = write!(line, ",+{more}");
        }
        let _ = write!(line, " {} ", self.bytes);
        match &self.failure {
            None => line.push_str("ok"),
            Some(why) => {
                let _ = write!(line, "failed: {}", why.escape_debug());
            }
        }
        line
    }

    /// A line of JSON without its end.
    pub fn json(&self) -> String {
        let recipients: Vec<String> = self.recipients.iter().map(ToString::to_string).collect();
        json!({
            "time": stamp(self.at),
            "seconds": self.took.as_secs_f64(),
            "protocol": self.kind(),
            "id": self.id,
            "account": self.account,
            "address": self.address.map(|ip| ip.to_canonical().to_string()),
            "tls": self.secured,
            "sender": self.sender,
            "recipients": recipients,
            "bytes": self.bytes,
            "failure": self.failure,
        })
        .to_string()
    }
}

/// One word: spaces, backslashes and control characters are escaped.
fn word(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' => word.push_str("\\x20"),
            c => word.extend(c.escape_debug()),
        }
    }
    word
}

fn stamp(at: SystemTime) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.round(Unit::Second).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::Mailbox;

    fn record() -> Record {
        let ann: Recipient = Mailbox::parse("\"a b\"@example.org").unwrap().into();
        Record {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(3661),
            took: Duration::from_millis(1500),
            id: Some("0A".into()),
            mode: Mode::Submission,
            address: Some(IpAddr::from([192, 0, 2, 7])),
            account: Some("ann b\n".into()),
            secured: true,
            sender: "x@y".into(),
            recipients: vec![ann, Recipient::Postmaster],
            bytes: 5,
            failure: None,
        }
    }

    #[test]
    fn lines_stay_lines() {
        let mut record = record();
        assert_eq!(
            record.text(),
            r#"1970-01-01T01:01:01Z 1.500s submission 0A ann\x20b\n 192.0.2.7 tls <x@y> <\"a\x20b\"@example.org>,<Postmaster> 5 ok"#
        );
        record.failure = Some("451 a\r\nb\u{1b}".into());
        (record.id, record.account, record.address) = (None, None, None);
        record.recipients = vec![Recipient::Postmaster; SHOWN_MAX + 3];
        let text = record.text();
        assert!(
            text.contains(" submission - - - tls ") && text.contains(",+3 5 failed: 451 a\\r\\nb\\u{1b}"),
            "{text}"
        );
        assert!(!text.contains(char::is_control));
        let json = record.json();
        assert!(!json.contains(char::is_control), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&read["bytes"], &read["account"], &read["protocol"]),
            (&json!(5), &json!(null), &json!("submission"))
        );
        assert_eq!(read["recipients"].as_array().unwrap().len(), SHOWN_MAX + 3);
    }
}
