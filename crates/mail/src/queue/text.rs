//! A [`Record`] as text, as it is on the disk:
//!
//! ```text
//! trenza-queue 1
//! arrived 1795650000
//! reports 0
//! MAIL FROM:<ann@example.org> SIZE=1200
//! RCPT TO:<bob@example.com> NOTIFY=SUCCESS,FAILURE
//! waiting 2 1795650600
//! said mx.example.com 450 4.2.0 Try again later
//! note what who carries it has noted
//! RCPT TO:<eve@example.net>
//! done
//! said - 250 2.0.0 Stored
//! end
//! ```
//!
//! Sender and recipients are as in SMTP. A line ends in LF; an LF in a reply or note is `\n`, a backslash `\\`.

use super::{
    Addressee, Record, Said, State,
    record::{SAID_MAX, TIME_MAX, seconds, time},
};
use crate::smtp::{Code, Command, Mail, Rcpt, Reply, Status};
use std::{fmt::Write as _, str};

/// The most bytes of a record.
pub const RECORD_MAX: usize = 4 * 1024 * 1024;

/// The first line.
const MAGIC: &str = "trenza-queue 1";

/// A record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the record: {what}")]
pub struct RecordError {
    /// Where, from 1 on.
    pub line: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl RecordError {
    /// Whether this is why a record could not be read.
    pub(super) fn is_why(error: &trenza_storage::Error) -> bool {
        std::error::Error::source(error).is_some_and(|source| source.is::<Self>())
    }
}

impl Record {
    /// As text.
    pub fn to_text(&self) -> String {
        let mut text = format!("{MAGIC}\narrived {}\nreports {}\n", seconds(self.arrived), self.reports);
        _ = writeln!(text, "{}", self.mail.line());
        for one in &self.recipients {
            _ = writeln!(text, "{}", one.rcpt.line());
            match one.state {
                State::Waiting { tries, next, warned } => {
                    let warned = if warned { " warned" } else { "" };
                    _ = writeln!(text, "waiting {tries} {}{warned}", seconds(next));
                }
                State::Delivered => text += "delivered\n",
                State::Relayed => text += "relayed\n",
                State::Failed => text += "failed\n",
                State::Done => text += "done\n",
            }
            if let Some(said) = &one.said {
                said.write(&mut text);
            }
            if let Some(note) = &one.note {
                text.push_str("note ");
                escape(note, &mut text);
                text.push('\n');
            }
        }
        text + "end\n"
    }

    /// Reads a text.
    ///
    /// # Errors
    /// It is no record, or of a version that is not known, or torn.
    ///
    /// ```
    /// use trenza_mail::queue::Record;
    ///
    /// let text = "trenza-queue 1\narrived 9\nreports 0\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nwaiting 1 60\nend\n";
    /// let record = Record::parse(text.as_bytes())?;
    /// assert_eq!(record.recipients[0].rcpt.to.to_string(), "c@d");
    /// assert_eq!(record.to_text(), text);
    /// # Ok::<(), trenza_mail::queue::RecordError>(())
    /// ```
    pub fn parse(text: &[u8]) -> Result<Self, RecordError> {
        if text.len() > RECORD_MAX {
            return Err(RecordError { line: 1, what: "it is too long" });
        }
        let Ok(text) = str::from_utf8(text) else {
            return Err(RecordError { line: 1, what: "it is no UTF-8" });
        };
        Lines { rest: text, number: 0 }.record()
    }
}

impl Said {
    fn write(&self, text: &mut String) {
        let Self { host, reply } = self;
        _ = write!(text, "said {} {} ", host.as_deref().unwrap_or("-"), reply.code());
        match reply.status() {
            Some(status) => _ = write!(text, "{status} "),
            None => text.push_str("- "),
        }
        escape(reply.text(), text);
        text.push('\n');
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ' ');
        let [host, code, status, text] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let host = match host {
            "-" => None,
            "" => return None,
            host if host.contains(char::is_control) => return None,
            host => Some(host.to_owned()),
        };
        let code = Code::new(code.parse().ok().filter(|_| code.len() == 3)?)?;
        let text = unescape(text).filter(|text| text.chars().count() <= SAID_MAX)?;
        let reply = match status {
            "-" => Reply::plain(code, text),
            status => match Status::split(status)? {
                (status, "") => Reply::new(code, status, text),
                _ => return None,
            },
        };
        Some(Self { host, reply })
    }
}

