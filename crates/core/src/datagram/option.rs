//! [`UdpOption`]: what can be set on a UDP port.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

/// What can be set on a UDP port with [`UdpPort::set_option`](crate::UdpPort::set_option).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UdpOption {
    /// Sending to broadcast addresses is permitted. Default false.
    Broadcast(bool),
    /// Through how many routers less one a datagram to a single host may go (hop limit). Default: the system's.
    Ttl(u8),
    /// Receive what is sent to a multicast group.
    Join {
        /// The group.
        group: IpAddr,
        /// The interface to receive it on.
        interface: Interface,
    },
    /// Receive it no more, as far as this port had joined.
    Leave {
        /// The group.
        group: IpAddr,
        /// The interface that it was joined on.
        interface: Interface,
    },
    /// Through how many routers less one a datagram to a group may go: 0 stays on this host, 1 (the default) on the
    /// local network.
    MulticastTtl(u8),
    /// What is sent to a group comes back to members on this host. Default true.
    MulticastLoop(bool),
    /// The interface that datagrams to groups leave by. Default: what the system's routes say.
    MulticastInterface(Interface),
    /// How many bytes the system holds that came and were not read, as far as it permits.
    ReceiveBuffer(usize),
    /// How many bytes the system holds that wait to leave, as far as it permits.
    SendBuffer(usize),
}

/// An interface of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Interface {
    /// What the system's routes say.
    #[default]
    Any,
    /// By its number, for either family.
    Index(u32),
    /// The one that has this address; for IPv4 groups only.
    Address(Ipv4Addr),
}

impl fmt::Display for UdpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broadcast(on) => write!(f, "broadcast {on}"),
            Self::Ttl(ttl) => write!(f, "hop limit {ttl}"),
            Self::Join { group, interface } => write!(f, "join {group}{interface}"),
            Self::Leave { group, interface } => write!(f, "leave {group}{interface}"),
            Self::MulticastTtl(ttl) => write!(f, "hop limit {ttl} of multicast"),
            Self::MulticastLoop(on) => write!(f, "multicast loop {on}"),
            Self::MulticastInterface(interface) => write!(f, "multicast{interface}"),
            Self::ReceiveBuffer(bytes) => write!(f, "receive buffer of {bytes} bytes"),
            Self::SendBuffer(bytes) => write!(f, "send buffer of {bytes} bytes"),
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Index(index) => write!(f, " on interface {index}"),
            Self::Address(ip) => write!(f, " on the interface of {ip}"),
        }
    }
}
