//! Accepting connections, and what to do when there is no descriptor left for one.

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use crate::socket;
use crate::unix;
use rustix::{
    io::Errno,
    net::{SocketAddrAny, SocketAddrUnix},
};
use socket2::SockRef;
use std::{
    fs::File,
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};
use trenza_core::Addr;

/// How many connections one harvest takes from a listener at the most, so that a burst of them does not keep the
/// others waiting. What is left is told again by the next harvest.
const ACCEPTS_MAX: u32 = 64;

/// Where a listener is bound.
#[derive(Debug)]
pub(crate) struct Listener {
    addr: Addr,
    /// Bound to no address in particular: each connection has its own.
    wildcard: bool,
    /// The harvest that last found it ready, and how many connections that took.
    last: (u64, u32),
}

impl Listener {
    pub(crate) fn new(addr: Addr) -> Self {
        let wildcard = addr.ip().is_some_and(|ip| ip.is_unspecified());
        Self { addr, wildcard, last: (0, 0) }
    }

    /// How many connections this harvest takes: one, since most come alone and to ask for another costs a call; twice as
    /// many as the last one, if that left some.
    pub(crate) fn accepts(&mut self, harvest: u64) -> u32 {
        let (last, taken) = self.last;
        let accepts = if harvest == last + 1 { (taken * 2).clamp(1, ACCEPTS_MAX) } else { 1 };
        self.last = (harvest, accepts);
        accepts
    }

    /// This end's address of a connection that was accepted.
    pub(crate) fn local(&self, connection: &OwnedFd) -> Addr {
        let own = self.wildcard.then(|| SockRef::from(connection).local_addr().ok()?.as_socket()).flatten();
        own.map_or_else(|| self.addr.clone(), Addr::from)
    }
}

/// How an accept went wrong.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nobody is waiting.
    Empty,
    /// The connection was gone before it was accepted; there may be others.
    Gone,
    /// There is no descriptor left in the process or the system.
    Descriptors(io::Error),
    /// Anything else, as a lack of memory.
    Other(io::Error),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => Self::Empty,
            Errno::MFILE | Errno::NFILE => Self::Descriptors(errno.into()),
            // Linux tells errors of the network that wait on the new connection as errors of accept.
            Errno::INTR
            | Errno::CONNABORTED
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::OPNOTSUPP
            | Errno::PERM
            | Errno::TIMEDOUT
            | Errno::CONNRESET
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH => Self::Gone,
            _ => Self::Other(errno.into()),
        }
    }
}

/// Accepts one connection, which does not block and is closed in programs that are started.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> Result<(OwnedFd, Addr), Refusal> {
    let (fd, remote) = accept_any(listener)?;
    let remote = remote.ok_or(Refusal::Gone)?;
    if let Ok(unix) = SocketAddrUnix::try_from(remote.clone()) {
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        socket::tune_unix(&fd).map_err(|_| Refusal::Gone)?;
        return Ok((fd, unix::addr_of(&unix).into()));
    }
    let remote = SocketAddr::try_from(remote).map_err(|_| Refusal::Gone)?;
    // On Linux a connection has the options of its listener, which were set once.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    socket::tune(&fd).map_err(|_| Refusal::Gone)?;
    Ok((fd, remote.into()))
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(crate) fn is_listening(socket: &SockRef<'_>) -> io::Result<bool> {
    socket.is_listener()
}

/// Where the option cannot be asked for: it has no peer; the first accept tells the rest.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) fn is_listening(socket: &SockRef<'_>) -> io::Result<bool> {
    Ok(socket.peer_addr().is_err())
}

#[cfg(not(target_vendor = "apple"))]
fn accept_any(listener: BorrowedFd<'_>) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
    use rustix::net::{SocketFlags, acceptfrom_with};
    acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
}

#[cfg(target_vendor = "apple")]
fn accept_any(listener: BorrowedFd<'_>) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
    let (fd, remote) = rustix::net::acceptfrom(listener)?;
    rustix::io::ioctl_fioclex(&fd)?;
    rustix::io::ioctl_fionbio(&fd, true)?;
    Ok((fd, remote))
}

/// A descriptor kept for the moment when there is no other.
#[derive(Debug)]
pub(crate) struct Reserve(Option<File>);

impl Reserve {
    pub(crate) fn new() -> io::Result<Self> {
        open_null().map(|file| Self(Some(file)))
    }

    /// Accepts one connection with the descriptor in reserve and closes it, so that its peer knows and does
    /// not wait for an answer.
    pub(crate) fn shed(&mut self, listener: impl AsFd) {
        self.0 = None;
        drop(accept(listener.as_fd()));
        self.0 = open_null().ok();
    }
}

fn open_null() -> io::Result<File> {
    File::open("/dev/null")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn bursts_are_taken_in_ever_larger_pieces() {
        let mut listener = Listener::new(Addr::Ip(([127, 0, 0, 1], 80).into()));
        let mut accepts = |harvest| listener.accepts(harvest);
        assert_eq!([5, 6, 7, 8].map(&mut accepts), [1, 2, 4, 8]);
        assert_eq!([10, 11, 13].map(&mut accepts), [1, 2, 1]);
        assert_eq!((14..=30).map(accepts).last(), Some(ACCEPTS_MAX));
    }

    #[test]
    fn connections_have_the_options_of_every_stream() {
        let listener = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        assert!(!SockRef::from(&listener).tcp_nodelay().unwrap());
        crate::socket::tune(&listener).unwrap();
        let addr = SockRef::from(&listener).local_addr().unwrap().as_socket().unwrap();
        let peer = TcpStream::connect(addr).unwrap();
        let (fd, remote) = accept(listener.as_fd()).unwrap();
        assert_eq!(remote, peer.local_addr().unwrap().into());
        let socket = SockRef::from(&fd);
        assert!(socket.tcp_nodelay().unwrap() && socket.out_of_band_inline().unwrap());
        assert!(socket.nonblocking().unwrap());
        assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }
}
