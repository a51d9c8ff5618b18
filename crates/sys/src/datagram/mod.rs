//! Sockets for datagrams, UDP and UNIX: binding, options, and how datagrams move.
//!
//! On Linux many datagrams move in one system call, with their local address and ECN, several of one sender in one
//! piece where the kernel has that ([`batch`]). Elsewhere they move one by one and bare.
//!
//! Over UNIX sockets there is nothing beside the bytes: descriptors that somebody sends with them are not taken.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod batch;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod control;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod single;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use batch::{Batch, prepare};
#[cfg(all(feature = "uring", target_os = "linux"))]
pub(crate) use control::{Notes, told};
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use single::{Batch, prepare};

use crate::unix::{self, SocketFile};
use rustix::io::Errno;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, SockRef, Socket, Type};
use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
    os::fd::{BorrowedFd, OwnedFd},
};
use trenza_core::{
    Addr, Interface, Outbox, UdpOption,
    driver::{BindUdp, Token},
};

/// The most bytes that a datagram can have, those of several that came in one piece included.
pub(crate) const DATAGRAM_MAX: usize = 64 * 1024;
/// So many datagrams leave in a row before others have their turn.
pub(crate) const SENDS_MAX: usize = 1024;

/// So many refusals wait to be told; what is over is not told.
const REFUSED_MAX: usize = 4096;

/// What a socket for datagrams moves them over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    Unix {
        /// It has a peer.
        connected: bool,
    },
}

impl Family {
    /// That of a socket with this address.
    pub(crate) fn of(addr: &Addr, fd: &OwnedFd) -> Self {
        match addr {
            Addr::Ip(SocketAddr::V4(_)) => Self::V4,
            Addr::Ip(SocketAddr::V6(_)) => Self::V6,
            _ => Self::Unix { connected: SockRef::from(fd).peer_addr().is_ok() },
        }
    }

    fn is_unix(self) -> bool {
        matches!(self, Self::Unix { .. })
    }
}

/// A datagram that the system or the network refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) to: Option<Addr>,
    pub(crate) error: io::Error,
}

/// What the driver has at hand for UDP sockets: the datagrams of the last receive, and what was refused.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    /// Made for the first socket, and used by all.
    batch: Option<Box<Batch>>,
    /// Whose the datagrams in the batch are.
    of: Option<Token>,
    /// At most [`REFUSED_MAX`]: a loop takes some in a turn, and may send more.
    pub(crate) refused: VecDeque<(Token, Refused)>,
}

impl Mail {
    pub(crate) fn batch(&mut self) -> &mut Batch {
        self.batch.get_or_insert_with(|| Box::new(Batch::new()))
    }

    /// Receives what there is; false if that is nothing. The datagrams that came before have been told.
    pub(crate) fn receive(&mut self, token: Token, fd: BorrowedFd<'_>, family: Family) -> io::Result<bool> {
        self.of = Some(token);
        match self.batch().receive(fd, family) {
            Ok(received) => {
                let too_long = self.batch().take_too_long();
                (0..too_long).for_each(|_| self.cut(token));
                if !received {
                    self.ask(token, fd, family);
                }
                Ok(received)
            }
            Err(error) => self.failed(token, fd, family, error).map(|()| false),
        }
    }

    /// A receive has failed. It may tell of a datagram that was sent; who that was to is in the queue of errors.
    ///
    /// # Errors
    /// It does not: it is about the socket.
    pub(crate) fn failed(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        family: Family,
        error: io::Error,
    ) -> io::Result<()> {
        if !is_told_late(&error) {
            return Err(error);
        }
        if self.ask(token, fd, family) == 0 {
            self.note(token, vec![Refused { to: None, error }]);
        }
        Ok(())
    }

    /// A datagram came that was longer than its place.
    pub(crate) fn cut(&mut self, token: Token) {
        self.note(token, vec![cut()]);
    }

    /// Asks the system what became of datagrams that were sent, and gives how many were refused.
    pub(crate) fn ask(&mut self, token: Token, fd: BorrowedFd<'_>, family: Family) -> usize {
        if family.is_unix() {
            // These have no queue of errors: what was asked for as one would be a datagram.
            return 0;
        }
        let mut refused = Vec::new();
        self.batch().refusals(fd, &mut refused);
        let found = refused.len();
        self.note(token, refused);
        found
    }

    /// Sends from the front of `out`. True when all has left or was refused; false when there may be room again later.
    ///
    /// # Errors
    /// There was no memory, or no room of which the system would tell: it is to be tried again after a pause.
    pub(crate) fn send(
        &mut self,
        token: Token,
        fd: BorrowedFd<'_>,
        family: Family,
        out: &mut Outbox,
    ) -> io::Result<bool> {
        let mut refused = Vec::new();
        let all = self.batch().send(fd, family, out, &mut refused);
        self.note(token, refused);
        all
    }

