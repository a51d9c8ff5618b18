//! [`Parsed`]: an endpoint string, taken apart.
//!
//! ```text
//!   haproxy:version=2:tcp:8080:interface=[::1]
//!   ╰─────╯ ╰───────╯ ╰──────────────────────╯
//!     kind   option    what the kind stands before: kind, value, option
//! ```

use crate::{
    EndpointError, Error, Result,
    endpoint::error::{Cause, meant},
};
use std::{ops::Range, rc::Rc};

/// Options whose value is not shown.
const SECRETS: [&str; 3] = ["password", "secret", "token"];

/// An endpoint string, taken apart at its colons. What the parts mean is known by the kind, which is looked up when the
/// endpoint is used; so a string can be checked for its form without a reactor.
///
/// ```
/// use trenza_core::IntoEndpoint;
///
/// let endpoint = "tcp:[::1]:80:timeout=5".into_endpoint()?;
/// assert_eq!(endpoint.parsed().map(|parsed| parsed.kind()), Some("tcp"));
/// assert!("tcp:[::1:80".into_endpoint().unwrap_err().to_string().contains("not closed"));
/// # Ok::<(), trenza_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The whole string, also when this stands behind a prefix in it.
    text: Rc<str>,
    /// Where passwords are in the whole string: whoever points at a place shows all of it.
    secrets: Rc<[Range<usize>]>,
    /// Kind, values and options; never empty.
    pub(crate) parts: Vec<Part>,
}

/// What stands between two colons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Where it is in the string.
    pub(crate) at: Range<usize>,
    /// What it says, without brackets and escapes.
    pub(crate) text: String,
    /// Of `key=value` the key, and where the value begins. What it says is then `text`.
    pub(crate) key: Option<(String, usize)>,
}

impl Parsed {
    /// Takes a string apart.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let mut parsed = Self { text: text.into(), secrets: Rc::default(), parts: Vec::new() };
        for range in parsed.split()? {
            let part = parsed.part(range)?;
            parsed.parts.push(part);
        }
        let named = parsed.parts.iter().filter_map(|part| Some((part.key.as_ref()?, part.at.end)));
        let secret = named.filter(|((key, _), _)| is_secret(key));
        parsed.secrets = secret.map(|((_, value), end)| *value..end).collect();
        if parsed.kind().is_empty() {
            return Err(parsed.error(0..0, "it begins with its kind, as in tcp:8080"));
        }
        Ok(parsed)
    }

    /// The kind: `tcp`.
    pub fn kind(&self) -> &str {
        self.parts.first().map(|part| &*part.text).unwrap_or_default()
    }

    /// The string as it was written, from this kind on.
    pub fn as_str(&self) -> &str {
        self.text.get(self.start()..).unwrap_or_default()
    }

    /// The value of the first option of that name that is given to this kind or, where it is a prefix, to one behind it.
    pub fn option(&self, name: &str) -> Option<&str> {
        let named = |part: &&Part| part.key.as_ref().is_some_and(|(key, _)| key == name);
        self.parts.iter().find(named).map(|part| &*part.text)
    }

    /// The string with its passwords hidden.
    pub(crate) fn shown(&self) -> String {
        self.hide(self.start()..self.text.len())
    }

    /// What begins at part `n`, as an endpoint of its own.
    pub(crate) fn tail(&self, n: usize) -> Self {
        let parts = self.parts.get(n..).unwrap_or_default().to_vec();
        Self { text: self.text.clone(), secrets: self.secrets.clone(), parts }
    }

    /// The same place of the string, read as another kind with these values and options.
    pub(crate) fn read_as(&self, kind: &str, parts: impl IntoIterator<Item = Part>) -> Self {
        let first = Part { at: self.kind_at(), text: kind.to_owned(), key: None };
        let parts = [first].into_iter().chain(parts).collect();
        Self { text: self.text.clone(), secrets: self.secrets.clone(), parts }
    }

    /// Where in the string the kind is.
    pub(crate) fn kind_at(&self) -> Range<usize> {
        self.parts.first().map(|part| part.at.clone()).unwrap_or_default()
    }

    /// Where in the string something is missing.
    pub(crate) fn end(&self) -> Range<usize> {
        self.text.len()..self.text.len()
    }

    fn start(&self) -> usize {
        self.kind_at().start
    }

    /// An error that points at a range of the string.
    pub(crate) fn error(&self, at: Range<usize>, what: impl Into<String>) -> Error {
        self.pointing(at, what.into(), None)
    }

    /// An error that points at a range of the string, which is well: what it names is not.
    pub(crate) fn caused(&self, at: Range<usize>, what: impl Into<String>, cause: Error) -> Error {
        self.pointing(at, what.into(), Some(cause.into()))
    }

    fn pointing(&self, at: Range<usize>, what: String, cause: Option<Cause>) -> Error {
        let start = self.hide(0..at.start).len();
        let end = start + self.hide(at).len();
        let endpoint = self.hide(0..self.text.len());
        EndpointError { endpoint, what, at: start..end, cause }.into()
    }

    /// A range of the string, with the passwords in it hidden.
    pub(crate) fn hide(&self, range: Range<usize>) -> String {
        let mut shown = String::new();
        let mut from = range.start;
        for secret in self.secrets.iter() {
            let (start, end) = (secret.start.max(range.start), secret.end.min(range.end));
            if start < end {
                shown.push_str(self.text.get(from..start).unwrap_or_default());
                shown.push_str("***");
                from = end;
            }
        }
        shown.push_str(self.text.get(from..range.end).unwrap_or_default());
        shown
    }

    /// Splits at colons that are neither escaped nor within brackets.
    fn split(&self) -> Result<Vec<Range<usize>>> {
        let (mut parts, mut start, mut bracket) = (Vec::new(), 0, None);
        let mut chars = self.text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if chars.next().is_none() => {
                    return Err(self.error(at..at + 1, "nothing follows the backslash; a backslash is \\\\"));
                }
                ':' if bracket.is_none() => {
                    parts.push(start..at);
                    start = at + 1;
                }
                '[' if bracket.is_none() => bracket = Some(at),
                ']' => bracket = None,
                _ => {}
            }
        }
        if let Some(at) = bracket {
            return Err(self.error(at..at + 1, "this bracket is not closed; a bracket within a value is \\["));
        }
        parts.push(start..self.text.len());
        Ok(parts)
    }

    fn part(&self, at: Range<usize>) -> Result<Part> {
        let raw = self.text.get(at.clone()).unwrap_or_default();
        let named = raw.split_once('=').filter(|(key, _)| is_name(key));
        let (key, value) = match named {
            Some((key, value)) if !self.parts.is_empty() => {
                (Some((key.to_ascii_lowercase(), at.start + key.len() + 1)), value)
            }
            _ => (None, raw),
        };
        Ok(Part { at, text: plain(value), key })
    }
}

