//! [`Config`]: whom a resolver asks, how long it waits, and how much it holds.

use crate::{CacheLimits, Hosts, Name, PORT, ResolvConf};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

/// How many name servers are asked; more are left out.
pub const SERVERS_MAX: usize = 8;

/// What a resolver is set up with.
///
/// ```
/// use trenza_dns::{Config, server_address};
///
/// let config = Config::asking([server_address("192.0.2.53:5353")?]);
/// assert_eq!(config.attempts, 2);
/// # Ok::<(), trenza_dns::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Whom to ask, the preferred one first; of more than [`SERVERS_MAX`] the last are left out. One that has not
    /// answered comes last for [`Config::penalty`].
    pub servers: Vec<SocketAddr>,
    /// In which domains [`Resolver::search`](crate::Resolver::search) looks for a name.
    pub search: Vec<Name>,
    /// With so many dots a name is looked up as it is before it is searched for. Default 1.
    pub ndots: u8,
    /// How long to wait for one answer of one server. Default 5 s.
    pub timeout: Duration,
    /// How often all servers are asked until a lookup fails. Default 2.
    pub attempts: u32,
    /// Servers take turns at being the first. Default false.
    pub rotate: bool,
    /// How long a lookup may take in all, waiting in line included. Default 30 s.
    pub deadline: Duration,
    /// How long a server that did not answer is asked after the others. Default 30 s.
    pub penalty: Duration,
    /// How many lookups may be under way; others wait. Default 256.
    pub lookups: usize,
    /// How many lookups may wait until others are done, and how many may wait for the same. Default 10,000; what is over
    /// fails with [`Busy`](crate::ErrorKind::Busy).
    pub waiting: usize,
    /// How much is kept, and for how long.
    pub cache: CacheLimits,
    /// Names that no server is asked for.
    pub hosts: Hosts,
}

impl Default for Config {
    fn default() -> Self {
        Self::from(ResolvConf::default())
    }
}

/// A file without servers means the one on this host, as with other resolvers.
impl From<ResolvConf> for Config {
    fn from(conf: ResolvConf) -> Self {
        let ResolvConf { mut servers, search, ndots, timeout, attempts, rotate } = conf;
        if servers.is_empty() {
            servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        Self {
            servers,
            search,
            ndots,
            timeout,
            attempts,
            rotate,
            deadline: Duration::from_secs(30),
            penalty: Duration::from_secs(30),
            lookups: 256,
            waiting: 10_000,
            cache: CacheLimits::default(),
            hosts: Hosts::default(),
        }
    }
}

impl Config {
    /// Asks these servers and knows nothing of the system: in a test, or where somebody has said `--resolver`.
    pub fn asking(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { servers: servers.into_iter().take(SERVERS_MAX).collect(), ..Self::default() }
    }
}