    fn note(&mut self, token: Token, refused: Vec<Refused>) {
        let room = REFUSED_MAX.saturating_sub(self.refused.len());
        self.refused.extend(refused.into_iter().take(room).map(|refused| (token, refused)));
    }

    /// Goes to the next datagram of the last receive, and gives whose it is.
    pub(crate) fn next(&mut self) -> Option<Token> {
        let of = self.of?;
        if self.batch().advance() {
            return Some(of);
        }
        self.of = None;
        None
    }

    /// True when something is left to tell.
    pub(crate) fn is_waiting(&self) -> bool {
        self.of.is_some() || !self.refused.is_empty()
    }

    /// A socket is gone: nothing of it is told any more.
    pub(crate) fn forget(&mut self, token: Token) {
        self.of.take_if(|of| *of == token);
        self.refused.retain(|(of, _)| *of != token);
    }
}

/// Errors of a receive or send that the network has told about an earlier datagram.
fn is_told_late(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNREFUSED
                | Errno::CONNRESET
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::NETDOWN
                | Errno::MSGSIZE
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::OPNOTSUPP
                | Errno::ACCESS
                | Errno::PERM
                | Errno::TIMEDOUT
        )
    )
}

/// What is told of a datagram that came and was longer than [`DATAGRAM_MAX`].
fn cut() -> Refused {
    let what = format!("a datagram of more than {DATAGRAM_MAX} bytes came and was dropped");
    Refused { to: None, error: io::Error::new(io::ErrorKind::InvalidData, what) }
}

/// Of a UNIX socket without a peer: a datagram found no room.
fn full() -> io::Error {
    let what = "its receiver has not read what came before; a connected port would wait for it";
    io::Error::new(io::ErrorKind::WouldBlock, what)
}

/// Whether a connected UNIX socket has lost its peer, which may have been bound anew.
fn is_left(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::CONNREFUSED | Errno::CONNRESET | Errno::NOTCONN | Errno::PIPE))
}

/// Connects a UNIX socket to its peer once more.
fn connect_again(fd: BorrowedFd<'_>, to: &Addr) -> io::Result<()> {
    let to = to.unix().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, NOT_UNIX))?;
    SockRef::from(&fd).connect(&unix::sock_addr(to)?)
}

const NOT_UNIX: &str = "not the address of a UNIX socket";

/// Binds a socket, and connects it if it has a peer.
pub(crate) fn bind(how: &BindUdp) -> io::Result<(OwnedFd, Addr, Option<SocketFile>)> {
    let invalid = |addr: &Addr| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{addr} is not for datagrams of this kind"))
    };
    if let Addr::Unix(at) = &how.addr {
        let to = how.to.as_ref().map(|to| to.unix().ok_or_else(|| invalid(to))).transpose()?;
        let (socket, addr, file) = unix::bind_datagrams(at, how.mode, to)?;
        return Ok((socket, addr.into(), file));
    }
    let addr = how.addr.socket().ok_or_else(|| invalid(&how.addr))?;
    let to = how.to.as_ref().map(|to| to.socket().ok_or_else(|| invalid(to))).transpose()?;
    let (socket, addr) = bind_ip(how, addr, to, false)?;
    Ok((socket, addr.into(), None))
}

/// Binds a socket of UDP to the address that another one has, so that each sender's datagrams go to one and the same of
/// them. They let each other in; others are kept out, as they are from any address that is taken.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn bind_beside(first: &OwnedFd, how: &BindUdp) -> io::Result<OwnedFd> {
    SockRef::from(first).set_reuse_port(true)?;
    let addr = how.addr.socket().ok_or(io::ErrorKind::InvalidInput)?;
    bind_ip(how, addr, None, true).map(|(socket, _)| socket)
}

/// Elsewhere the kernel divides nothing: it is the same socket.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn bind_beside(first: &OwnedFd, _: &BindUdp) -> io::Result<OwnedFd> {
    first.try_clone()
}

fn bind_ip(
    how: &BindUdp,
    addr: SocketAddr,
    to: Option<SocketAddr>,
    beside: bool,
) -> io::Result<(OwnedFd, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if beside {
        socket.set_reuse_port(true)?;
    }
    if how.reuse {
        socket.set_reuse_address(true)?;
        // The BSDs share addresses for groups with this one.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        socket.set_reuse_port(true)?;
    }
    if addr.is_ipv6() {
        socket.set_only_v6(!how.dual_stack)?;
    }
    socket.bind(&SockAddr::from(addr))?;
    if let Some(to) = to {
        socket.connect(&SockAddr::from(fit(to, addr.is_ipv6())))?;
    }
    prepare(&socket, addr.is_ipv6());
    let addr = socket.local_addr()?.as_socket();
    let addr = addr.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not an IP socket"))?;
    Ok((socket.into(), addr))
}

