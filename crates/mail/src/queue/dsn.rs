//! [`Report`]: what a sender is told of a message, as a delivery status notification (RFC 3464) in a multipart/report (RFC
//! 6522).

use super::{QueueId, Record, State, record::Addressee};
use crate::smtp::{Body, Mail, Rcpt, Return, Status, server::date};
use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

/// The most characters of a line that is made of something outside (RFC 5322 section 2.1.1).
const LINE_MAX: usize = 900;

/// What a sender is told of a recipient (RFC 3464 section 2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Failed,
    Delayed,
    Relayed,
    Delivered,
}

/// What a sender is told.
#[derive(Debug)]
pub(super) struct Report<'a> {
    /// The message that it is about.
    pub(super) id: &'a QueueId,
    pub(super) record: &'a Record,
    /// Of which recipients, by their place, what is told.
    pub(super) owed: Vec<(usize, Action)>,
    /// Who tells it.
    pub(super) host: &'a str,
    pub(super) now: SystemTime,
    /// How long the message is tried.
    pub(super) give_up: Duration,
    /// What no line of the message is, by chance.
    pub(super) boundary: String,
}

impl<'a> Report<'a> {
    /// What is to be told of a message by now, if anything is.
    pub(super) fn owed(record: &Record, is_late: bool) -> Vec<(usize, Action)> {
        // Nobody is told of a report: it would come back for ever (RFC 5321 section 4.5.5).
        if record.mail.sender.is_none() {
            return Vec::new();
        }
        let of = |one: &Addressee| {
            let notify = one.rcpt.notify;
            match one.state {
                State::Failed if notify.is_none_or(|notify| notify.failure) => Some(Action::Failed),
                State::Delivered => Some(Action::Delivered),
                State::Relayed => Some(Action::Relayed),
                State::Waiting { tries: 1.., warned: false, .. }
                    if is_late && notify.is_none_or(|notify| notify.delay) =>
                {
                    Some(Action::Delayed)
                }
                _ => None,
            }
        };
        let each = record.recipients.iter().enumerate();
        each.filter_map(|(at, one)| Some((at, of(one)?))).collect()
    }

    /// Whether the whole message comes back, and not its header only: if that was wished, and it has failed (RFC 3461
    /// section 6.2).
    pub(super) fn returns_all(&self) -> bool {
        self.worst() == Action::Failed && self.record.mail.ret == Some(Return::Full)
    }

    /// Who it is from and for: nobody, so that nobody is told of it, and the sender.
    pub(super) fn record(&self, text: &[u8], now: SystemTime) -> Record {
        let body = if text.is_ascii() { None } else { Some(Body::EightBit) };
        let mail = Mail { body, utf8: self.record.mail.utf8 && !text.is_ascii(), ..Mail::default() };
        Record::new(mail, self.record.mail.sender.clone().map(Rcpt::new), now)
    }

