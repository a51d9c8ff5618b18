//! Control messages (RFC 3542, section 20) and socket addresses, written and read as bytes.

use super::canonical;
use std::{
    ffi::OsStr,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::unix::ffi::OsStrExt,
};
use trenza_core::{Addr, Datagram, UnixAddr};

/// The size of the header of a control message: length, level, type.
const HEADER: usize = size_of::<usize>() + 2 * size_of::<i32>();

/// Room for control messages: local address, ECN and stride, or an error of the network.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(16))]
pub(super) struct Control(pub(super) [u8; 256]);

/// Room for a socket address.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(16))]
pub(super) struct Name(pub(super) [u8; 128]);

impl Control {
    pub(super) const EMPTY: Self = Self([0; 256]);

    /// Puts a message behind the first `at` bytes, and gives where it ends.
    pub(super) fn push(&mut self, at: usize, (level, kind): (i32, i32), data: &[u8]) -> usize {
        let len = HEADER + data.len();
        let header = [&len.to_ne_bytes()[..], &level.to_ne_bytes(), &kind.to_ne_bytes()];
        let mut place = at;
        for bytes in header.into_iter().chain([data]) {
            if let Some(room) = self.0.get_mut(place..place + bytes.len()) {
                room.copy_from_slice(bytes);
            }
            place += bytes.len();
        }
        at + len.next_multiple_of(size_of::<usize>())
    }

    /// The messages in the first `len` bytes.
    pub(super) fn first(&self, len: usize) -> &[u8] {
        self.0.get(..len).unwrap_or_default()
    }
}

/// Calls `f` with level, type and data of each control message.
pub(super) fn each(messages: &[u8], mut f: impl FnMut((i32, i32), &[u8])) {
    let mut at = 0;
    while let Some((size, level, kind)) = header(messages.get(at..).unwrap_or_default()) {
        let Some(data) = messages.get(at + HEADER..at.saturating_add(size)) else { return };
        f((level, kind), data);
        at += size.next_multiple_of(size_of::<usize>());
    }
}

fn header(bytes: &[u8]) -> Option<(usize, i32, i32)> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (level, rest) = rest.split_first_chunk()?;
    let kind = rest.first_chunk()?;
    Some((usize::from_ne_bytes(*len), i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind)))
}

/// A number at the beginning of a message: some systems give a byte, some an int.
pub(super) fn number(data: &[u8]) -> Option<i32> {
    match (data, data.first_chunk()) {
        (_, Some(int)) => Some(i32::from_ne_bytes(*int)),
        ([byte, ..], None) => Some((*byte).into()),
        ([], None) => None,
    }
}

impl Name {
    pub(super) const EMPTY: Self = Self([0; 128]);

    /// The address that the system has put here.
    pub(super) fn read(&self) -> Option<SocketAddr> {
        socket_addr(&self.0)
    }

    /// Puts an address here, and gives its size.
    pub(super) fn write(&mut self, addr: SocketAddr) -> usize {
        let port = addr.port().to_be_bytes();
        let family = |family: i32| (family as u16).to_ne_bytes();
        let bytes = match addr {
            SocketAddr::V4(addr) => {
                [&family(libc::AF_INET)[..], &port, &addr.ip().octets(), &[0; 8]].concat()
            }
            SocketAddr::V6(addr) => [
                &family(libc::AF_INET6)[..],
                &port,
                &addr.flowinfo().to_be_bytes(),
                &addr.ip().octets(),
                &addr.scope_id().to_ne_bytes(),
            ]
            .concat(),
        };
        if let Some(room) = self.0.get_mut(..bytes.len()) {
            room.copy_from_slice(&bytes);
        }
        bytes.len()
    }
}

/// A socket address as the system has it.
fn socket_addr(name: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = name.split_first_chunk()?;
    let (port, rest) = rest.split_first_chunk()?;
    let port = u16::from_be_bytes(*port);
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => Some((Ipv4Addr::from(*rest.first_chunk::<4>()?), port).into()),
        libc::AF_INET6 => {
            let (flow, rest) = rest.split_first_chunk()?;
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let scope = u32::from_ne_bytes(*rest.first_chunk()?);
            Some(SocketAddrV6::new((*ip).into(), port, u32::from_be_bytes(*flow), scope).into())
        }
        _ => None,
    }
}

impl Name {
    /// The address of a UNIX socket that the system has put into the first `len` bytes.
    pub(super) fn read_unix(&self, len: usize) -> UnixAddr {
        let Some((_family, path)) = self.0.get(..len).and_then(|all| all.split_first_chunk::<2>()) else {
            return UnixAddr::Unnamed;
        };
        match path.split_first() {
            None => UnixAddr::Unnamed,
            Some((0, name)) => UnixAddr::abstract_name(name),
            Some(_) => {
                let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
                UnixAddr::path(OsStr::from_bytes(path.get(..end).unwrap_or_default()))
            }
        }
    }

