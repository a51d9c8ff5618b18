//! [`Target`]: where a proxy is asked to go.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// The longest name, in bytes: what SOCKS 5 can carry, and more than the name service knows.
pub const NAME_MAX: usize = 255;

/// Where a proxy is asked to go: an address, or a name that the proxy looks up, and a port.
///
/// ```
/// use trenza_proxy::Target;
///
/// assert_eq!(Target::new("example.org", 80)?.to_string(), "example.org:80");
/// // An address is never a name, however it is written.
/// assert_eq!(Target::new("[::1]", 80)?, Target::from(("::1".parse::<std::net::IpAddr>()?, 80)));
/// assert!(Target::new("no spaces", 80).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The machine.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// A machine, by address or by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name: 1 to [`NAME_MAX`] bytes of printable ASCII without spaces, and no address.
    Name(Box<str>),
}

/// A name that no proxy could look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has no bytes.
    #[error("the name is empty")]
    Empty,
    /// It has more than [`NAME_MAX`] bytes.
    #[error("the name is longer than {NAME_MAX} bytes")]
    TooLong,
    /// It could end a line, or turn a terminal's head.
    #[error("the name has bytes other than printable ASCII")]
    NotAscii,
}

impl Target {
    /// A target from a name or an address; an IPv6 address may stand in brackets.
    ///
    /// # Errors
    /// The name is empty, too long, or not printable ASCII (international names are written with `xn--`).
    pub fn new(host: &str, port: u16) -> Result<Self, NameError> {
        Self::from_bytes(host.as_bytes(), port)
    }

    /// The same, of bytes that came from a peer.
    pub(crate) fn from_bytes(host: &[u8], port: u16) -> Result<Self, NameError> {
        let text = match host.len() {
            0 => return Err(NameError::Empty),
            1..=NAME_MAX => Some(host).filter(|host| host.iter().all(u8::is_ascii_graphic)),
            _ => return Err(NameError::TooLong),
        };
        let text = text.and_then(|host| std::str::from_utf8(host).ok()).ok_or(NameError::NotAscii)?;
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let host = bare.parse().map_or_else(|_| Host::Name(text.into()), Host::Ip);
        Ok(Self { host, port })
    }
}

impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        Self { host: Host::Ip(addr.ip()), port: addr.port() }
    }
}

impl From<(IpAddr, u16)> for Target {
    fn from((ip, port): (IpAddr, u16)) -> Self {
        Self { host: Host::Ip(ip), port }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_forge_a_line_are_none() {
        for (name, error) in [
            ("", NameError::Empty),
            (&"a".repeat(256), NameError::TooLong),
            ("a b", NameError::NotAscii),
            ("a\r\nb", NameError::NotAscii),
            ("\0", NameError::NotAscii),
            ("ä.example", NameError::NotAscii),
        ] {
            assert_eq!(Target::new(name, 1), Err(error), "{name:?}");
        }
        assert!(Target::new(&"a".repeat(255), 1).is_ok());
    }

    #[test]
    fn addresses_are_told_from_names() {
        let ip = |text: &str| Target::new(text, 80).unwrap().host;
        assert_eq!(ip("127.0.0.1"), Host::Ip([127, 0, 0, 1].into()));
        assert_eq!(ip("[::1]"), ip("::1"));
        // The system's resolver takes this for an address, so whoever forbids addresses looks behind it.
        assert_eq!(ip("127.1"), Host::Name("127.1".into()));
        assert_eq!(Target::new("::1", 80).unwrap().to_string(), "[::1]:80");
    }
}