/// The address as a socket of this family takes it.
fn fit(to: SocketAddr, v6: bool) -> SocketAddr {
    match to {
        SocketAddr::V4(to) if v6 => SocketAddrV6::new(to.ip().to_ipv6_mapped(), to.port(), 0, 0).into(),
        SocketAddr::V6(mapped) if !v6 => SocketAddr::new(mapped.ip().to_canonical(), mapped.port()),
        to => to,
    }
}

/// Addresses as programs write them: IPv4 ones that came over an IPv6 socket are IPv4 ones.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, addr.port()),
        IpAddr::V6(_) => addr,
    }
}

/// Sets an option.
pub(crate) fn set_option(fd: &OwnedFd, option: &UdpOption) -> io::Result<()> {
    let socket = SockRef::from(fd);
    let own = socket.local_addr()?;
    let v6 = own.is_ipv6();
    match *option {
        UdpOption::ReceiveBuffer(bytes) => socket.set_recv_buffer_size(bytes),
        UdpOption::SendBuffer(bytes) => socket.set_send_buffer_size(bytes),
        _ if own.is_unix() => {
            Err(io::Error::new(io::ErrorKind::Unsupported, "UNIX sockets have no such option"))
        }
        UdpOption::Broadcast(on) => socket.set_broadcast(on),
        UdpOption::Ttl(ttl) => {
            of_families(v6.then(|| socket.set_unicast_hops_v6(ttl.into())), || socket.set_ttl_v4(ttl.into()))
        }
        UdpOption::MulticastTtl(ttl) => {
            of_families(v6.then(|| socket.set_multicast_hops_v6(ttl.into())), || {
                socket.set_multicast_ttl_v4(ttl.into())
            })
        }
        UdpOption::MulticastLoop(on) => {
            of_families(v6.then(|| socket.set_multicast_loop_v6(on)), || socket.set_multicast_loop_v4(on))
        }
        UdpOption::MulticastInterface(interface) => {
            let index = v6.then(|| socket.set_multicast_if_v6(index(interface)?));
            of_families(index, || leave_by(fd, interface))
        }
        UdpOption::Join { group: IpAddr::V4(group), interface } => {
            socket.join_multicast_v4_n(&group, &index_or_address(interface)?)
        }
        UdpOption::Leave { group: IpAddr::V4(group), interface } => {
            socket.leave_multicast_v4_n(&group, &index_or_address(interface)?)
        }
        UdpOption::Join { group: IpAddr::V6(group), interface } => {
            socket.join_multicast_v6(&group, index(interface)?)
        }
        UdpOption::Leave { group: IpAddr::V6(group), interface } => {
            socket.leave_multicast_v6(&group, index(interface)?)
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// An IPv6 socket may be one for IPv4 as well, and then has an option for each; one of them will do.
fn of_families(v6: Option<io::Result<()>>, v4: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    match (v6, v4()) {
        (Some(Ok(())), _) => Ok(()),
        (Some(Err(_)), Ok(())) => Ok(()),
        (Some(error), Err(_)) => error,
        (None, result) => result,
    }
}

fn index(interface: Interface) -> io::Result<u32> {
    match interface {
        Interface::Any => Ok(0),
        Interface::Index(index) => Ok(index),
        _ => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "IPv6 interfaces have an index, not an address"))
        }
    }
}

fn index_or_address(interface: Interface) -> io::Result<InterfaceIndexOrAddress> {
    match interface {
        Interface::Any => Ok(InterfaceIndexOrAddress::Index(0)),
        Interface::Index(index) => Ok(InterfaceIndexOrAddress::Index(index)),
        Interface::Address(ip) => Ok(InterfaceIndexOrAddress::Address(ip)),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The interface by which IPv4 datagrams to groups leave.
fn leave_by(fd: &OwnedFd, interface: Interface) -> io::Result<()> {
    let socket = SockRef::from(fd);
    match interface {
        Interface::Any => socket.set_multicast_if_v4(&Ipv4Addr::UNSPECIFIED),
        Interface::Address(ip) => socket.set_multicast_if_v4(&ip),
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Interface::Index(index) => {
            let any = Ipv4Addr::UNSPECIFIED;
            Ok(rustix::net::sockopt::set_ip_multicast_if_with_ifindex(fd, &any, &any, index)?)
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}