fn escape(plain: &str, text: &mut String) {
    for c in plain.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            '\\' => text.push_str("\\\\"),
            c => text.push(c),
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let (mut plain, mut chars) = (String::with_capacity(text.len()), text.chars());
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next()? {
                'n' => '\n',
                '\\' => '\\',
                _ => return None,
            },
            c if c.is_control() => return None,
            c => c,
        });
    }
    Some(plain)
}

/// A text, line by line.
struct Lines<'a> {
    rest: &'a str,
    /// Of the line that was taken last.
    number: usize,
}

impl<'a> Lines<'a> {
    fn record(mut self) -> Result<Record, RecordError> {
        if self.next()? != MAGIC {
            return self.wrong("it is no record of this version");
        }
        let arrived = self.number("arrived ")?;
        if arrived > TIME_MAX {
            return self.wrong("there is no such time");
        }
        let Ok(reports) = u32::try_from(self.number("reports ")?) else {
            return self.wrong("there are too many reports");
        };
        let mail = self.mail()?;
        let mut recipients = Vec::new();
        let mut line = self.next()?;
        while line != "end" {
            let rcpt = self.rcpt(line)?;
            let state = self.next()?;
            let Some(state) = state_of(state) else { return self.wrong("this is no state") };
            line = self.next()?;
            let said = match line.strip_prefix("said ") {
                None => None,
                Some(said) => {
                    let Some(said) = Said::parse(said) else { return self.wrong("this is no reply") };
                    line = self.next()?;
                    Some(said)
                }
            };
            let note = match line.strip_prefix("note ") {
                None => None,
                Some(note) => {
                    let Some(note) = unescape(note) else { return self.wrong("this is no note") };
                    line = self.next()?;
                    Some(note)
                }
            };
            recipients.push(Addressee { rcpt, state, said, note });
        }
        if !self.rest.is_empty() {
            return self.wrong("something follows the end");
        }
        Ok(Record { arrived: time(arrived), reports, mail, recipients })
    }

    fn next(&mut self) -> Result<&'a str, RecordError> {
        self.number += 1;
        match self.rest.split_once('\n') {
            Some((line, rest)) => {
                self.rest = rest;
                Ok(line)
            }
            None => self.wrong("the end is missing"),
        }
    }

    fn number(&mut self, key: &str) -> Result<u64, RecordError> {
        match self.next()?.strip_prefix(key).and_then(number) {
            Some(number) => Ok(number),
            None => self.wrong("a number is missing"),
        }
    }

    fn mail(&mut self) -> Result<Mail, RecordError> {
        let line = self.next()?;
        match Command::parse(line.as_bytes()) {
            // As it is written, and no other way, so that a record is the same when it is written again.
            Ok(Command::Mail(mail)) if mail.line() == line => Ok(mail),
            _ => self.wrong("this is no sender"),
        }
    }

    fn rcpt(&self, line: &str) -> Result<Rcpt, RecordError> {
        match Command::parse(line.as_bytes()) {
            Ok(Command::Rcpt(rcpt)) if rcpt.line() == line => Ok(rcpt),
            _ => self.wrong("this is no recipient"),
        }
    }

    fn wrong<T>(&self, what: &'static str) -> Result<T, RecordError> {
        Err(RecordError { line: self.number, what })
    }
}

