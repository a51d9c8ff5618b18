//! [`Record`]: what the access log says of a request, and two ways to write it down.

use http::{HeaderValue, Method, StatusCode, Uri, Version};
use jiff::{Timestamp, tz::TimeZone};
use std::{
    fmt::Write,
    time::{Duration, SystemTime},
};
use trenza_core::Addr;

/// One request and its response, when the last byte of the response was queued or the connection was lost.
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
    /// Bytes of the response's body.
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

/// A line in the combined log format, without a line end. `zone` is the time zone to write times in.
///
/// Whatever the client chose is escaped, so that it cannot forge lines or reach a terminal.
pub fn common(record: &Record, zone: &TimeZone) -> String {
    let mut line = String::with_capacity(200);
    let ip = record.remote.ip().map_or_else(|| record.remote.to_string(), |ip| ip.to_string());
    let status = record.status.map_or(0, |status| status.as_u16());
    // Writing to a string cannot fail.
    let _ = write!(line, "{ip} - - [{}] \"", local_time(record.time, zone, "%d/%b/%Y:%H:%M:%S %z"));
    escape(request_line(record).as_bytes(), &mut line);
    let _ = write!(line, "\" {status} {} \"", record.bytes);
    escape(record.referer.as_ref().map_or(b"-", HeaderValue::as_bytes), &mut line);
    line.push_str("\" \"");
    escape(record.user_agent.as_ref().map_or(b"-", HeaderValue::as_bytes), &mut line);
    line.push('"');
    line
}

/// A JSON object on one line, without a line end. Times are in UTC, `duration_us` in microseconds.
pub fn json(record: &Record) -> String {
    let text = |value: &Option<HeaderValue>| {
        value.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    serde_json::json!({
        "time": local_time(record.time, &TimeZone::UTC, "%Y-%m-%dT%H:%M:%S%.3fZ"),
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
    })
    .to_string()
}

fn request_line(record: &Record) -> String {
    match &record.method {
        Some(method) => format!("{method} {} {:?}", record.target, record.version),
        None => "-".to_owned(),
    }
}

fn local_time(time: SystemTime, zone: &TimeZone, format: &str) -> String {
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_zoned(zone.clone()).strftime(format).to_string()
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
    fn common_line() {
        assert_eq!(
            common(&record(), &TimeZone::UTC),
            "192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c HTTP/1.1\" 200 1234 \"-\" \"curl/8\""
        );
    }

    #[test]
    fn a_client_cannot_forge_a_line_or_reach_a_terminal() {
        let user_agent = HeaderValue::from_bytes(b"a\" 200 \\ \t\xff").ok();
        let line = common(&Record { user_agent, ..record() }, &TimeZone::UTC);
        assert!(line.ends_with("\"a\\\" 200 \\\\ \\x09\\xff\""), "{line}");
    }

    #[test]
    fn a_request_that_was_not_understood() {
        let record = Record { method: None, status: Some(StatusCode::BAD_REQUEST), ..record() };
        assert!(common(&record, &TimeZone::UTC).contains("] \"-\" 400 "));
        assert!(json(&record).contains("\"method\":null"));
    }

    #[test]
    fn json_line() {
        let line = json(&record());
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["time"], "2023-11-14T22:13:20.250Z");
        assert_eq!(value["target"], "/a?b=c");
        assert_eq!((&value["status"], &value["duration_us"]), (&200.into(), &1500.into()));
        assert_eq!(value["referer"], serde_json::Value::Null);
        assert!(!line.contains('\n'));
    }
}