/// Can it be the name of an option? So a path with an equals sign in it is a value.
fn is_name(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Also of a key that is nearly one: who mistypes it does not want the value shown either.
fn is_secret(key: &str) -> bool {
    meant(key, SECRETS).is_some()
}

/// Without the brackets around it and the escapes in it.
fn plain(raw: &str) -> String {
    let inner = raw.strip_prefix('[').and_then(|raw| raw.strip_suffix(']')).filter(|raw| !raw.contains(']'));
    let mut text = String::new();
    let mut chars = inner.unwrap_or(raw).chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts as `text` or `key=text`, and what of the string they are.
    fn parts(text: &str) -> Vec<(String, &str)> {
        let parsed = Parsed::new(text).unwrap();
        let show = |part: &Part| match &part.key {
            Some((key, _)) => format!("{key}={}", part.text),
            None => part.text.clone(),
        };
        parsed.parts.iter().map(|part| (show(part), &text[part.at.clone()])).collect()
    }

    #[test]
    fn strings_come_apart_at_their_colons() {
        assert_eq!(parts("tcp"), [("tcp".into(), "tcp")]);
        assert_eq!(
            parts(r"tcp:[::1]:a\:b:x=\\y\=:unix:/a=b[c]:"),
            [
                ("tcp".into(), "tcp"),
                ("::1".into(), "[::1]"),
                ("a:b".into(), r"a\:b"),
                (r"x=\y=".into(), r"x=\\y\="),
                ("unix".into(), "unix"),
                ("/a=b[c]".into(), "/a=b[c]"),
                ("".into(), ""),
            ]
        );
        // An escaped equals sign makes a value of what looks like an option.
        assert_eq!(
            parts(r"k:a\=b:[c:d]e:[a][b]")[1..],
            [("a=b".into(), r"a\=b"), ("[c:d]e".into(), "[c:d]e"), ("[a][b]".into(), "[a][b]"),]
        );
    }

    #[test]
    fn what_cannot_be_taken_apart_says_where() {
        for (text, at, part) in [
            ("", 0..0, "begins with its kind"),
            (":80", 0..0, "begins with its kind"),
            ("tcp:[::1:80", 4..5, "not closed"),
            (r"unix:\", 5..6, "backslash"),
        ] {
            let error = Parsed::new(text).unwrap_err();
            let error = error.downcast_ref::<EndpointError>().unwrap();
            assert!(error.what.contains(part) && error.at == at, "{error:?}");
        }
    }

    #[test]
    fn passwords_are_hidden_and_places_still_right() {
        let text = r"socks5:h:1080:password=a\:b:user=joe:tcp:x:y";
        let parsed = Parsed::new(text).unwrap();
        assert_eq!(parsed.shown(), "socks5:h:1080:password=***:user=joe:tcp:x:y");
        let error = parsed.error(parsed.parts.last().unwrap().at.clone(), "no");
        let error = error.downcast_ref::<EndpointError>().unwrap();
        assert_eq!(&error.endpoint[error.at.clone()], "y");
        assert_eq!((parsed.option("user"), parsed.option("password")), (Some("joe"), Some("a:b")));
        assert_eq!(parsed.option("tcp"), None);
        let secret = parsed.error(parsed.parts[3].at.clone(), "no").to_string();
        assert!(!secret.contains("a\\:b") && secret.ends_with(&"^".repeat("password=***".len())), "{secret}");
        // What stands behind a prefix knows where it is in the whole.
        let tail = parsed.tail(5);
        assert_eq!((tail.kind(), tail.as_str(), tail.shown()), ("tcp", "tcp:x:y", "tcp:x:y".into()));
        let inner = tail.error(tail.end(), "no").to_string();
        assert!(inner.contains("password=***") && !inner.contains("a\\:b"), "{inner}");
        let mistyped = Parsed::new("socks5:h:1080:pasword=a:Passwort=b:idle=c:tcp:x:1").unwrap();
        assert_eq!(mistyped.shown(), "socks5:h:1080:pasword=***:Passwort=***:idle=c:tcp:x:1");
    }

    #[test]
    fn no_string_panics() {
        let letters = ['t', ':', '=', '[', ']', '\\', 'ü', '\n'];
        for n in 0..letters.len().pow(5) {
            let text: String = (0..5).map(|at| letters[n / letters.len().pow(at) % letters.len()]).collect();
            match Parsed::new(&text) {
                Ok(parsed) => assert_eq!(parsed.as_str(), text),
                Err(error) => assert!(error.to_string().contains('^')),
            }
        }
    }
}
