//! [`Name`]: whom a certificate is for.

use std::{fmt, net::IpAddr, str::FromStr};

/// The longest DNS name and the longest of its labels, in bytes (RFC 1035 section 2.3.4).
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// Whom a server's certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// A DNS name; its first label may be `*`.
    Dns(String),
    Ip(IpAddr),
}

impl Name {
    /// The file that is named after it, without an ending.
    pub(super) fn file(&self) -> String {
        match self {
            Self::Dns(name) => name.replace('*', "wildcard"),
            // What begins with a hyphen is taken for an option.
            Self::Ip(IpAddr::V6(ip)) => format!("ip-{ip}").replace(':', "-"),
            Self::Ip(ip) => ip.to_string(),
        }
    }

    /// Where a client goes with it.
    pub(super) fn host(&self) -> String {
        match self {
            Self::Dns(name) => name.replace('*', "www"),
            Self::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
            Self::Ip(ip) => ip.to_string(),
        }
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip));
        }
        let labels = text.strip_prefix("*.").unwrap_or(text);
        if text.len() <= NAME_MAX && labels.split('.').all(is_label) {
            return Ok(Self::Dns(text.to_ascii_lowercase()));
        }
        Err(match text.is_ascii() {
            false => {
                "in DNS a name with such letters begins with xn--, as xn--mnchen-3ya.example does".into()
            }
            true => {
                "a name or an address alone is wanted: www.example.org, *.example.org, 192.0.2.1, ::1".into()
            }
        })
    }
}

/// The letters of a host name, and the underscore, which some names have.
fn is_label(label: &str) -> bool {
    let fits = (1..=LABEL_MAX).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    fits && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_from_what_is_neither() {
        for (text, file, host) in [
            ("localhost", "localhost", "localhost"),
            ("WWW.Example.org", "www.example.org", "www.example.org"),
            ("*.a_b.example", "wildcard.a_b.example", "www.a_b.example"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("::1", "ip---1", "[::1]"),
        ] {
            let name: Name = text.parse().unwrap();
            assert_eq!((&*name.file(), &*name.host()), (file, host));
            assert_eq!(name.to_string(), text.to_ascii_lowercase());
        }
        for text in
            ["", "a b", "http://a/", "a:443", "[::1]", "a..b", "*", "*.", "a.*.b", "-a", "a-.b", ".a", "a/b"]
        {
            assert!(text.parse::<Name>().unwrap_err().contains("www.example.org"), "{text}");
        }
        assert!("m\u{fc}nchen.example".parse::<Name>().unwrap_err().contains("xn--"));
        assert!("a".repeat(64).parse::<Name>().is_err());
        assert!(vec!["abc"; 64].join(".").parse::<Name>().is_err());
    }
}
