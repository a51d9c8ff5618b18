//! [`Addr`]: where an end of a connection is.

use std::{
    ffi::OsStr,
    fmt,
    net::{IpAddr, SocketAddr},
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::Arc,
};

/// The address of one end of a connection. Hosts of the simulator have IP addresses too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addr {
    /// An IPv4 or IPv6 address and a port.
    Ip(SocketAddr),
    /// A UNIX socket on the same machine.
    Unix(UnixAddr),
    /// An end that has no address, only a name for people: a pipe, a terminal, a child process.
    Named(Arc<str>),
}

impl Addr {
    /// The IP address, where there is one. IPv4 in IPv6 (`::ffff:a.b.c.d`) is given as IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket().map(|addr| addr.ip().to_canonical())
    }

    /// Is it an IPv4 address? None: it is no IP address. IPv4 in IPv6 counts as IPv6 here: it is that kind of socket.
    pub(crate) fn is_ipv4(&self) -> Option<bool> {
        self.socket().map(|addr| addr.is_ipv4())
    }

    /// The port, where there is one.
    pub fn port(&self) -> Option<u16> {
        self.socket().map(|addr| addr.port())
    }

    /// The IP address and the port as they are, where there are any.
    pub fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(addr) => Some(*addr),
            Self::Unix(_) | Self::Named(_) => None,
        }
    }

    /// The UNIX address, where it is one.
    pub fn unix(&self) -> Option<&UnixAddr> {
        match self {
            Self::Unix(addr) => Some(addr),
            Self::Ip(_) | Self::Named(_) => None,
        }
    }

    /// An end that has only a name.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self::Named(name.into())
    }
}

impl From<SocketAddr> for Addr {
    fn from(addr: SocketAddr) -> Self {
        Self::Ip(addr)
    }
}

impl From<UnixAddr> for Addr {
    fn from(addr: UnixAddr) -> Self {
        Self::Unix(addr)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => SocketAddr::new(addr.ip().to_canonical(), addr.port()).fmt(f),
            Self::Unix(addr) => addr.fmt(f),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// The address of a UNIX socket. Whether the system takes it, its length above all, is told when it is used.
///
/// ```
/// use trenza_core::UnixAddr;
///
/// assert_eq!(UnixAddr::path("/run/app.sock").to_string(), "/run/app.sock");
/// assert_eq!(UnixAddr::abstract_name("app").to_string(), "@app");
/// assert_eq!(UnixAddr::Unnamed.to_string(), "a UNIX socket without a name");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnixAddr {
    /// It was never bound, as the sockets of clients.
    Unnamed,
    /// A file.
    Path(Arc<Path>),
    /// A name outside of the file system, of Linux: any bytes. It is gone with its last socket, and whoever shares
    /// the machine's network can connect.
    Abstract(Arc<[u8]>),
}

impl UnixAddr {
    /// The file of that path.
    pub fn path(path: impl AsRef<Path>) -> Self {
        Self::Path(path.as_ref().into())
    }

    /// The abstract name, without the byte 0 that stands before it in system calls.
    pub fn abstract_name(name: impl AsRef<[u8]>) -> Self {
        Self::Abstract(name.as_ref().into())
    }

    /// The path, where it is a file.
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Unnamed | Self::Abstract(_) => None,
        }
    }
}

impl fmt::Display for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => f.write_str("a UNIX socket without a name"),
            Self::Path(path) => path.display().fmt(f),
            Self::Abstract(name) => write!(f, "@{}", OsStr::from_bytes(name).display()),
        }
    }
}
