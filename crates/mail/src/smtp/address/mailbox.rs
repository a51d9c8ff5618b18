//! [`Mailbox`]: an address of mail.

use super::host::{Host, is_text};
use std::fmt;

/// The longest local part in bytes, as it is without quotes. RFC 5321 section 4.5.3.1.1 has 64, and asks for no limit;
/// addresses of lists and of rewritten senders are longer.
pub const LOCAL_MAX: usize = 255;

/// An address: a local part and where it is (RFC 5321 section 4.1.2).
///
/// The local part is kept as it is meant, without quotes and backslashes, in the case that it came in: `"a b"@x` and
/// `a\ b` in quotes are the same. It is written with quotes where it needs them.
///
/// ```
/// use trenza_mail::smtp::Mailbox;
///
/// let mailbox = Mailbox::parse(r#""ann.\b"@Example.org"#).unwrap();
/// assert_eq!(mailbox.local(), "ann.b");
/// assert_eq!(mailbox.to_string(), "ann.b@example.org");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox {
    local: String,
    host: Host,
}

impl Mailbox {
    /// An address by its parts. None: a character of the local part can stand in no address, or it is too long.
    pub fn new(local: impl Into<String>, host: Host) -> Option<Self> {
        let local = local.into();
        let right = local.len() <= LOCAL_MAX && local.chars().all(is_local);
        right.then_some(Self { local, host })
    }

    /// Reads an address without angle brackets. None: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, rest) = local(text)?;
        let host = Host::parse(rest.strip_prefix('@')?)?;
        Self::new(local, host)
    }

    /// The local part, without quotes.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// Where it is.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Whether it can be said to a server that knows no SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii() && self.host.is_ascii()
    }
}

/// The local part that a text begins with, without quotes, and the rest.
pub(super) fn local(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c| !is_atom(c) && c != '.').unwrap_or(text.len());
        let (local, rest) = text.split_at(end);
        return is_dot_string(local).then(|| (local.to_owned(), rest));
    };
    let (mut local, mut chars) = (String::new(), quoted.chars());
    loop {
        match chars.next()? {
            '"' => return Some((local, chars.as_str())),
            '\\' => local.push(chars.next().filter(|c| matches!(c, ' '..='~'))?),
            c if is_local(c) => local.push(c),
            _ => return None,
        }
    }
}

/// What may stand in a local part, quoted if need be.
fn is_local(c: char) -> bool {
    matches!(c, ' '..='~') || (!c.is_ascii() && is_text(c))
}

/// What stands in it without quotes.
fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && is_text(c))
}

fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom))
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            return write!(f, "{}@{}", self.local, self.host);
        }
        f.write_str("\"")?;
        for c in self.local.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{}", self.host)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}
