//! [`Poller`]: which descriptors are ready, told in level mode, and a waker that ends the wait.
//!
//! epoll on Linux, what the crate `polling` knows elsewhere.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod copies;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod epoll;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod portable;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use epoll::Poller;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use portable::Poller;

use crate::{rest::is_short_of_memory, slots};
use std::{io, os::fd::OwnedFd};
use trenza_core::driver::Token;

/// What a poller is asked to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Interest {
    #[default]
    None,
    Read,
    Write,
    Both,
    /// Somebody waits to be accepted; of several who ask that of one socket, one is told.
    Accept,
}

impl Interest {
    pub(crate) fn new(read: bool, write: bool) -> Self {
        match (read, write) {
            (false, false) => Self::None,
            (true, false) => Self::Read,
            (false, true) => Self::Write,
            (true, true) => Self::Both,
        }
    }

    fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Both | Self::Accept)
    }

    fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Both)
    }
}

/// A descriptor is ready. Errors and hang-ups count as both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readiness {
    pub(crate) token: Token,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// The poller does not take such descriptors: they are always ready.
pub(crate) fn is_never_polled(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// What the poller was told last of a descriptor.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    shown: Interest,
}

impl Watched {
    /// What the poller tells at present.
    pub(crate) fn shown(&self) -> Interest {
        self.shown
    }

    /// Tells the poller what is wanted now. A descriptor of which nothing is wanted leaves the poller: an
    /// interest of none would still report errors and hang-ups, again and again.
    ///
    /// # Errors
    /// The poller's; `PermissionDenied`: it does not take such descriptors.
    pub(crate) fn show(
        &mut self,
        fd: &OwnedFd,
        wanted: Interest,
        poller: &Poller,
        token: Token,
    ) -> io::Result<()> {
        if wanted == self.shown {
            return Ok(());
        }
        if wanted == Interest::None {
            poller.delete(fd)?;
        } else if self.shown == Interest::None {
            poller.add(fd, slots::key(token), wanted)?;
        } else {
            poller.modify(fd, slots::key(token), wanted)?;
        }
        self.shown = wanted;
        Ok(())
    }

    /// Takes the descriptor out of the poller, as must be done before it is closed unless the poller
    /// [does so itself](Poller::forgets_closed). One that stays there for want of memory still counts as shown, so that
    /// the next [`show`](Self::show) tries again: to show it a second time would be an error.
    pub(crate) fn hide(&mut self, fd: &OwnedFd, poller: &Poller) {
        if self.shown == Interest::None {
            return;
        }
        // Otherwise it can only fail for a descriptor that is not there, and then nothing is left to do.
        if !poller.delete(fd).is_err_and(|error| is_short_of_memory(&error)) {
            self.shown = Interest::None;
        }
    }
}
