//! [`Record`]: what the access log says of a request, and [`Format`]: how.

use http::{HeaderValue, Method, StatusCode, Uri, Version};
use jiff::{Timestamp, tz::TimeZone};
use std::{
    cell::RefCell,
    fmt::Write,
    time::{Duration, SystemTime},
};
use trenza_core::Addr;

/// One request and its response, when the response was sent or the connection was lost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// The client.
    pub remote: Addr,
    /// When the request's head was complete.
    pub time: SystemTime,
    /// The request's method. None when the request could not be understood.
    pub method: Option<Method>,
    /// The request's target.
    pub target: Uri,
    /// The request's version.
    pub version: Version,
    /// The response's status. None when the connection was lost before the response began.
    pub status: Option<StatusCode>,
    /// Bytes of the response's body that were sent.
    pub bytes: u64,
    /// The response is complete.
    pub complete: bool,
    /// From the request's head to the response's last byte.
    pub duration: Duration,
    /// The field Referer.
    pub referer: Option<HeaderValue>,
    /// The field User-Agent.
    pub user_agent: Option<HeaderValue>,
}

/// How an access log writes a [`Record`] down: one line, without a line end.
///
/// Whatever the client chose is escaped, so that it cannot forge lines or reach a terminal.
#[derive(Debug)]
pub struct Format {
    kind: Kind,
    zone: TimeZone,
    /// The second that was formatted last, and its text: requests of the same second share it.
    second: RefCell<(i64, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Common,
    Combined,
    Json,
}

impl Format {
    /// The common log format: `host - - [time] "request" status bytes`, times in `zone`.
    pub fn common(zone: TimeZone) -> Self {
        Self::new(Kind::Common, zone)
    }

    /// The combined log format: the common one, and behind it `"referer" "user agent"`.
    pub fn combined(zone: TimeZone) -> Self {
        Self::new(Kind::Combined, zone)
    }

    /// A JSON object. Times are in UTC, `duration_us` in microseconds.
    pub fn json() -> Self {
        Self::new(Kind::Json, TimeZone::UTC)
    }

    fn new(kind: Kind, zone: TimeZone) -> Self {
        Self { kind, zone, second: RefCell::new((i64::MIN, String::new())) }
    }

    /// The line for a request.
    pub fn line(&self, record: &Record) -> String {
        let time = Timestamp::try_from(record.time).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut cached = self.second.borrow_mut();
        if cached.0 != time.as_second() {
            let format = if self.kind == Kind::Json { "%Y-%m-%dT%H:%M:%S" } else { "%d/%b/%Y:%H:%M:%S %z" };
            *cached = (time.as_second(), time.to_zoned(self.zone.clone()).strftime(format).to_string());
        }
        match self.kind {
            Kind::Json => json(record, &format!("{}.{:03}Z", cached.1, time.subsec_millisecond())),
            kind => text(record, &cached.1, kind == Kind::Combined),
        }
    }
}

fn text(record: &Record, time: &str, combined: bool) -> String {
    let mut line = String::with_capacity(200);
    // Writing to a string cannot fail.
    let _ = match record.remote.ip() {
        Some(ip) => write!(line, "{ip} - - [{time}] \""),
        None => write!(line, "{} - - [{time}] \"", word(&record.remote)),
    };
    match &record.method {
        Some(method) => {
            escape(format!("{method} {} {:?}", record.target, record.version).as_bytes(), &mut line)
        }
        None => line.push('-'),
    }
    let status = record.status.map_or(0, |status| status.as_u16());
    let _ = write!(line, "\" {status} {}", record.bytes);
    if combined {
        for value in [&record.referer, &record.user_agent] {
            line.push_str(" \"");
            escape(value.as_ref().map_or(b"-", HeaderValue::as_bytes), &mut line);
            line.push('"');
        }
    }
    line
}

/// A client without an IP address as one word, since a space ends the field. Most of those of UNIX sockets have no name.
fn word(remote: &Addr) -> String {
    let text = remote.to_string();
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) { "unix".to_owned() } else { text }
}