    /// As a message. `returned` is what comes back: all of the message (`whole`), or its header.
    pub(super) fn text(&self, returned: &[u8], whole: bool) -> Vec<u8> {
        let global = self.is_global(returned);
        let (charset, status, message) = match (global, whole) {
            (false, true) => ("us-ascii", "delivery-status", "message/rfc822"),
            (false, false) => ("us-ascii", "delivery-status", "text/rfc822-headers"),
            (true, true) => ("utf-8", "global-delivery-status", "message/global"),
            (true, false) => ("utf-8", "global-delivery-status", "message/global-headers"),
        };
        let encoding = |is_ascii: bool| if is_ascii { "" } else { "Content-Transfer-Encoding: 8bit\r\n" };
        let boundary = &self.boundary;
        let mut text = self.head(status);
        text += encoding(!global && returned.is_ascii());
        text += "\r\nThis is a report about a message, in parts as MIME has them.\r\n";
        _ = write!(
            text,
            "--{boundary}\r\nContent-Type: text/plain; charset={charset}\r\n{}",
            encoding(!global)
        );
        _ = write!(text, "Content-Description: What happened\r\n\r\n{}", self.for_people(global));
        _ = write!(text, "--{boundary}\r\nContent-Type: message/{status}\r\n{}\r\n", encoding(!global));
        text += &self.for_programs(global);
        _ = write!(text, "--{boundary}\r\nContent-Type: {message}\r\n{}\r\n", encoding(returned.is_ascii()));
        let mut text = text.into_bytes();
        text.extend_from_slice(returned);
        if !returned.ends_with(b"\r\n") {
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        text
    }

    /// Whether it has UTF-8 where only ASCII was allowed once (RFC 6533).
    fn is_global(&self, returned: &[u8]) -> bool {
        let mail = &self.record.mail;
        let mut all = self.each().map(|(one, _)| one.rcpt.to.is_ascii());
        let is_ascii = mail.sender.as_ref().is_none_or(|sender| sender.is_ascii());
        mail.utf8 && !(is_ascii && all.all(|is_ascii| is_ascii) && returned.is_ascii())
    }

    /// The header of the report, whose second part is of this type.
    fn head(&self, status: &str) -> String {
        let sender = self.record.mail.sender.as_ref().map(ToString::to_string).unwrap_or_default();
        let (host, id, date) = (self.host, self.id.of_report(self.record.reports + 1), date(self.now));
        let subject = match self.worst() {
            Action::Failed => "Your message could not be delivered",
            Action::Delayed => "Your message is late",
            Action::Relayed | Action::Delivered => "Your message has arrived",
        };
        format!(
            "From: Mail Delivery System <MAILER-DAEMON@{host}>\r\nTo: <{sender}>\r\nSubject: {subject}\r\n\
             Date: {date}\r\nMessage-ID: <{id}@{host}>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type={status};\r\n\tboundary=\"{}\"\r\n",
            self.boundary
        )
    }

    fn worst(&self) -> Action {
        self.owed.iter().map(|(_, action)| *action).min().unwrap_or(Action::Delivered)
    }

    fn each(&self) -> impl Iterator<Item = (&'a Addressee, Action)> {
        self.owed.iter().filter_map(|(at, action)| Some((self.record.recipients.get(*at)?, *action)))
    }

    fn for_people(&self, utf8: bool) -> String {
        let mut text = format!("This is the mail system of {}.\r\n", self.host);
        let days = self.give_up.as_secs() / 86_400;
        for (action, about) in [
            (Action::Failed, "Your message could not be delivered to".to_owned()),
            (
                Action::Delayed,
                format!(
                    "Your message is late. You need not send it again: this is tried for {days} days. \
                     It could not be delivered yet to"
                ),
            ),
            (
                Action::Relayed,
                "Your message was passed on to a mail system that tells no more of it, for".to_owned(),
            ),
            (Action::Delivered, "Your message was delivered to".to_owned()),
        ] {
            for (number, (one, _)) in self.each().filter(|(_, other)| *other == action).enumerate() {
                if number == 0 {
                    _ = write!(text, "\r\n{about}:\r\n");
                }
                _ = write!(text, "\r\n  <{}>\r\n", plain(&one.rcpt.to.to_string(), utf8));
                let Some(said) = &one.said else { continue };
                let host = said.host.as_deref().unwrap_or(self.host);
                let said = format!("{host} said: {}", said.reply);
                _ = write!(text, "      {}\r\n", plain(&said, utf8));
            }
        }
        text + "\r\n"
    }

    fn for_programs(&self, utf8: bool) -> String {
        let mut text = format!("Reporting-MTA: dns; {}\r\n", self.host);
        if let Some(envid) = &self.record.mail.envid {
            let envid = String::from_utf8_lossy(envid);
            _ = write!(text, "Original-Envelope-Id: {}\r\n", plain(&envid, false));
        }
        _ = write!(text, "Arrival-Date: {}\r\n\r\n", date(self.record.arrived));
        for (one, action) in self.each() {
            if let Some(original) = &one.rcpt.original {
                let address = String::from_utf8_lossy(&original.address);
                let (kind, address) = (plain(&original.kind, false), plain(&address, utf8));
                _ = write!(text, "Original-Recipient: {kind};{address}\r\n");
            }
            let to = one.rcpt.to.to_string();
            let kind = if to.is_ascii() || !utf8 { "rfc822" } else { "utf-8" };
            _ = write!(text, "Final-Recipient: {kind};{}\r\n", plain(&to, utf8));
            let (name, status) = (action.name(), status(one, action));
            _ = write!(text, "Action: {name}\r\nStatus: {status}\r\n");
            if let Some(said) = &one.said {
                if let Some(host) = &said.host {
                    _ = write!(text, "Remote-MTA: dns; {}\r\n", plain(host, utf8));
                }
                _ = write!(text, "Diagnostic-Code: smtp; {}\r\n", plain(&said.reply.to_string(), utf8));
            }
            if action == Action::Delayed {
                let until = date(self.record.arrived + self.give_up);
                _ = write!(text, "Will-Retry-Until: {until}\r\n");
            }
            text += "\r\n";
        }
        text
    }
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Relayed => "relayed",
            Self::Delivered => "delivered",
        }
    }

    /// The class of statuses that goes with it (RFC 3463 section 3.1).
    fn class(self) -> u8 {
        match self {
            Self::Failed => 5,
            Self::Delayed => 4,
            Self::Relayed | Self::Delivered => 2,
        }
    }
}

