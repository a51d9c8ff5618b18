//! [`Mailbox`]: a socket for datagrams of a host.

use super::{Flight, is_broadcast};
use crate::{link::Owner, world::World};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
};
use trenza_core::{Addr, Interface, UdpOption, driver::BindUdp};

/// How many bytes of datagrams wait in a socket, a small sum for each of them included; what is over gets lost.
const INBOX_MAX: usize = 212_992;
const OVERHEAD: usize = 256;
/// How many refusals wait in a socket.
const REFUSED_MAX: usize = 64;

/// A socket for datagrams.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) host: usize,
    pub(crate) addr: Addr,
    pub(crate) dual_stack: bool,
    pub(crate) peer: Option<Addr>,
    /// Of a UNIX socket that has a peer: its number, as far as it is known.
    pub(super) peer_id: Option<u64>,
    /// Of a UNIX socket that has a peer: it was full.
    pub(super) waits_for: Option<u64>,
    pub(crate) owner: Owner,
    pub(crate) broadcast: bool,
    pub(crate) multicast_ttl: u8,
    pub(crate) multicast_loop: bool,
    /// What goes to groups leaves by the loopback interface.
    pub(crate) multicast_local: bool,
    reuse: bool,
    /// The groups that it has joined, and whether on the loopback interface.
    groups: BTreeMap<IpAddr, bool>,
    inbox: VecDeque<Arrived>,
    /// What the inbox holds.
    held: usize,
    refused: VecDeque<(Addr, io::Error)>,
}

/// A datagram that has arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) data: Vec<u8>,
    pub(crate) from: Addr,
    pub(crate) to: Option<IpAddr>,
    pub(crate) ecn: Option<u8>,
}

impl Mailbox {
    /// One that nobody serves so far.
    pub(super) fn new(host: usize, addr: Addr) -> Self {
        Self {
            host,
            addr,
            dual_stack: false,
            peer: None,
            peer_id: None,
            waits_for: None,
            owner: Owner::Nobody,
            broadcast: false,
            multicast_ttl: 1,
            multicast_loop: true,
            multicast_local: false,
            reuse: false,
            groups: BTreeMap::new(),
            inbox: VecDeque::new(),
            held: 0,
            refused: VecDeque::new(),
        }
    }

    /// Is a datagram for it, whose port is the right one?
    pub(super) fn takes(&self, flight: &Flight) -> bool {
        if self.peer.as_ref().is_some_and(|peer| *peer != flight.source.into()) {
            return false;
        }
        let Some(own) = self.addr.socket().map(|own| own.ip()) else { return false };
        let to = flight.destination.ip();
        let of_family = own.is_ipv4() == to.is_ipv4() || self.dual_stack && own.is_unspecified();
        match to {
            to if to.is_multicast() => {
                let joined = self.groups.get(&to) == Some(&flight.loopback);
                joined && of_family && (own.is_unspecified() || own == to)
            }
            to if is_broadcast(to) => of_family && own.is_unspecified(),
            to => own == to || own.is_unspecified() && of_family,
        }
    }

    /// Puts a datagram in; false if there is no room.
    pub(super) fn put(&mut self, arrived: Arrived) -> bool {
        let held = self.held + arrived.data.len() + OVERHEAD;
        let is_bounded = self.owner != Owner::Probe && self.addr.unix().is_none();
        if held > INBOX_MAX && is_bounded {
            return false;
        }
        self.held = held;
        self.inbox.push_back(arrived);
        true
    }

    /// Takes the next datagram out.
    pub(crate) fn take(&mut self) -> Option<Arrived> {
        let arrived = self.inbox.pop_front()?;
        self.held -= arrived.data.len() + OVERHEAD;
        Some(arrived)
    }

    pub(crate) fn inbox(&self) -> &VecDeque<Arrived> {
        &self.inbox
    }

    pub(super) fn refuse(&mut self, to: Addr, error: io::Error) {
        if self.refused.len() < REFUSED_MAX {
            self.refused.push_back((to, error));
        }
    }

    pub(crate) fn take_refused(&mut self) -> Option<(Addr, io::Error)> {
        self.refused.pop_front()
    }

    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    fn overlaps(&self, addr: SocketAddr, dual_stack: bool) -> bool {
        let wild = |ip: IpAddr, dual: bool, other: IpAddr| {
            ip.is_unspecified() && (dual || ip.is_ipv4() == other.is_ipv4())
        };
        let Some(own) = self.addr.socket() else { return false };
        let (one, other) = (own.ip(), addr.ip());
        own.port() == addr.port()
            && (one == other || wild(one, self.dual_stack, other) || wild(other, dual_stack, one))
    }
}