fn json(record: &Record, time: &str) -> String {
    let text = |value: &Option<HeaderValue>| {
        value.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let object = serde_json::json!({
        "time": time,
        "remote": record.remote.to_string(),
        "method": record.method.as_ref().map(Method::as_str),
        "target": record.method.as_ref().map(|_| record.target.to_string()),
        "version": format!("{:?}", record.version),
        "status": record.status.map(|status| status.as_u16()),
        "bytes": record.bytes,
        "complete": record.complete,
        "duration_us": u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX),
        "referer": text(&record.referer),
        "user_agent": text(&record.user_agent),
    });
    ascii(&object.to_string())
}

/// JSON with everything but printable ASCII escaped: there are characters beyond ASCII that end a line, command a
/// terminal or turn the direction of a text.
fn ascii(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            ' '..='~' => line.push(char),
            _ => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
    line
}

/// Appends printable ASCII as it is, everything else as `\xHH`; quotes and backslashes too.
fn escape(text: &[u8], line: &mut String) {
    for byte in text {
        match byte {
            b'"' | b'\\' => {
                line.push('\\');
                line.push(char::from(*byte));
            }
            b' '..=b'~' => line.push(char::from(*byte)),
            _ => {
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use trenza_core::UnixAddr;

    fn record() -> Record {
        Record {
            remote: Addr::from("192.0.2.7:5000".parse::<SocketAddr>().unwrap()),
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250),
            method: Some(Method::GET),
            target: Uri::from_static("/a?b=c"),
            version: Version::HTTP_11,
            status: Some(StatusCode::OK),
            bytes: 1234,
            complete: true,
            duration: Duration::from_micros(1500),
            referer: None,
            user_agent: Some(HeaderValue::from_static("curl/8")),
        }
    }

    #[test]
    fn common_and_combined_lines() {
        let common = "192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c HTTP/1.1\" 200 1234";
        assert_eq!(Format::common(TimeZone::UTC).line(&record()), common);
        let combined = format!("{common} \"-\" \"curl/8\"");
        assert_eq!(Format::combined(TimeZone::UTC).line(&record()), combined);
    }

    #[test]
    fn who_has_no_name_is_one_word() {
        let record = Record { remote: UnixAddr::Unnamed.into(), ..record() };
        assert!(Format::common(TimeZone::UTC).line(&record).starts_with("unix - - [14/Nov/"));
    }

    #[test]
    fn each_second_has_its_own_time() {
        let format = Format::common(TimeZone::UTC);
        for second in [20, 20, 21, 20, 59] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 - 20 + second);
            let line = format.line(&Record { time, ..record() });
            assert!(line.contains(&format!("22:13:{second:02} +0000")), "{line}");
        }
    }

    #[test]
    fn a_client_cannot_forge_a_line_or_reach_a_terminal() {
        let user_agent = HeaderValue::from_bytes(b"a\" 200 \\ \t\xff").ok();
        let line = Format::combined(TimeZone::UTC).line(&Record { user_agent, ..record() });
        assert!(line.ends_with("\"a\\\" 200 \\\\ \\x09\\xff\""), "{line}");
    }

    #[test]
    fn json_is_ascii_and_means_the_same() {
        let sent = "\u{9b}31m \u{85} \u{2028} \u{202e} \u{1f980}";
        let user_agent = HeaderValue::from_bytes(sent.as_bytes()).ok();
        let line = Format::json().line(&Record { user_agent, ..record() });
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["user_agent"], sent);
    }

    #[test]
    fn a_request_that_was_not_understood() {
        let record = Record { method: None, status: Some(StatusCode::BAD_REQUEST), ..record() };
        assert!(Format::common(TimeZone::UTC).line(&record).contains("] \"-\" 400 "));
        assert!(Format::json().line(&record).contains("\"method\":null"));
    }

    #[test]
    fn json_line() {
        let line = Format::json().line(&record());
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["time"], "2023-11-14T22:13:20.250Z");
        assert_eq!(value["target"], "/a?b=c");
        assert_eq!((&value["status"], &value["duration_us"]), (&200.into(), &1500.into()));
        assert_eq!(value["referer"], serde_json::Value::Null);
        assert!(!line.contains('\n'));
    }
}