    /// Puts the address of a UNIX socket here, which fits, and gives its size.
    pub(super) fn write_unix(&mut self, addr: &UnixAddr) -> usize {
        let family = (libc::AF_UNIX as u16).to_ne_bytes();
        let bytes = match addr {
            UnixAddr::Path(path) => [&family[..], path.as_os_str().as_bytes(), &[0]].concat(),
            UnixAddr::Abstract(name) => [&family[..], &[0], &**name].concat(),
            _ => family.to_vec(),
        };
        if let Some(room) = self.0.get_mut(..bytes.len()) {
            room.copy_from_slice(&bytes);
        }
        bytes.len()
    }
}

/// What control messages say of a datagram that came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Notes {
    to: Option<IpAddr>,
    ecn: Option<u8>,
    stride: Option<usize>,
}

/// The bits of explicit congestion notification in the byte that used to be the type of service.
const ECN: i32 = 3;

impl Notes {
    fn read(messages: &[u8]) -> Self {
        let mut notes = Self::default();
        each(messages, |kind, data| match kind {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => notes.to = v4(data).or(notes.to),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // Over both families the IPv4 message says more.
                let ip = data.first_chunk::<16>().map(|ip| Ipv6Addr::from(*ip).to_canonical());
                notes.to = notes.to.or(ip);
            }
            (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                notes.ecn = number(data).map(|tos| (tos & ECN) as u8);
            }
            (libc::SOL_UDP, libc::UDP_GRO) => notes.stride = number(data).map(|stride| stride as usize),
            _ => {}
        });
        notes
    }

    /// The datagram that they are about.
    pub(crate) fn of<'a>(&self, data: &'a mut [u8], from: &'a Addr) -> Datagram<'a> {
        let stride = self.stride.filter(|stride| (1..data.len()).contains(stride));
        Datagram { data, from, to: self.to, ecn: self.ecn, stride }
    }
}

/// Who has sent a datagram over UDP, and what control messages say of it. None: it has no sender, so that it cannot be
/// answered, nor does any system make such ones.
pub(crate) fn told(name: &[u8], messages: &[u8]) -> Option<(Addr, Notes)> {
    Some((canonical(socket_addr(name)?).into(), Notes::read(messages)))
}

/// The address that a datagram was sent to. That of a broadcast is not ours to answer from: then ours on the interface.
fn v4(data: &[u8]) -> Option<IpAddr> {
    let (_interface, rest) = data.split_first_chunk::<4>()?;
    let (own, rest) = rest.split_first_chunk::<4>()?;
    let to = Ipv4Addr::from(*rest.first_chunk::<4>()?);
    Some(if to.is_multicast() { to } else { Ipv4Addr::from(*own) }.into())
}

/// An error of the network from the queue of errors: only those that the network has told, since what this system
/// itself refuses is the result of the send. The number of the error.
pub(super) fn told_by_network(kind: (i32, i32), data: &[u8]) -> Option<i32> {
    let known = [(libc::IPPROTO_IP, libc::IP_RECVERR), (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)];
    let (errno, rest) = data.split_first_chunk().filter(|_| known.contains(&kind))?;
    let origin = *rest.first()?;
    let errno = i32::from_ne_bytes(*errno);
    (errno != 0 && matches!(origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6)).then_some(errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let mut control = Control::EMPTY;
        let mut at = control.push(0, (1, 2), &[3; 5]);
        at = control.push(at, (4, 5), &7_i32.to_ne_bytes());
        let mut read = Vec::new();
        each(control.first(at), |kind, data| read.push((kind, data.to_vec())));
        assert_eq!(read, [((1, 2), vec![3; 5]), ((4, 5), 7_i32.to_ne_bytes().to_vec())]);
        each(control.first(at - 8), |kind, _| assert_eq!(kind, (1, 2)));
        each(control.first(0), |_, _| panic!("there is none"));
    }

    #[test]
    fn sizes_that_are_wrong_end_the_list() {
        for size in [0_usize, 1, 1000, usize::MAX] {
            let mut control = Control::EMPTY;
            control.0[..size_of::<usize>()].copy_from_slice(&size.to_ne_bytes());
            each(control.first(256), |_, _| panic!("there is none"));
        }
    }

    #[test]
    fn addresses_are_read_as_they_were_written() {
        for addr in ["10.1.2.3:80", "[fe80::1%3]:53", "[::ffff:10.0.0.1]:1"] {
            let addr: SocketAddr = addr.parse().unwrap();
            let mut name = Name::EMPTY;
            assert_eq!(name.write(addr), if addr.is_ipv4() { 16 } else { 28 });
            assert_eq!(name.read(), Some(addr));
        }
        assert_eq!(Name::EMPTY.read(), None);
    }

    #[test]
    fn unix_addresses_are_read_as_they_were_written() {
        for addr in [UnixAddr::path("/tmp/s"), UnixAddr::abstract_name(b"a\0b"), UnixAddr::Unnamed] {
            let mut name = Name::EMPTY;
            let len = name.write_unix(&addr);
            assert_eq!(name.read_unix(len), addr);
        }
        assert_eq!(Name::EMPTY.read_unix(0), UnixAddr::Unnamed);
        assert_eq!(Name([b'x'; 128]).read_unix(1000), UnixAddr::Unnamed, "there is no such size");
        assert_eq!(Name([b'x'; 128]).read_unix(110), UnixAddr::path("x".repeat(108)));
    }
}
