//! [`Poller`] over kqueue and its kind, by the crate `polling`.

use super::{Interest, Readiness};
use crate::slots;
use polling::{Event, Events, PollMode};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    task::{Wake, Waker},
    time::{Duration, Instant},
};

/// The system's poller, in level mode.
#[derive(Debug)]
pub(crate) struct Poller {
    poller: Arc<polling::Poller>,
    events: Events,
}

struct Alarm(Arc<polling::Poller>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The poller remembers that it was notified, so a second call is one atomic operation. It fails only
        // when its own descriptor is broken, and then the wait fails as well.
        let _ = self.0.notify();
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poller: Arc::new(polling::Poller::new()?), events: Events::new() })
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::new(Alarm(self.poller.clone())))
    }

    #[allow(unsafe_code, reason = "the poller cannot own what it watches")]
    pub(super) fn add(&self, fd: &OwnedFd, key: usize, wanted: Interest) -> io::Result<()> {
        // SAFETY: the descriptor must be deleted from the poller before it is closed. It is never moved out of a socket
        // or writer, and the driver calls `hide` before it drops or replaces one: in `close`, when a connect has failed,
        // and for all that are left when it is dropped itself.
        unsafe { self.poller.add_with_mode(fd, event(key, wanted), PollMode::Level) }
    }

    pub(super) fn modify(&self, fd: &OwnedFd, key: usize, wanted: Interest) -> io::Result<()> {
        self.poller.modify_with_mode(fd, event(key, wanted), PollMode::Level)
    }

    pub(super) fn delete(&self, fd: &OwnedFd) -> io::Result<()> {
        self.poller.delete(fd)
    }

    /// It keeps a list of its own.
    pub(crate) fn forgets_closed(&self) -> bool {
        false
    }

    /// Waits until something is ready, the time has come, or the waker was called.
    pub(crate) fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.events.clear();
        match until {
            Some(until) => self.poller.wait_deadline(&mut self.events, until),
            None => self.poller.wait(&mut self.events, None::<Duration>),
        }
        .map(drop)
    }

    /// What the last wait found.
    pub(crate) fn ready(&self) -> impl Iterator<Item = Readiness> {
        self.events.iter().map(|event| Readiness {
            token: slots::token(event.key),
            read: event.readable,
            write: event.writable,
        })
    }
}

fn event(key: usize, wanted: Interest) -> Event {
    Event::new(key, wanted.reads(), wanted.writes())
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}
