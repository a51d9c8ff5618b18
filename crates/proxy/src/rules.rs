//! [`Rules`]: where clients of a proxy may go.

use crate::{Host, Target};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
    str::FromStr,
};

/// Where clients of a proxy may go.
///
/// A client of this very machine may go wherever the machine can. One from elsewhere may not use the proxy to reach what
/// only this machine is meant to reach: its loopback addresses (127.0.0.0/8, ::1), "this host" (0.0.0.0/8, ::) and
/// link-local addresses (169.254.0.0/16, where clouds keep their secrets, and fe80::/10). All else is allowed, private
/// networks too: to reach them is what many proxies are for.
///
/// [`Rules::deny`] takes away, and what it names is denied whatever else is allowed. Once [`Rules::allow`] was called
/// only what it names is allowed; an address or network that it names is allowed from everywhere, also a loopback one.
///
/// Rules are asked about addresses, after the name was looked up, and exactly those are connected to; so no name leads
/// around them.
///
/// ```
/// use trenza_proxy::{Rules, Target};
///
/// let rules = Rules::new().deny("10.0.0.0/8".parse()?).allow("*.example.org:80-443".parse()?);
/// let client = Some("192.0.2.7".parse()?);
/// let to = |host: &str, port, ip: &str| Ok::<_, Box<dyn std::error::Error>>(
///     rules.allow_address(client, &Target::new(host, port)?, ip.parse()?),
/// );
/// assert!(to("www.example.org", 443, "192.0.2.1")?);
/// assert!(!to("www.example.org", 22, "192.0.2.1")?);
/// assert!(!to("www.example.org", 443, "10.1.2.3")?, "denied, whoever claims it");
/// assert!(!to("www.example.org", 443, "127.0.0.1")?, "not for clients from elsewhere");
/// assert!(!to("example.com", 443, "192.0.2.1")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Rules {
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
}

impl Rules {
    /// The rules that hold without any.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows what it names, and nothing else but what other calls allow.
    #[must_use]
    pub fn allow(mut self, what: Pattern) -> Self {
        self.allow.push(what);
        self
    }

    /// Denies what it names.
    #[must_use]
    pub fn deny(mut self, what: Pattern) -> Self {
        self.deny.push(what);
        self
    }

    /// May this client connect to `ip`, which it asked for as `target`? A client without an IP address is of this
    /// machine.
    pub fn allow_address(&self, client: Option<IpAddr>, target: &Target, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        if self.deny.iter().any(|deny| deny.fits(target, Some(ip))) {
            return false;
        }
        if self.allow.iter().any(|allow| allow.is_network() && allow.fits(target, Some(ip))) {
            return true;
        }
        let named = self.allow.is_empty() || self.allow.iter().any(|allow| allow.fits(target, Some(ip)));
        named && (client.is_none_or(|client| client.to_canonical().is_loopback()) || !is_this_machines(ip))
    }

    /// Is there any use in looking up the name?
    pub(crate) fn allow_lookup(&self, target: &Target) -> bool {
        !self.deny.iter().any(|deny| deny.fits(target, None))
    }
}

/// What only this machine is meant to reach.
fn is_this_machines(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.octets().starts_with(&[0]),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local(),
    }
}

/// Some destinations: `example.org`, `*.example.org` (names below it), `10.0.0.0/8`, `[fd00::/8]`, `*` (all), each with
/// or without a port or ports: `*:25`, `10.0.0.1:8000-8100`. A name fits what clients ask for by that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    what: What,
    ports: RangeInclusive<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    All,
    Network(IpAddr, u8),
    Name(Box<str>),
    Below(Box<str>),
}

/// A pattern that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} names no destinations: {what}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it, and what would be right.
    pub what: &'static str,
}

impl Pattern {
    fn is_network(&self) -> bool {
        matches!(self.what, What::Network(..))
    }

