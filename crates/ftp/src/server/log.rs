//! [`Transfer`]: what is known of a file that went over the wire, and [`TransferLog`], which is told of it.

use crate::time;
use serde_json::json;
use std::{fmt::Write, net::IpAddr, time::Duration, time::SystemTime};
use trenza_storage::Path;

/// Which way a file went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// RETR.
    Download,
    /// STOR, STOU, APPE.
    Upload,
}

/// A file that went over the wire, whole or not. Listings are none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transfer {
    /// When it began, by the wall clock.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Whose it was.
    pub account: String,
    /// The client's address, where it has one.
    pub address: Option<IpAddr>,
    /// The file, from the root of the account on.
    pub path: Path,
    /// Which way it went.
    pub direction: Direction,
    /// At which byte it began: what REST said; of APPE it is not known.
    pub offset: u64,
    /// How many bytes went over the data connection, without what TLS adds.
    pub bytes: u64,
    /// TYPE A: line ends were converted.
    pub ascii: bool,
    /// The data connection was protected by TLS.
    pub secured: bool,
    /// Why it was not transferred as a whole, in words; None: it was.
    pub failure: Option<String>,
}

/// Is told of every transfer of a file when it is over, from the loop, so it must not block. Closures are logs.
pub trait TransferLog: Send + Sync + 'static {
    /// A transfer has ended.
    fn ended(&self, transfer: &Transfer);
}

impl<F: Fn(&Transfer) + Send + Sync + 'static> TransferLog for F {
    fn ended(&self, transfer: &Transfer) {
        self(transfer);
    }
}

impl Transfer {
    /// A line of text without its end: time, seconds, account, address, way, bytes, path, and how it ended. What could end
    /// the line or upset a terminal is escaped.
    ///
    /// ```text
    /// 2026-05-04T12:30:01Z 0.251s ann 192.0.2.7 up 10240 /music/b.ogg ok
    /// 2026-05-04T12:31:09Z 9.004s ann 192.0.2.7 down 4096@1000 tls /a\x20b failed: Transfer aborted
    /// ```
    pub fn text(&self) -> String {
        let stamp = stamp(self.at);
        let way = match self.direction {
            Direction::Download => "down",
            Direction::Upload => "up",
        };
        let mut line = format!("{stamp} {:.3}s {} ", self.took.as_secs_f64(), word(self.account.as_bytes()));
        // Writing to a string cannot fail.
        let _ = match self.address {
            Some(ip) => write!(line, "{ip} {way} {}", self.bytes),
            None => write!(line, "- {way} {}", self.bytes),
        };
        if self.offset > 0 {
            let _ = write!(line, "@{}", self.offset);
        }
        for (on, name) in [(self.ascii, " ascii"), (self.secured, " tls")] {
            line.push_str(if on { name } else { "" });
        }
        let _ = write!(line, " /{} ", word(self.path.as_bytes()));
        match &self.failure {
            None => line.push_str("ok"),
            Some(why) => {
                let _ = write!(line, "failed: {why}");
            }
        }
        line
    }

    /// A line of JSON without its end. Of a path that is not UTF-8 the bytes that are not are replaced.
    pub fn json(&self) -> String {
        json!({
            "time": stamp(self.at),
            "seconds": self.took.as_secs_f64(),
            "account": self.account,
            "address": self.address.map(|ip| ip.to_string()),
            "direction": match self.direction {
                Direction::Download => "download",
                Direction::Upload => "upload",
            },
            "path": self.path.to_string(),
            "offset": self.offset,
            "bytes": self.bytes,
            "ascii": self.ascii,
            "tls": self.secured,
            "failure": self.failure,
        })
        .to_string()
    }
}

/// One word: spaces and all that is not printable ASCII are escaped.
fn word(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            33..=126 => text.push(char::from(*byte)),
            byte => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}

fn stamp(at: SystemTime) -> String {
    let at = time::civil(at);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn lines_stay_lines() {
        let transfer = Transfer {
            at: UNIX_EPOCH + Duration::from_secs(3661),
            took: Duration::from_millis(1500),
            account: "ann b\n".into(),
            address: Some(IpAddr::from([192, 0, 2, 7])),
            path: Path::new(b"a/b \\\n\xff\x1b").unwrap(),
            direction: Direction::Upload,
            offset: 10,
            bytes: 5,
            ascii: true,
            secured: false,
            failure: None,
        };
        assert_eq!(
            transfer.text(),
            r"1970-01-01T01:01:01Z 1.500s ann\x20b\x0a 192.0.2.7 up 5@10 ascii /a/b\x20\\\x0a\xff\x1b ok"
        );
        let json = transfer.json();
        assert!(!json.contains('\n') && !json.contains('\x1b'), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["path"], "/a/b \\\n\u{fffd}\u{1b}");
        assert_eq!((&read["bytes"], &read["failure"]), (&json!(5), &json!(null)));
    }
}
