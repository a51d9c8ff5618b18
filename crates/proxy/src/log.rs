//! [`Format`]: how a log writes a [`Record`] down.

use crate::Record;
use jiff::{Timestamp, tz::TimeZone};
use std::fmt::Write;
use trenza_core::Addr;

/// How a log writes a [`Record`] down: one line, without a line end.
///
/// ```text
/// 2026-11-25 13:20:05 +0100 192.0.2.7:5000 ann -> example.org:443 (203.0.113.9:443) sent 512 received 1234 in 0.350 s
/// 2026-11-25 13:20:06 +0100 192.0.2.7:5001 - -> example.org:444 (-) sent 0 received 0 in 0.012 s: connection refused
/// ```
///
/// Whatever peers chose is escaped, so that they cannot forge lines or reach a terminal.
#[derive(Debug)]
pub struct Format {
    kind: Kind,
    zone: TimeZone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Json,
}

impl Format {
    /// Text, times in `zone`: when the client came, its address, its user, where it wanted to go, the address that it
    /// was connected with, bytes to and from there, for how long, and what went wrong.
    pub fn text(zone: TimeZone) -> Self {
        Self { kind: Kind::Text, zone }
    }

    /// A JSON object. Times are in UTC, `duration_us` in microseconds.
    pub fn json() -> Self {
        Self { kind: Kind::Json, zone: TimeZone::UTC }
    }

    /// The line for a client.
    pub fn line(&self, record: &Record) -> String {
        let time = Timestamp::try_from(record.time).unwrap_or(Timestamp::UNIX_EPOCH);
        match self.kind {
            Kind::Json => json(record, time),
            Kind::Text => {
                text(record, &time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %z").to_string())
            }
        }
    }
}

fn text(record: &Record, time: &str) -> String {
    let mut line = format!("{time} {} ", word(&record.remote));
    for (value, next) in [(&record.user, " -> "), (&record.target, " ")] {
        escape(value.as_deref().unwrap_or("-"), &mut line);
        line.push_str(next);
    }
    let far = record.far.as_ref().map_or_else(|| "-".to_owned(), word);
    // Writing to a string cannot fail.
    let _ = write!(
        line,
        "({far}) sent {} received {} in {:.3} s",
        record.sent,
        record.received,
        record.duration.as_secs_f64()
    );
    if let Some(error) = &record.error {
        line.push_str(": ");
        escape(error, &mut line);
    }
    line
}

/// An address without spaces: most clients of a UNIX socket have no name.
fn word(addr: &Addr) -> String {
    let text = addr.to_string();
    if text.contains(' ') { "unix".to_owned() } else { text }
}

fn json(record: &Record, time: Timestamp) -> String {
    let object = serde_json::json!({
        "time": time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        "remote": record.remote.to_string(),
        "user": record.user,
        "target": record.target,
        "far": record.far.as_ref().map(ToString::to_string),
        "sent": record.sent,
        "received": record.received,
        "duration_us": u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX),
        "error": record.error,
    });
    let mut line = String::new();
    for char in object.to_string().chars() {
        match char {
            ' '..='~' => line.push(char),
            // There are characters beyond ASCII that end a line or command a terminal.
            _ => char.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(line, "\\u{unit:04x}");
            }),
        }
    }
    line
}

/// Appends printable ASCII as it is, everything else escaped; backslashes too.
fn escape(text: &str, line: &mut String) {
    for char in text.chars() {
        match char {
            '\\' => line.push_str("\\\\"),
            ' '..='~' => line.push(char),
            _ => {
                let _ = write!(line, "\\u{{{:x}}}", u32::from(char));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::SocketAddr,
        time::{Duration, SystemTime},
    };

    fn record() -> Record {
        let addr = |text: &str| Addr::from(text.parse::<SocketAddr>().unwrap());
        Record {
            remote: addr("192.0.2.7:5000"),
            user: Some("ann".into()),
            target: Some("example.org:443".into()),
            far: Some(addr("203.0.113.9:443")),
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250),
            duration: Duration::from_millis(350),
            sent: 512,
            received: 1234,
            error: None,
        }
    }

    #[test]
    fn text_lines() {
        let format = Format::text(TimeZone::UTC);
        assert_eq!(
            format.line(&record()),
            "2023-11-14 22:13:20 +0000 192.0.2.7:5000 ann -> example.org:443 (203.0.113.9:443) sent 512 received 1234 \
             in 0.350 s"
        );
        let error = Some("no\n\u{9b}31m\\way".into());
        let line = format.line(&Record { user: None, target: None, far: None, error, ..record() });
        assert!(
            line.ends_with(" - -> - (-) sent 512 received 1234 in 0.350 s: no\\u{a}\\u{9b}31m\\\\way"),
            "{line}"
        );
    }

    #[test]
    fn json_lines_are_ascii_and_mean_the_same() {
        let user = "\u{9b}31m \u{2028} \u{1f980}\n";
        let line = Format::json().line(&Record { user: Some(user.into()), ..record() });
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["time"], "2023-11-14T22:13:20.250Z");
        assert_eq!((&value["user"], &value["target"]), (&user.into(), &"example.org:443".into()));
        assert_eq!((&value["sent"], &value["duration_us"]), (&512.into(), &350_000.into()));
        assert_eq!(value["error"], serde_json::Value::Null);
    }
}
