//! [`Stream`]: what the driver knows of one socket.

use super::ring::Purpose;
use crate::{datagram::Family, socket::Kind};
use socket2::SockRef;
use std::{os::fd::OwnedFd, time::Duration};
use trenza_core::Addr;

/// One listener or connection. There is one for each idle connection: it stays small.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) fd: OwnedFd,
    pub(super) state: State,
    pub(super) kind: Kind,
    /// What the kernel does with its bytes to send.
    pub(super) doing: Doing,
    /// The loop wants bytes or datagrams, or of a listener connections.
    pub(super) reading: bool,
    /// The kernel receives, or accepts.
    pub(super) armed: bool,
    /// It was asked to stop that.
    pub(super) cancelled: bool,
    /// It found no buffer and is in the list of those that wait for one.
    pub(super) starved: bool,
    /// It has received: many do so once, and are then closed with nothing to cancel if more was not asked for yet.
    pub(super) seasoned: bool,
}

/// How far a socket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Listening,
    Connecting,
    Open,
    /// A socket for datagrams.
    Datagrams(Family),
    /// The peer's FIN came: nothing is left to read.
    Ended,
    /// It has failed; the loop knows or is about to be told.
    Broken,
    /// The loop has closed it, and the kernel is not done with it. `unread`: bytes may be waiting in it, and are not to
    /// make a reset of the end.
    Closing {
        unread: bool,
    },
}

/// What the kernel does with bytes to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Nothing,
    /// It sends that flight.
    Sending(u32),
    /// It tells when there is room.
    AwaitingRoom,
    /// The system had no memory, for that flight or for what was sent at once.
    Resting(Option<u32>),
}

impl Stream {
    pub(super) fn of_kind(fd: OwnedFd, state: State, kind: Kind) -> Self {
        let doing = Doing::Nothing;
        Self {
            fd,
            state,
            kind,
            doing,
            reading: false,
            armed: false,
            cancelled: false,
            starved: false,
            seasoned: false,
        }
    }

    /// That of a connection between addresses like this one, or of a socket that is bound to it.
    pub(super) fn to(addr: &Addr, fd: OwnedFd, state: State) -> Self {
        Self::of_kind(fd, state, Kind::of(addr))
    }

    /// The loop still hears of it.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, State::Closing { .. } | State::Broken)
    }

    /// What the kernel does when it receives or accepts.
    pub(super) fn purpose(&self) -> Purpose {
        match (self.state, self.kind) {
            (State::Listening, _) => Purpose::Accept,
            (State::Datagrams(_), _) => Purpose::Datagram,
            (_, Kind::Unix) => Purpose::Bytes,
            _ => Purpose::Receive,
        }
    }

    /// Has the peer reset when it is closed: without it the system still tries to deliver what it was given.
    pub(super) fn reset_at_close(&self) {
        // It fails where nothing is connected any more.
        let _ = SockRef::from(&self.fd).set_linger(Some(Duration::ZERO));
    }

    /// It is to receive, and does not.
    pub(super) fn may_arm(&self) -> bool {
        let can = matches!(self.state, State::Open | State::Datagrams(_));
        can && self.reading && !self.armed && !self.starved
    }

    /// True when a send may be tried: it is connected, and none is under way.
    pub(super) fn may_send(&self) -> bool {
        matches!(self.state, State::Open | State::Ended) && self.doing == Doing::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_costs_little() {
        assert!(size_of::<Stream>() <= 24, "{}", size_of::<Stream>());
    }
}
