//! [`Extensions`]: what a server says it can do.

use crate::smtp::Reply;

/// What a server says to EHLO that it can do (RFC 5321 section 4.1.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions(Vec<(String, String)>);

impl Extensions {
    /// Those of a reply to EHLO or LHLO: each line but the first is a keyword and its parameters.
    ///
    /// ```
    /// use trenza_mail::smtp::{Code, Reply, client::Extensions};
    ///
    /// let extensions = Extensions::of(&Reply::plain(Code::OK, "mx\nsize 1000\nAUTH PLAIN LOGIN"));
    /// assert!(extensions.has("AUTH") && !extensions.has("STARTTLS"));
    /// assert_eq!(extensions.size_max(), Some(1000));
    /// assert!(extensions.mechanisms().eq(["PLAIN", "LOGIN"]));
    /// ```
    pub fn of(reply: &Reply) -> Self {
        let split = |line: &str| {
            let (keyword, parameters) = line.split_once(' ').unwrap_or((line, ""));
            // As some servers still say it for clients of the last century, `AUTH=PLAIN`.
            match keyword.split_once('=') {
                Some((keyword, first)) => (keyword.to_ascii_uppercase(), format!("{first} {parameters}")),
                None => (keyword.to_ascii_uppercase(), parameters.to_owned()),
            }
        };
        Self(reply.lines().skip(1).map(split).collect())
    }

    /// Is this one of them? The keyword is in upper case.
    pub fn has(&self, keyword: &str) -> bool {
        self.0.iter().any(|(known, _)| known == keyword)
    }

    /// The largest message that it takes in bytes, if it says one (RFC 1870).
    pub fn size_max(&self) -> Option<u64> {
        let size = self.parameters("SIZE").next()?.parse().ok()?;
        Some(size).filter(|size| *size > 0)
    }

    /// The mechanisms of SASL that it offers (RFC 4954), as it says them.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.parameters("AUTH")
    }

    fn parameters(&self, keyword: &str) -> impl Iterator<Item = &str> {
        let all = self.0.iter().filter(move |(known, _)| known == keyword);
        all.flat_map(|(_, parameters)| parameters.split_ascii_whitespace())
    }
}