fn state_of(line: &str) -> Option<State> {
    Some(match line {
        "delivered" => State::Delivered,
        "relayed" => State::Relayed,
        "failed" => State::Failed,
        "done" => State::Done,
        line => {
            let (tries, rest) = line.strip_prefix("waiting ")?.split_once(' ')?;
            let (next, warned) = match rest.strip_suffix(" warned") {
                Some(next) => (next, true),
                None => (rest, false),
            };
            let tries = u32::try_from(number(tries)?).ok()?;
            let next = number(next).filter(|next| *next <= TIME_MAX)?;
            State::Waiting { tries, next: time(next), warned }
        }
    })
}

/// Digits, as they are written.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Carried, Fate};
    use std::time::Duration;

    fn record() -> Record {
        let Ok(Command::Mail(mail)) =
            Command::parse(b"MAIL FROM:<ann@example.org> SIZE=12 BODY=8BITMIME RET=HDRS ENVID=a+3Db AUTH=<>")
        else {
            panic!()
        };
        let rcpt = |line: &[u8]| match Command::parse(line) {
            Ok(Command::Rcpt(rcpt)) => rcpt,
            other => panic!("{other:?}"),
        };
        let recipients = [
            rcpt(b"RCPT TO:<\"a b\"@example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+2Bx@example.com"),
            rcpt(b"RCPT TO:<Postmaster>"),
            rcpt("RCPT TO:<\u{e4}@\u{fc}.org> NOTIFY=NEVER".as_bytes()),
        ];
        let mut record = Record::new(mail, recipients, time(1_795_650_000));
        let text = "one\r\ntwo \\ three\n\u{1b}[1m";
        let carried = Carried::by("mx 1\n", Fate::Refused(Reply::plain(Code::REFUSED, text)));
        let now = time(1_795_650_010);
        record.carried(0, &carried, now, now, Duration::from_secs(60));
        let later = Carried::new(Fate::Later(Reply::new(Code::NO_ROOM, Status::NO_ROOM, "")));
        let later = later.with_note(Some("one \\ and\ntwo".into()));
        record.carried(1, &later, time(1_795_651_000), now, Duration::from_secs(60));
        record
    }

    #[test]
    fn there_and_back() {
        let record = record();
        let text = record.to_text();
        assert_eq!(Record::parse(text.as_bytes()), Ok(record), "{text}");
        assert!(text.contains("\nsaid mx_1_ 550 - one \\ntwo \\\\ three\\n [1m\n"), "{text}");
        assert!(
            text.contains("\nwaiting 1 1795651000\nsaid - 452 4.3.1 \nnote one \\\\ and\\ntwo\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_torn_is_no_record() {
        let text = record().to_text();
        for end in 0..text.len() {
            assert!(Record::parse(&text.as_bytes()[..end]).is_err(), "the first {end} bytes");
        }
        for (from, to) in [
            ("queue 1", "queue 2"),
            ("arrived ", "arrived 0"),
            ("arrived ", "arrived x"),
            ("reports 0", "reports 4294967296"),
            ("MAIL FROM:", "MAIL FROM: "),
            ("SIZE=12", "SIZE=12 X=1"),
            ("RCPT", "rcpt"),
            ("failed", "lost"),
            ("waiting 1", "waiting -1"),
            ("waiting 1", "waiting"),
            ("said mx_1_ 550 -", "said mx_1_ 650 -"),
            ("said mx_1_ 550 -", "said mx_1_ 550 5.1"),
            ("said mx_1_ 550 -", "said  550 -"),
            ("two \\\\", "two \\"),
            ("note one", "note \\one"),
            ("note one", "note\u{1b}one"),
            ("end\n", "end\nend\n"),
        ] {
            assert!(text.contains(from), "{from}");
            let wrong = text.replacen(from, to, 1);
            assert!(Record::parse(wrong.as_bytes()).is_err(), "{from} -> {to}");
        }
        assert!(Record::parse(b"\xff\n").is_err());
    }
}
