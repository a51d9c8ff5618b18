//! [`Addr`]: where an end of a connection is.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// The address of one end of a connection. Hosts of the simulator have IP addresses too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addr {
    /// An IPv4 or IPv6 address and a port.
    Ip(SocketAddr),
}

impl Addr {
    /// The IP address, where there is one. IPv4 in IPv6 (`::ffff:a.b.c.d`) is given as IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(addr) => Some(addr.ip().to_canonical()),
        }
    }

    /// Is it an IPv4 address? None: it is no IP address. IPv4 in IPv6 counts as IPv6 here: it is that kind of socket.
    pub(crate) fn is_ipv4(&self) -> Option<bool> {
        match self {
            Self::Ip(addr) => Some(addr.is_ipv4()),
        }
    }

    /// The port, where there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(addr) => Some(addr.port()),
        }
    }
}

impl From<SocketAddr> for Addr {
    fn from(addr: SocketAddr) -> Self {
        Self::Ip(addr)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => SocketAddr::new(addr.ip().to_canonical(), addr.port()).fmt(f),
        }
    }
}
