//! [`Spec`]: texts with macros (RFC 7208 section 7).

use std::{
    fmt::Write,
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

/// How long a name is at most when it was expanded; of a longer one the first labels are left out.
const NAME_MAX: usize = 253;
/// What may part a value that is reversed or shortened.
const DELIMITERS: &[u8] = b".-+,/_=";

/// A text with macros, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Macro {
        letter: u8,
        /// The value is escaped as in addresses of the web.
        escaped: bool,
        /// So many parts of it, from its end.
        keep: Option<usize>,
        reversed: bool,
        delimiters: Vec<u8>,
    },
}

/// Where a text stands, and so which macros it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It becomes a name.
    Domain,
    /// It becomes a text that a sender is told.
    Explanation,
}

/// What macros stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) local: &'a str,
    pub(super) sender_domain: &'a str,
    /// The domain whose record it is.
    pub(super) domain: &'a str,
    pub(super) ip: IpAddr,
    pub(super) helo: &'a str,
    pub(super) receiver: &'a str,
    pub(super) now: SystemTime,
    /// The validated name of the client.
    pub(super) validated: &'a str,
}

impl Spec {
    /// Takes a text apart; None: it does not follow the grammar.
    pub(super) fn parse(text: &str, place: Place) -> Option<Self> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            let (before, after) = rest.split_at(at);
            plain.push_str(before);
            let mut chars = after.chars().skip(1);
            rest = match chars.next()? {
                '%' => {
                    plain.push('%');
                    after.get(2..)?
                }
                '_' => {
                    plain.push(' ');
                    after.get(2..)?
                }
                '-' => {
                    plain.push_str("%20");
                    after.get(2..)?
                }
                '{' => {
                    let (inner, after) = after.get(2..)?.split_once('}')?;
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::parse(inner, place)?);
                    after
                }
                _ => return None,
            };
        }
        plain.push_str(rest);
        let printable = |byte: u8| byte.is_ascii_graphic() || (byte == b' ' && place == Place::Explanation);
        if !text.bytes().all(printable) {
            return None;
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Some(Self(parts))
    }

    /// Whether it ends as a name must: in a macro, or in a dot and a label that is no number.
    pub(super) fn is_domain(&self) -> bool {
        match self.0.last() {
            Some(Part::Macro { .. }) => true,
            Some(Part::Text(text)) => is_top(text.strip_suffix('.').unwrap_or(text), self.0.len() > 1),
            None => false,
        }
    }

    /// Whether somebody has to find out what the client is called.
    pub(super) fn wants_validated(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Macro { letter: b'p', .. }))
    }

    /// The text, with what the macros stand for.
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Macro { letter, escaped, keep, reversed, delimiters } => {
                    let value = values.of(*letter);
                    let value = if keep.is_none() && !reversed && delimiters.is_empty() {
                        value
                    } else {
                        transformed(&value, *keep, *reversed, delimiters)
                    };
                    if *escaped { escape(&value, &mut text) } else { text.push_str(&value) }
                }
            }
        }
        text
    }

    /// The name that it becomes.
    pub(super) fn name(&self, values: &Values<'_>) -> String {
        let text = self.expand(values);
        let mut name = text.strip_suffix('.').unwrap_or(&text);
        while name.len() > NAME_MAX {
            let Some((_, shorter)) = name.split_once('.') else { break };
            name = shorter;
        }
        name.to_owned()
    }
}

/// `.toplabel` at the end; a text behind a macro may be that alone.
fn is_top(text: &str, behind_macro: bool) -> bool {
    let Some((before, label)) = text.rsplit_once('.') else { return false };
    let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let numeric = label.bytes().all(|byte| byte.is_ascii_digit());
    (behind_macro || !before.is_empty())
        && inner
        && !label.is_empty()
        && !numeric
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl Part {
    /// What stands between braces.
    fn parse(inner: &str, place: Place) -> Option<Self> {
        let (letter, rest) = inner.as_bytes().split_first()?;
        let allowed: &[u8] = match place {
            Place::Domain => b"slodiphv",
            Place::Explanation => b"slodiphvcrt",
        };
        if !allowed.contains(&letter.to_ascii_lowercase()) {
            return None;
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = rest.split_at(digits);
        let keep = match number {
            [] => None,
            // More parts than any value has are all of them.
            number => Some(std::str::from_utf8(number).ok()?.parse().unwrap_or(usize::MAX)),
        };
        if keep == Some(0) {
            return None;
        }
        let (reversed, delimiters) = match rest.split_first() {
            Some((b'r' | b'R', delimiters)) => (true, delimiters),
            _ => (false, rest),
        };
        delimiters.iter().all(|byte| DELIMITERS.contains(byte)).then(|| Self::Macro {
            letter: letter.to_ascii_lowercase(),
            escaped: letter.is_ascii_uppercase(),
            keep,
            reversed,
            delimiters: delimiters.to_vec(),
        })
    }
}

impl Values<'_> {
    fn of(&self, letter: u8) -> String {
        match letter {
            b's' => format!("{}@{}", self.local, self.sender_domain),
            b'l' => self.local.into(),
            b'o' => self.sender_domain.into(),
            b'd' => self.domain.into(),
            b'i' => dotted(self.ip),
            b'p' => self.validated.into(),
            b'v' => if self.ip.is_ipv4() { "in-addr" } else { "ip6" }.into(),
            b'h' => self.helo.into(),
            b'c' => self.ip.to_string(),
            b'r' => self.receiver.into(),
            b't' => self.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string(),
            _ => String::new(),
        }
    }
}

/// An address with a dot between its numbers, as names of DNS have it.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let nibbles = ip.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

fn transformed(value: &str, keep: Option<usize>, reversed: bool, delimiters: &[u8]) -> String {
    let is_delimiter = |char: char| match delimiters {
        [] => char == '.',
        some => u8::try_from(char).is_ok_and(|byte| some.contains(&byte)),
    };
    let mut parts: Vec<_> = value.split(is_delimiter).collect();
    if reversed {
        parts.reverse();
    }
    let from = parts.len().saturating_sub(keep.unwrap_or(usize::MAX));
    parts.split_off(from).join(".")
}

/// All but the unreserved characters of RFC 3986.
fn escape(value: &str, into: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}