    /// Does it fit the target, whose address is known or not?
    fn fits(&self, target: &Target, ip: Option<IpAddr>) -> bool {
        let name = match &target.host {
            Host::Name(name) => Some(&**name),
            Host::Ip(_) => None,
        };
        // A name may end in a dot, and means the same.
        let name = name.map(|name| name.strip_suffix('.').unwrap_or(name));
        let fits = match &self.what {
            What::All => true,
            What::Network(network, length) => ip.is_some_and(|ip| masked(ip, *length) == Some(*network)),
            What::Name(own) => name.is_some_and(|name| name.eq_ignore_ascii_case(own)),
            What::Below(end) => name.is_some_and(|name| {
                let cut = name.len().checked_sub(end.len()).filter(|cut| *cut > 0);
                cut.and_then(|cut| name.get(cut..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
            }),
        };
        fits && self.ports.contains(&target.port)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let error = |what| PatternError { pattern: text.into(), what };
        let (what, ports) = match text.strip_prefix('[') {
            Some(inner) => inner.split_once(']').ok_or_else(|| error("a bracket is not closed"))?,
            None if network(text).is_some() => (text, ""),
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let what = match what.strip_prefix('*') {
            _ if text.starts_with('[') || network(what).is_some() => {
                let (ip, length) =
                    network(what).ok_or_else(|| error("there is no address in the brackets"))?;
                What::Network(ip, length)
            }
            Some("") => What::All,
            Some(end) if end.len() > 1 && end.starts_with('.') && is_name(&end[1..]) => {
                What::Below(end.into())
            }
            None if is_name(what) => What::Name(what.into()),
            _ => {
                return Err(error(
                    "write a name, *.NAME, an address, NETWORK/BITS or *, and behind a colon a port or two, as 80-443",
                ));
            }
        };
        let ports = match ports.strip_prefix(':') {
            None if ports.is_empty() => Some(0..=u16::MAX),
            None => None,
            Some(ports) => {
                let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
                first.parse().ok().zip(last.parse().ok()).map(|(first, last)| first..=last)
            }
        };
        match ports {
            Some(ports) if !ports.is_empty() => Ok(Self { what, ports }),
            _ => Err(error(
                "behind the colon stands a port, or two with a hyphen between them, the lower one first",
            )),
        }
    }
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty()
        && text.bytes().all(letter)
        && !text.bytes().all(|byte| matches!(byte, b'.' | b'0'..=b'9'))
}

/// An address with or without the length of its network.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, length) = text.split_once('/').map_or((text, None), |(ip, length)| (ip, Some(length)));
    let ip: IpAddr = ip.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(most), str::parse).ok().filter(|length| *length <= most)?;
    Some((masked(ip, length)?, length))
}

/// The network of an address; None: it has not so many bits.
fn masked(ip: IpAddr, length: u8) -> Option<IpAddr> {
    let length = u32::from(length);
    Some(match ip {
        IpAddr::V4(ip) => {
            let zeros = 32_u32.checked_sub(length)?;
            Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(zeros).unwrap_or(0)).into()
        }
        IpAddr::V6(ip) => {
            let zeros = 128_u32.checked_sub(length)?;
            Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(zeros).unwrap_or(0)).into()
        }
    })
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::All => f.write_str("*")?,
            What::Network(ip, length) => write!(f, "[{ip}/{length}]")?,
            What::Name(name) => f.write_str(name)?,
            What::Below(end) => write!(f, "*{end}")?,
        }
        match (self.ports.start(), self.ports.end()) {
            (0, &u16::MAX) => Ok(()),
            (first, last) if first == last => write!(f, ":{first}"),
            (first, last) => write!(f, ":{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(rules: &Rules, client: &str, host: &str, ip: &str) -> bool {
        let client = client.parse().ok();
        rules.allow_address(client, &Target::new(host, 80).unwrap(), ip.parse().unwrap())
    }

    #[test]
    fn what_is_this_machines_is_not_for_others() {
        let rules = Rules::new();
        for ip in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "169.254.169.254",
            "fe80::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(!allowed(&rules, "192.0.2.7", ip, ip), "{ip}");
            assert!(allowed(&rules, "127.0.0.1", ip, ip) && allowed(&rules, "::1", ip, ip), "{ip}");
            assert!(allowed(&rules, "of a UNIX socket", ip, ip), "{ip}");
        }
        for ip in ["10.0.0.1", "192.168.1.1", "192.0.2.1", "2001:db8::1", "fd00::1"] {
            assert!(allowed(&rules, "192.0.2.7", ip, ip), "{ip}");
        }
    }

    #[test]
    fn a_name_does_not_lead_around_them() {
        let rules = Rules::new().allow("trusted.example".parse().unwrap());
        assert!(allowed(&rules, "192.0.2.7", "TRUSTED.example.", "192.0.2.1"));
        assert!(!allowed(&rules, "192.0.2.7", "trusted.example", "127.0.0.1"));
        assert!(!allowed(&rules, "192.0.2.7", "other.example", "192.0.2.1"));
        let rules = Rules::new().deny("192.0.2.0/24".parse().unwrap());
        assert!(!allowed(&rules, "192.0.2.7", "trusted.example", "192.0.2.1"));
        let rules = Rules::new().allow("127.0.0.1:80".parse().unwrap());
        assert!(allowed(&rules, "192.0.2.7", "127.0.0.1", "127.0.0.1"));
        assert!(!allowed(&rules, "192.0.2.7", "127.0.0.2", "127.0.0.2"));
    }

    #[test]
    fn names_that_are_denied_are_not_looked_up() {
        let rules = Rules::new().deny("*.example.org".parse().unwrap()).deny("10.0.0.0/8".parse().unwrap());
        let lookup = |host: &str| rules.allow_lookup(&Target::new(host, 80).unwrap());
        assert!(!lookup("a.example.org") && !lookup("a.b.EXAMPLE.org"));
        assert!(lookup("example.org") && lookup("anexample.org") && lookup("10.example"));
    }

    #[test]
    fn patterns_there_and_back() {
        for (text, shown) in [
            ("example.org", "example.org"),
            ("*.example.org:443", "*.example.org:443"),
            ("*:25", "*:25"),
            ("10.9.8.7/8", "[10.0.0.0/8]"),
            ("10.0.0.1:8000-8100", "[10.0.0.1/32]:8000-8100"),
            ("::1", "[::1/128]"),
            ("[fd00::1/8]:80", "[fd00::/8]:80"),
            ("0.0.0.0/0", "[0.0.0.0/0]"),
        ] {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), shown);
            assert_eq!(shown.parse(), Ok(pattern));
        }
        for text in [
            "",
            ":80",
            "a b",
            "*x",
            "*.",
            "10.0.0.0/33",
            "10.0.0",
            "[::1",
            "[a]",
            "a:",
            "a:x",
            "a:9-8",
            "[::1]80",
        ] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