impl World {
    /// Binds a socket for datagrams, and gives its number.
    ///
    /// # Errors
    /// `AddrInUse`, or `AddrNotAvailable` for an address of another host; nobody is bound to a UNIX peer's address.
    pub(crate) fn bind_udp(&mut self, host: usize, how: &BindUdp) -> io::Result<(u64, Addr)> {
        let own = match &how.addr {
            Addr::Unix(at) => return self.bind_unix(host, at, how),
            other => other.socket().ok_or(io::ErrorKind::InvalidInput)?,
        };
        let ip = own.ip();
        if !ip.is_multicast() && self.host_of(ip, host) != Some(host) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let port = match own.port() {
            0 => self.free_port(host).ok_or(io::ErrorKind::AddrInUse)?,
            port => port,
        };
        let peer = how.to.as_ref().map(|to| to.socket().ok_or(io::ErrorKind::InvalidInput)).transpose()?;
        let peer = peer.map(|to| SocketAddr::new(to.ip().to_canonical(), to.port()));
        let ip = match (peer, self.hosts.get(host)) {
            // A socket with a peer has the address that it sends from.
            (Some(peer), _) if ip.is_unspecified() && peer.ip().is_loopback() => peer.ip(),
            (Some(peer), Some(machine)) if ip.is_unspecified() => match peer {
                SocketAddr::V4(_) => machine.v4.into(),
                SocketAddr::V6(_) => machine.v6.into(),
            },
            _ => ip,
        };
        let addr = SocketAddr::new(ip, port);
        let dual_stack = how.dual_stack && ip.is_ipv6();
        let taken = |other: &Mailbox| {
            other.host == host && !(other.reuse && how.reuse) && other.overlaps(addr, dual_stack)
        };
        if self.mailboxes.values().any(taken) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let id = self.id();
        let mailbox = Mailbox {
            dual_stack,
            peer: peer.map(Addr::from),
            reuse: how.reuse,
            ..Mailbox::new(host, addr.into())
        };
        self.mailboxes.insert(id, mailbox);
        Ok((id, addr.into()))
    }

    /// Lets the owner of a socket look at it.
    pub(super) fn tell_mailbox(&mut self, id: u64) {
        if let Some(Mailbox { host, owner: Owner::Slot(slot), .. }) = self.mailboxes.get(&id) {
            let (host, slot) = (*host, *slot);
            self.touch(host, slot);
        }
    }

    /// Sets an option of a socket.
    pub(crate) fn set_udp(&mut self, id: u64, option: &UdpOption) -> io::Result<()> {
        let mailbox = self.mailboxes.get(&id).ok_or(io::ErrorKind::NotConnected)?;
        let host = mailbox.host;
        let is_buffer = matches!(option, UdpOption::ReceiveBuffer(_) | UdpOption::SendBuffer(_));
        if mailbox.addr.unix().is_some() && !is_buffer {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "UNIX sockets have no such option"));
        }
        let local = match *option {
            UdpOption::Join { interface, .. }
            | UdpOption::Leave { interface, .. }
            | UdpOption::MulticastInterface(interface) => self.is_loopback(host, interface)?,
            _ => false,
        };
        let mailbox = self.mailboxes.get_mut(&id).ok_or(io::ErrorKind::NotConnected)?;
        match *option {
            UdpOption::Broadcast(on) => mailbox.broadcast = on,
            UdpOption::MulticastTtl(ttl) => mailbox.multicast_ttl = ttl,
            UdpOption::MulticastLoop(on) => mailbox.multicast_loop = on,
            UdpOption::MulticastInterface(_) => mailbox.multicast_local = local,
            UdpOption::Join { group, .. } if !group.is_multicast() => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            UdpOption::Join { group, .. } => {
                if mailbox.groups.insert(group, local).is_some() {
                    return Err(io::ErrorKind::AddrInUse.into());
                }
            }
            UdpOption::Leave { group, .. } => {
                mailbox.groups.remove(&group).ok_or(io::ErrorKind::AddrNotAvailable)?;
            }
            // Every host is one hop away, and buffers are what they are.
            UdpOption::Ttl(_) | UdpOption::ReceiveBuffer(_) | UdpOption::SendBuffer(_) => {}
            _ => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(())
    }

    /// Hosts have two interfaces: loopback, whose index is 1, and one to the others, whose index is 2.
    fn is_loopback(&self, host: usize, interface: Interface) -> io::Result<bool> {
        match interface {
            Interface::Any | Interface::Index(2) => Ok(false),
            Interface::Index(1) => Ok(true),
            Interface::Address(ip) if ip.is_loopback() => Ok(true),
            Interface::Address(ip) if self.host_of(ip.into(), host) == Some(host) => Ok(false),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "the host has no such interface")),
        }
    }
}
