//! UNIX sockets.

use crate::socket;
use rustix::{io::Errno, net::SocketAddrUnix};
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    ffi::OsStr,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
};
use trenza_core::{Addr, UnixAddr};

/// The address of a socket as the engine has it.
pub(crate) fn addr(addr: &SockAddr) -> Option<Addr> {
    if let Some(ip) = addr.as_socket() {
        return Some(ip.into());
    }
    let unix = addr.is_unix().then(|| match (addr.as_pathname(), addr.as_abstract_namespace()) {
        (Some(path), _) => UnixAddr::path(path),
        (None, Some(name)) => UnixAddr::abstract_name(name),
        (None, None) => UnixAddr::Unnamed,
    });
    unix.map(Addr::from)
}

/// The address of a peer as the engine has it.
pub(crate) fn addr_of(addr: &SocketAddrUnix) -> UnixAddr {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = addr.abstract_name() {
        return UnixAddr::abstract_name(name);
    }
    let path = addr.path_bytes().filter(|path| !path.is_empty());
    path.map_or(UnixAddr::Unnamed, |path| UnixAddr::path(OsStr::from_bytes(path)))
}

/// The address for system calls.
fn sock_addr(addr: &UnixAddr) -> io::Result<SockAddr> {
    match addr {
        UnixAddr::Path(path) if path.as_os_str().as_bytes().contains(&0) || path.as_os_str().is_empty() => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "no file has such a name"))
        }
        UnixAddr::Path(path) => SockAddr::unix(path),
        UnixAddr::Abstract(name) => abstract_addr(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{addr} cannot be found"))),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_addr(name: &[u8]) -> io::Result<SockAddr> {
    SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_addr(_: &[u8]) -> io::Result<SockAddr> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has abstract names for UNIX sockets"))
}

/// Starts a connection.
pub(crate) fn connect(to: &UnixAddr) -> io::Result<OwnedFd> {
    let to = sock_addr(to)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&to) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => {
            let what = "as many connections wait to be accepted as may";
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, what));
        }
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    let fd = OwnedFd::from(socket);
    socket::tune_unix(&fd)?;
    Ok(fd)
}
