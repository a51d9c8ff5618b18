//! [`Host`]: what stands behind the `@`, and what clients call themselves.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The longest domain in bytes (RFC 5321 section 4.5.3.1.2).
pub const DOMAIN_MAX: usize = 255;
/// The longest part of a domain between dots in bytes (RFC 1035 section 2.3.4).
const LABEL_MAX: usize = 63;

/// A domain or an address literal (RFC 5321 sections 4.1.2 and 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A domain, in lower case as far as it is ASCII. It may have labels of UTF-8 (RFC 6531).
    Domain(String),
    /// The literal of an address, as in `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
    Address(IpAddr),
    /// Another literal, without its brackets: tag, colon, whatever the tag stands for.
    Literal(String),
}

impl Host {
    /// Reads a domain or literal. None: it is neither.
    ///
    /// ```
    /// use trenza_mail::smtp::Host;
    ///
    /// assert_eq!(Host::parse("Example.ORG"), Some(Host::Domain("example.org".into())));
    /// assert_eq!(Host::parse("[127.0.0.1]"), Some(Host::Address([127, 0, 0, 1].into())));
    /// assert_eq!(Host::parse("a..b"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > DOMAIN_MAX {
            return None;
        }
        match text.strip_prefix('[') {
            Some(rest) => literal(rest.strip_suffix(']')?),
            None => is_domain(text).then(|| Self::Domain(text.to_ascii_lowercase())),
        }
    }

    /// The domain, if it is one.
    pub fn domain(&self) -> Option<&str> {
        match self {
            Self::Domain(domain) => Some(domain),
            _ => None,
        }
    }

    /// Whether it can be said to a server that knows no SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Domain(text) | Self::Literal(text) => text.is_ascii(),
            Self::Address(_) => true,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Address(IpAddr::V4(ip)) => write!(f, "[{ip}]"),
            Self::Address(IpAddr::V6(ip)) => write!(f, "[IPv6:{ip}]"),
            Self::Literal(text) => write!(f, "[{text}]"),
        }
    }
}

fn literal(text: &str) -> Option<Host> {
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Some(Host::Address(ip.into()));
    }
    let (tag, content) = text.split_once(':')?;
    if tag.eq_ignore_ascii_case("IPv6") {
        return content.parse::<Ipv6Addr>().ok().map(|ip| Host::Address(ip.into()));
    }
    let of_tag = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let right = !tag.is_empty() && !tag.ends_with('-') && tag.bytes().all(of_tag) && !content.is_empty();
    let of_content = |byte: u8| matches!(byte, b'!'..=b'Z' | b'^'..=b'~');
    (right && content.bytes().all(of_content)).then(|| Host::Literal(text.to_owned()))
}

/// Letters, digits, hyphens and, as it is found in the wild, underscores, in labels with dots between them.
fn is_domain(text: &str) -> bool {
    let of_label =
        |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || (!c.is_ascii() && is_text(c));
    !text.is_empty()
        && text.split('.').all(|label| {
            (1..=LABEL_MAX).contains(&label.len())
                && label.chars().all(of_label)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// What of Unicode may stand in addresses: no control characters, no spaces of any kind.
pub(super) fn is_text(c: char) -> bool {
    !c.is_control() && !c.is_whitespace()
}
