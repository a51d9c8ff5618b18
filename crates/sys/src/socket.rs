//! [`Socket`]: what the driver knows of one socket.

use crate::{
    datagram::Family,
    poller::{Interest, Poller, Watched},
};
use socket2::{SockRef, TcpKeepalive};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};
use trenza_core::{
    Addr, SocketOption,
    driver::{self, Token},
};

/// One listener or connection. There is one for each idle connection: it stays small.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) fd: OwnedFd,
    pub(crate) state: State,
    pub(crate) kind: Kind,
    pub(crate) ways: Ways,
    /// The loop wants bytes, or of a listener connections.
    pub(crate) reading: bool,
    /// A send was short: the loop waits for room.
    pub(crate) writing: bool,
    /// It is in the driver's list of those whose interest changed.
    pub(crate) listed: bool,
    /// The system had no memory for it: nothing is wanted until its rest is over.
    pub(crate) resting: bool,
    watched: Watched,
}

/// What a descriptor is, and so which calls it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Socket,
    /// A UNIX socket, over which descriptors may come.
    Unix,
    Pipe,
    /// A terminal, or another device that a poller takes.
    Device,
    /// What no poller takes: always ready.
    File,
}

impl Kind {
    pub(crate) fn is_socket(self) -> bool {
        matches!(self, Self::Socket | Self::Unix)
    }

    /// What a socket with that address is.
    pub(crate) fn of(addr: &Addr) -> Self {
        if addr.unix().is_some() { Self::Unix } else { Self::Socket }
    }
}

/// Which directions the descriptor in the table serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ways {
    Both,
    Read,
    Write,
    /// It was written, and its direction has ended.
    Closed,
    /// It is read; another one is written.
    Apart,
}

impl Ways {
    /// What somebody else uses it for.
    pub(crate) fn of(interest: driver::Interest) -> Self {
        match interest {
            driver::Interest::READ => Self::Read,
            driver::Interest::WRITE => Self::Write,
            _ => Self::Both,
        }
    }
}

/// How far a socket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Listening,
    Connecting,
    /// It stands for a child process, and is readable when that has exited.
    Process,
    Open,
    /// The peer's FIN came: nothing is left to read.
    Ended,
    /// A socket for datagrams.
    Datagrams(Family),
    /// Somebody else's, who wants to know when it is ready. `reading`: it is to be told.
    Watched,
    /// It has failed; the loop knows or is about to be told.
    Broken,
}

impl Socket {
    pub(crate) fn new(fd: OwnedFd, state: State) -> Self {
        Self::of_kind(fd, state, Kind::Socket, Ways::Both)
    }

    pub(crate) fn of_kind(fd: OwnedFd, state: State, kind: Kind, ways: Ways) -> Self {
        let watched = Watched::default();
        Self { fd, state, kind, ways, reading: false, writing: false, listed: false, resting: false, watched }
    }

    /// That of a connection between addresses like this one.
    pub(crate) fn to(addr: &Addr, fd: OwnedFd, state: State) -> Self {
        Self::of_kind(fd, state, Kind::of(addr), Ways::Both)
    }

    /// Nothing has been asked of it since it was connected.
    pub(crate) fn is_new(&self) -> bool {
        self.state == State::Open && !self.reading && !self.writing
    }

    /// True when a send may be tried: it is connected, and nobody waits for room.
    pub(crate) fn may_send(&self) -> bool {
        matches!(self.state, State::Open | State::Ended) && !self.writing
    }

    /// True when the poller must be told something new.
    pub(crate) fn is_stale(&self) -> bool {
        self.watched.shown() != self.wanted()
    }

