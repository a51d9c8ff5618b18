//! [`ResolvConf`]: what `/etc/resolv.conf` says.

use crate::{Name, SERVERS_MAX, server_address};
use std::{net::SocketAddr, time::Duration};

/// How many domains a search list may have; more are left out.
pub const SEARCH_MAX: usize = 32;

/// The most that options may say, as in other resolvers.
const NDOTS_MAX: u8 = 15;
const TIMEOUT_MAX: u64 = 30;
const ATTEMPTS_MAX: u32 = 5;

/// What a file in the format of resolv.conf(5) says.
///
/// ```
/// use trenza_dns::ResolvConf;
///
/// let conf = ResolvConf::parse(b"nameserver 192.0.2.53\nsearch example.org\noptions ndots:2 rotate\n");
/// assert_eq!(conf.servers, ["192.0.2.53:53".parse()?]);
/// assert_eq!((conf.search.len(), conf.ndots, conf.rotate), (1, 2, true));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolvConf {
    /// The name servers, the preferred one first; at most [`SERVERS_MAX`].
    pub servers: Vec<SocketAddr>,
    /// The domains that a short name may be in; at most [`SEARCH_MAX`].
    pub search: Vec<Name>,
    /// A name with so many dots is tried as it is first. Default 1.
    pub ndots: u8,
    /// How long to wait for one answer. Default 5 s.
    pub timeout: Duration,
    /// How often each server is asked. Default 2.
    pub attempts: u32,
    /// The servers take turns at being the first.
    pub rotate: bool,
}

impl Default for ResolvConf {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
        }
    }
}

impl ResolvConf {
    /// Reads a file. What cannot be read in it is left out, as all resolvers do: a system that has one wrong line must
    /// not be without names.
    pub fn parse(file: &[u8]) -> Self {
        let mut conf = Self::default();
        for line in file.split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    conf.servers.extend(words.next().and_then(|word| server_address(word).ok()))
                }
                Some("search") => conf.search = words.filter_map(domain).take(SEARCH_MAX).collect(),
                Some("domain") => conf.search = words.filter_map(domain).take(1).collect(),
                Some("options") => words.for_each(|option| conf.option(option)),
                _ => {}
            }
        }
        conf.servers.truncate(SERVERS_MAX);
        conf
    }

    fn option(&mut self, option: &str) {
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        match (name, value.parse::<u32>()) {
            ("rotate", _) => self.rotate = true,
            ("ndots", Ok(value)) => self.ndots = u8::try_from(value).unwrap_or(NDOTS_MAX).min(NDOTS_MAX),
            ("timeout", Ok(value)) => {
                self.timeout = Duration::from_secs(u64::from(value).clamp(1, TIMEOUT_MAX))
            }
            ("attempts", Ok(value)) => self.attempts = value.clamp(1, ATTEMPTS_MAX),
            _ => {}
        }
    }
}

fn domain(word: &str) -> Option<Name> {
    crate::lookup::absolute(word).ok().filter(|name| !name.is_root())
}
