//! What the programs of this package share. Each block of unsafe code names what the kernel is promised.

mod ring;

pub use ring::{Completion, Piece, Ring};

use rustix::net::{AddressFamily, SocketAddrV4, SocketType, bind, ipproto, listen, socket, sockopt};
use std::{io, net::Ipv4Addr, os::fd::OwnedFd};

/// How many connections wait to be accepted.
const BACKLOG: i32 = 4096;

/// A listening TCP socket on 127.0.0.1, whose connections send at once.
///
/// # Errors
/// The port is taken.
pub fn listener(port: u16) -> io::Result<OwnedFd> {
    let socket = bound(port, SocketType::STREAM)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A UDP socket on 127.0.0.1.
///
/// # Errors
/// The port is taken.
pub fn datagram_socket(port: u16) -> io::Result<OwnedFd> {
    bound(port, SocketType::DGRAM)
}

fn bound(port: u16, kind: SocketType) -> io::Result<OwnedFd> {
    let protocol = if kind == SocketType::STREAM { ipproto::TCP } else { ipproto::UDP };
    let socket = socket(AddressFamily::INET, kind, Some(protocol))?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    Ok(socket)
}

/// The port that the first argument names.
///
/// # Errors
/// It names none.
pub fn port() -> io::Result<u16> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    port.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the first argument is a port"))
}