    fn wanted(&self) -> Interest {
        let (read, write) = match self.state {
            State::Listening if self.reading && !self.resting => return Interest::Accept,
            _ if self.resting => (false, false),
            State::Listening => (false, false),
            State::Process => (true, false),
            State::Connecting => (false, true),
            State::Open | State::Datagrams(_) => (self.reading, self.writing),
            State::Ended => (false, self.writing),
            State::Watched => (self.reading, self.reading),
            State::Broken => (false, false),
        };
        match (self.kind, self.ways) {
            (Kind::File, _) | (_, Ways::Closed) => Interest::None,
            // Nothing can be read from a pipe's writing end: that it is readable tells that the reader has gone.
            (Kind::Pipe, Ways::Write) | (_, Ways::Both) => Interest::new(read, write),
            (_, Ways::Read | Ways::Apart) => Interest::new(read, false),
            (_, Ways::Write) => Interest::new(false, write),
        }
    }

    /// Tells the poller what is wanted now.
    ///
    /// # Errors
    /// The poller's; `PermissionDenied`: it does not take such descriptors.
    pub(crate) fn show(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        let wanted = self.wanted();
        self.watched.show(&self.fd, wanted, poller, token)
    }

    /// A listener that is shown to the poller is shown anew: it looks then whether anybody waits.
    pub(crate) fn look_again(&mut self, poller: &Poller) {
        if self.state == State::Listening {
            self.hide(poller);
        }
    }

    /// It connects two ends, unless it was adopted: then nobody knows.
    pub(crate) fn is_connection(&self) -> bool {
        matches!(self.state, State::Connecting | State::Open | State::Ended | State::Broken)
    }

    /// Takes the socket out of the poller.
    pub(crate) fn hide(&mut self, poller: &Poller) {
        self.watched.hide(&self.fd, poller);
    }
}

/// Sets the options that every stream has. Urgent data is read like other data: kept aside it would
/// report readiness for ever without a byte to receive.
pub(crate) fn tune(fd: &OwnedFd) -> io::Result<()> {
    let socket = SockRef::from(fd);
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_vendor = "apple")]
    socket.set_nosigpipe(true)?;
    socket.set_out_of_band_inline(true)
}

/// Sets the options that every UNIX stream has.
pub(crate) fn tune_unix(fd: &OwnedFd) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    SockRef::from(fd).set_nosigpipe(true)?;
    let _ = fd;
    Ok(())
}

/// Sets the options that a listener's connections get from it.
pub(crate) fn tune_listener(fd: &OwnedFd, addr: &Addr) -> io::Result<()> {
    if addr.unix().is_some() { tune_unix(fd) } else { tune(fd) }
}

/// Closes `old` and puts another copy of `new` in its place.
pub(crate) fn put_in_place(new: impl AsFd, old: &mut OwnedFd) -> io::Result<()> {
    rustix::io::dup2(new, old)?;
    Ok(rustix::io::fcntl_setfd(old, rustix::io::FdFlags::CLOEXEC)?)
}

/// Sets an option of a connection.
pub(crate) fn set(fd: &OwnedFd, kind: Kind, option: SocketOption) -> io::Result<()> {
    let socket = SockRef::from(fd);
    match (kind, option) {
        (Kind::Socket, SocketOption::NoDelay(on)) => socket.set_tcp_nodelay(on),
        (Kind::Socket, SocketOption::KeepAlive(None)) => socket.set_keepalive(false),
        (Kind::Socket, SocketOption::KeepAlive(Some(after))) => {
            let after = after.max(Duration::from_secs(1));
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(after))
        }
        (Kind::Socket, SocketOption::UrgentInline(on)) => socket.set_out_of_band_inline(on),
        #[cfg(any(target_os = "linux", target_os = "android"))]
        (Kind::Socket, SocketOption::QuickAck) => Ok(rustix::net::sockopt::set_tcp_quickack(fd, true)?),
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        (Kind::Socket, SocketOption::QuickAck) => Ok(()),
        (Kind::Socket | Kind::Unix, SocketOption::SendBuffer(bytes)) => socket.set_send_buffer_size(bytes),
        (Kind::Socket | Kind::Unix, SocketOption::ReceiveBuffer(bytes)) => socket.set_recv_buffer_size(bytes),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it has no such option")),
    }
}
