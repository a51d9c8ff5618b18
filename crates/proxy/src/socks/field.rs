//! Fields of messages: addresses of version 5, and a cursor over bytes that came.

use crate::{Host, NAME_MAX, NameError, Target};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The kinds of address of version 5 (RFC 1928 section 5).
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Why an address could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressFault {
    Kind,
    Name(NameError),
}

impl AddressFault {
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Kind => "an address of an unknown kind",
            Self::Name(NameError::Empty) => "an empty name",
            Self::Name(_) => "a name that is not printable ASCII",
        }
    }
}

/// Takes fields off the front of a message; what is not there yet is None.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// How many bytes were taken.
    pub(super) fn taken(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..n)?;
        self.at += n;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn port(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// A string behind its length in one byte.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(length.into())
    }

    /// Kind, address and port, as version 5 has them.
    pub(super) fn target(&mut self) -> Result<Option<Target>, AddressFault> {
        let Some(kind) = self.byte() else { return Ok(None) };
        let ip: Option<IpAddr> = match kind {
            IPV4 => self.array::<4>().map(IpAddr::from),
            IPV6 => self.array::<16>().map(IpAddr::from),
            NAME => return self.named(),
            _ => return Err(AddressFault::Kind),
        };
        Ok(ip.and_then(|ip| Some(Target::from((ip, self.port()?)))))
    }

    fn named(&mut self) -> Result<Option<Target>, AddressFault> {
        let Some(name) = self.string() else { return Ok(None) };
        let target = Target::from_bytes(name, 0).map_err(AddressFault::Name)?;
        Ok(self.port().map(|port| Target { port, ..target }))
    }
}

/// Appends kind, address and port, as version 5 has them.
pub(super) fn put_target(target: &Target, out: &mut Vec<u8>) {
    match &target.host {
        Host::Ip(ip) => put_ip(*ip, out),
        Host::Name(name) => {
            // A name that somebody made without `Target::new` and that is too long is cut, which is no name.
            let name = name.as_bytes().get(..NAME_MAX).unwrap_or(name.as_bytes());
            out.extend([NAME, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
            out.extend(name);
        }
    }
    out.extend(target.port.to_be_bytes());
}

fn put_ip(ip: IpAddr, out: &mut Vec<u8>) {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            out.push(IPV4);
            out.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(IPV6);
            out.extend(ip.octets());
        }
    }
}

/// Appends an address of this end; where there is none, zeros.
pub(super) fn put_addr(addr: Option<SocketAddr>, out: &mut Vec<u8>) {
    let addr = addr.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    put_target(&addr.into(), out);
}

/// The address in four bytes as version 4 has it; one of IPv6 does not fit.
pub(super) fn ip4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

/// In version 4a an address 0.0.0.x, with another x than 0, says that a name follows.
pub(super) fn stands_for_name(ip: Ipv4Addr) -> bool {
    let [a, b, c, x] = ip.octets();
    [a, b, c] == [0; 3] && x != 0
}