/// What has come of it as a status: the one that was told, if it is of the right class.
fn status(one: &Addressee, action: Action) -> Status {
    let reply = one.said.as_ref().map(|said| &said.reply);
    if action == Action::Failed && reply.is_some_and(|reply| reply.code().is_transient()) {
        return Status::EXPIRED;
    }
    let class = action.class();
    let told = reply.and_then(|reply| reply.status()).filter(|status| status.class() == class);
    told.or_else(|| Status::new(class, 0, 0)).unwrap_or(Status::OK)
}

/// A text in one line that is not too long.
fn plain(text: &str, utf8: bool) -> String {
    let plain = |c: char| match c {
        c if c.is_control() => ' ',
        c if !c.is_ascii() && !utf8 => '?',
        c => c,
    };
    text.chars().map(plain).take(LINE_MAX).collect()
}

/// The header that a message begins with, as far as these bytes have it: whole lines.
pub(super) fn header(bytes: &[u8]) -> &[u8] {
    let ends = |window: &[u8]| window == b"\r\n\r\n";
    let end = match bytes.windows(4).position(ends) {
        Some(at) => at + 2,
        None => bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1),
    };
    bytes.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        queue::{Carried, Fate},
        smtp::{Code, Mailbox, Notify, OriginalRecipient, Reply},
    };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn rcpt(address: &str, notify: Option<Notify>) -> Rcpt {
        Rcpt { notify, ..Rcpt::new(Mailbox::parse(address).unwrap()) }
    }

    /// One of each kind, after four hours.
    fn record(sender: &str, utf8: bool) -> Record {
        let all = Notify { success: true, failure: true, delay: true };
        let mail = Mail {
            sender: Mailbox::parse(sender),
            utf8,
            envid: Some(b"my id\r\n".to_vec()),
            ret: Some(Return::Full),
            ..Mail::default()
        };
        let original = OriginalRecipient { kind: "rfc822".into(), address: b"list@example.org".to_vec() };
        let recipients = [
            rcpt("a@example.com", None),
            rcpt("b@example.com", Some(all)),
            Rcpt { original: Some(original), ..rcpt("c@example.com", Some(all)) },
            rcpt("d@example.com", Some(all)),
            rcpt("e@example.com", Some(Notify::default())),
            rcpt("f@example.com", None),
        ];
        let mut record = Record::new(mail, recipients, at(1_800_000_000));
        let refused = Fate::Refused(Reply::new(Code::REFUSED, Status::NO_MAILBOX, "No such user\nhere"));
        let ok = Reply::new(Code::OK, Status::OK, "Stored");
        let later = Fate::Later(Reply::plain(Code::MAILBOX_BUSY, "Not n\u{f6}w"));
        let now = at(1_800_000_100);
        for (at, carried) in [
            (0, Carried::by("mx.example.com", refused.clone())),
            (1, Carried::by("mx.example.com", later)),
            (2, Carried::new(Fate::Delivered(ok.clone()))),
            (3, Carried::by("mx.example.com", Fate::Relayed { reply: ok.clone(), notifies: false })),
            (4, Carried::new(refused)),
            (5, Carried::by("mx.example.com", Fate::Relayed { reply: ok, notifies: false })),
        ] {
            record.carried(at, &carried, now, now, Duration::from_secs(432_000));
        }
        record
    }

    fn report<'a>(id: &'a QueueId, record: &'a Record, is_late: bool) -> Report<'a> {
        Report {
            id,
            record,
            owed: Report::owed(record, is_late),
            host: "mx.example.org",
            now: at(1_800_014_500),
            give_up: Duration::from_secs(432_000),
            boundary: "=_b".into(),
        }
    }

    #[test]
    fn each_recipient_is_told_of_as_was_wished() {
        let record = record("ann@example.org", false);
        let actions =
            [(0, Action::Failed), (1, Action::Delayed), (2, Action::Delivered), (3, Action::Relayed)];
        assert_eq!(Report::owed(&record, true), actions, "e wants to hear nothing, and of f all is well");
        let soon: Vec<usize> = Report::owed(&record, false).iter().map(|(at, _)| *at).collect();
        assert_eq!(soon, [0, 2, 3]);
        let of_nobody = Record { mail: Mail::default(), ..record };
        assert_eq!(Report::owed(&of_nobody, true), []);
    }

    #[test]
    fn a_report_as_it_is_sent() {
        let (record, id) = (record("ann@example.org", false), "a1".parse().unwrap());
        let report = report(&id, &record, true);
        assert!(report.returns_all());
        let text = report.text(b"Subject: hello\r\n\r\nHello!", true);
        let text = String::from_utf8(text).unwrap();
        for part in [
            "From: Mail Delivery System <MAILER-DAEMON@mx.example.org>\r\nTo: <ann@example.org>\r\n",
            "Message-ID: <a1-1@mx.example.org>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n",
            "multipart/report; report-type=delivery-status;\r\n\tboundary=\"=_b\"\r\n\r\n",
            "--=_b\r\nContent-Type: text/plain; charset=us-ascii\r\n",
            "\r\n  <a@example.com>\r\n      mx.example.com said: 550 5.1.1 No such user here\r\n",
            "--=_b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n",
            "\r\nOriginal-Envelope-Id: my id  \r\nArrival-Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n\r\n",
            "\r\n\r\nFinal-Recipient: rfc822;a@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\
             Remote-MTA: dns; mx.example.com\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user here\r\n\r\n",
            "Final-Recipient: rfc822;b@example.com\r\nAction: delayed\r\nStatus: 4.0.0\r\n\
             Remote-MTA: dns; mx.example.com\r\nDiagnostic-Code: smtp; 450 Not n?w\r\n\
             Will-Retry-Until: Wed, 20 Jan 2027 08:00:00 +0000\r\n\r\n",
            "Original-Recipient: rfc822;list@example.org\r\nFinal-Recipient: rfc822;c@example.com\r\n\
             Action: delivered\r\nStatus: 2.0.0\r\nDiagnostic-Code: smtp; 250 2.0.0 Stored\r\n\r\n",
            "Final-Recipient: rfc822;d@example.com\r\nAction: relayed\r\nStatus: 2.0.0\r\n",
            "\r\n--=_b\r\nContent-Type: message/rfc822\r\n\r\nSubject: hello\r\n\r\nHello!\r\n--=_b--\r\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
        assert!(text.is_ascii() && !text.contains("e@example.com") && !text.contains("f@example.com"));
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "lines end in CRLF");
        let made = report.record(text.as_bytes(), report.now);
        assert_eq!(made.mail, Mail::default());
        assert_eq!(made.recipients[0].rcpt, rcpt("ann@example.org", None));
    }

    #[test]
    fn addresses_that_are_not_ascii() {
        let (record, id) = (record("\u{e4}@example.org", true), "a1".parse().unwrap());
        let report = report(&id, &record, false);
        let text = report.text("Subject: \u{e4}\r\n".as_bytes(), false);
        let made = report.record(&text, report.now);
        assert!(made.mail.utf8 && made.mail.body == Some(Body::EightBit));
        let text = String::from_utf8(text).unwrap();
        for part in [
            "To: <\u{e4}@example.org>\r\n",
            "report-type=global-delivery-status;\r\n",
            "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            "Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: \u{e4}\r\n--",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    #[test]
    fn headers() {
        assert_eq!(header(b"a: b\r\nc: d\r\n\r\nbody\r\n"), b"a: b\r\nc: d\r\n");
        assert_eq!(header(b"a: b\r\nc: to"), b"a: b\r\n");
        assert_eq!(header(b"a: to"), b"");
    }
}
