//! [`Socket`]: what the driver knows of one socket.

use crate::slots;
use polling::{Event, PollMode, Poller};
use socket2::SockRef;
use std::{io, os::fd::OwnedFd};
use trenza_core::driver::Token;

/// One listener or connection. There is one for each idle connection: it stays small.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) fd: OwnedFd,
    pub(crate) state: State,
    /// The loop wants bytes, or of a listener connections.
    pub(crate) reading: bool,
    /// A send was short: the loop waits for room.
    pub(crate) writing: bool,
    /// It is in the driver's list of those whose interest changed.
    pub(crate) listed: bool,
    /// The system had no memory for it: nothing is wanted until its rest is over.
    pub(crate) resting: bool,
    /// What the poller was told last.
    shown: Interest,
}

/// How far a socket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Listening,
    Connecting,
    Open,
    /// The peer's FIN came: nothing is left to read.
    Ended,
    /// A UDP socket, of IPv6 or of IPv4.
    Datagrams {
        v6: bool,
    },
    /// It has failed; the loop knows or is about to be told.
    Broken,
}

/// What a poller is asked to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Interest {
    read: bool,
    write: bool,
}

impl Interest {
    const NONE: Self = Self { read: false, write: false };
}

impl Socket {
    pub(crate) fn new(fd: OwnedFd, state: State) -> Self {
        let shown = Interest::NONE;
        Self { fd, state, reading: false, writing: false, listed: false, resting: false, shown }
    }

    /// True when a send may be tried: it is connected, and nobody waits for room.
    pub(crate) fn may_send(&self) -> bool {
        matches!(self.state, State::Open | State::Ended) && !self.writing
    }

    /// True when the poller must be told something new.
    pub(crate) fn is_stale(&self) -> bool {
        self.shown != self.wanted()
    }

    fn wanted(&self) -> Interest {
        match self.state {
            _ if self.resting => Interest::NONE,
            State::Listening => Interest { read: self.reading, write: false },
            State::Connecting => Interest { read: false, write: true },
            State::Open | State::Datagrams { .. } => Interest { read: self.reading, write: self.writing },
            State::Ended => Interest { read: false, write: self.writing },
            State::Broken => Interest::NONE,
        }
    }

    /// Tells the poller what is wanted now. A socket of which nothing is wanted leaves the poller: an
    /// interest of none would still report errors and hang-ups, again and again.
    pub(crate) fn show(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        let wanted = self.wanted();
        if wanted == self.shown {
            return Ok(());
        }
        let event = Event::new(slots::key(token), wanted.read, wanted.write);
        if wanted == Interest::NONE {
            self.hide(poller);
        } else if self.shown == Interest::NONE {
            self.add(poller, event)?;
        } else {
            poller.modify_with_mode(&self.fd, event, PollMode::Level)?;
        }
        self.shown = wanted;
        Ok(())
    }

    #[allow(unsafe_code, reason = "the poller cannot own what it watches")]
    fn add(&self, poller: &Poller, event: Event) -> io::Result<()> {
        // SAFETY: the descriptor must be deleted from the poller before it is closed. `self.fd` is never moved
        // out of a socket, and the driver calls `hide` before it drops one: in `close`, when a connect has
        // failed, and for all that are left when it is dropped itself.
        unsafe { poller.add_with_mode(&self.fd, event, PollMode::Level) }
    }

    /// Takes the socket out of the poller, as must be done before it is closed.
    pub(crate) fn hide(&mut self, poller: &Poller) {
        if self.shown != Interest::NONE {
            // It can only fail for a descriptor that is not there, and then nothing is left to do.
            let _ = poller.delete(&self.fd);
            self.shown = Interest::NONE;
        }
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
