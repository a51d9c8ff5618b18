//! [`Poller`] over epoll.

use super::{Interest, Readiness, copies};
use crate::slots;
use rustix::{
    event::{
        EventfdFlags, Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
        eventfd,
    },
    io::Errno,
};
use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
    time::{Duration, Instant},
};

/// How many descriptors one wait tells of. The kernel goes on with the others at the next one.
const EVENTS_MAX: usize = 1024;
/// The key of the waker's own descriptor, which no token has.
const ALARM: u64 = usize::MAX as u64;
/// The longest wait that every kernel takes, in milliseconds; who waits longer waits again.
const WAIT_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// The system's poller, in level mode.
pub(crate) struct Poller {
    epoll: OwnedFd,
    alarm: Arc<Alarm>,
    events: Vec<Event>,
    /// The kernel waits for milliseconds only: it is older than 5.11, or a sandbox refuses the newer call.
    coarse: bool,
}

/// Ends a wait from any thread.
#[derive(Debug)]
struct Alarm {
    event: OwnedFd,
    /// It was rung, and no wait has ended since: ringing again is one atomic operation.
    rung: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It fails only when the counter is full, and then the wait ends as well.
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }
}

impl Alarm {
    /// The order matters: a call in between finds the alarm rung, and need not ring it since the wait has ended. The
    /// other way round its ring would be read here, and every later one be missed.
    fn reset(&self) {
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
        self.rung.swap(false, Ordering::AcqRel);
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        copies::watch();
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &event, EventData::new_u64(ALARM), EventFlags::IN)?;
        let alarm = Arc::new(Alarm { event, rung: AtomicBool::new(false) });
        Ok(Self { epoll, alarm, events: Vec::with_capacity(EVENTS_MAX), coarse: false })
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(self.alarm.clone())
    }

    pub(super) fn add(&self, fd: &OwnedFd, key: usize, wanted: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(key as u64), flags(wanted))?)
    }

    pub(super) fn modify(&self, fd: &OwnedFd, key: usize, wanted: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, EventData::new_u64(key as u64), flags(wanted))?)
    }

    pub(super) fn delete(&self, fd: &OwnedFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// A descriptor of which there is no copy leaves the poller when it is closed.
    pub(crate) fn forgets_closed(&self) -> bool {
        !copies::may_exist()
    }

    /// Waits until something is ready, the time has come, or the waker was called; a signal may end it, too.
    pub(crate) fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.events.clear();
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()).min(WAIT_MAX));
        match self.wait_for(timeout) {
            Ok(()) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if self.events.iter().any(|event| event.data.u64() == ALARM) {
            self.alarm.reset();
        }
        Ok(())
    }

    fn wait_for(&mut self, timeout: Option<Duration>) -> Result<(), Errno> {
        let exact = timeout.filter(|timeout| !timeout.is_zero() && !self.coarse);
        if let Some(timeout) = exact {
            match exactly(&self.epoll, &mut self.events, timeout) {
                Err(Errno::NOSYS | Errno::PERM) => self.coarse = true,
                waited => return waited,
            }
        }
        // Rounded up: a wait that ends early would find nothing due, and wait again for no time at all.
        let timeout = timeout.map(timespec);
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), timeout.as_ref()).map(drop)
    }

    /// What the last wait found.
    pub(crate) fn ready(&self) -> impl Iterator<Item = Readiness> {
        self.events.iter().filter(|event| event.data.u64() != ALARM).map(|event| {
            let flags = event.flags;
            let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
            Readiness {
                token: slots::token(event.data.u64() as usize),
                read: broken || flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::PRI),
                write: broken || flags.contains(EventFlags::OUT),
            }
        })
    }
}

fn flags(wanted: Interest) -> EventFlags {
    if wanted == Interest::Accept {
        // The kernel takes nothing else with it, and no change of it.
        return EventFlags::IN | EventFlags::EXCLUSIVE;
    }
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN | EventFlags::RDHUP | EventFlags::PRI, wanted.reads());
    flags.set(EventFlags::OUT, wanted.writes());
    flags
}

fn timespec(timeout: Duration) -> Timespec {
    Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos() as _ }
}

/// Waits with the resolution of the clock, for which older C libraries have no function.
#[allow(unsafe_code, reason = "a system call by its number")]
fn exactly(epoll: &OwnedFd, events: &mut Vec<Event>, timeout: Duration) -> Result<(), Errno> {
    let room = events.spare_capacity_mut();
    let timeout = timespec(timeout);
    // SAFETY: the kernel writes no more events than there is room for, and reads one timespec, whose fields have 64 bits
    // on all architectures, as it expects; both outlive the call. `Event` has the layout of its `epoll_event`.
    let came = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            epoll.as_raw_fd(),
            room.as_mut_ptr(),
            room.len() as libc::c_int,
            &raw const timeout,
            std::ptr::null::<libc::sigset_t>(),
            0_usize,
        )
    };
    let Ok(came) = usize::try_from(came) else {
        return Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO));
    };
    // SAFETY: so many were written, and there was room for them.
    unsafe { events.set_len(events.len() + came) };
    Ok(())
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::net::UnixStream, thread};

    const SOON: Duration = Duration::from_micros(300);

    #[test]
    fn waits_end_in_time_on_new_and_old_kernels() {
        for coarse in [false, true] {
            let mut poller = Poller { coarse, ..Poller::new().unwrap() };
            let until = Instant::now() + SOON;
            poller.wait(Some(until)).unwrap();
            assert!(Instant::now() >= until && poller.ready().next().is_none());
            poller.wait(Some(until)).unwrap();
        }
    }

    #[test]
    fn every_ring_ends_a_wait_that_begins_later() {
        let mut poller = Poller::new().unwrap();
        let waker = poller.waker();
        for _ in 0..3 {
            let waker = waker.clone();
            thread::spawn(move || (waker.wake_by_ref(), waker.wake())).join().unwrap();
            poller.wait(None).unwrap();
            assert!(poller.ready().next().is_none());
        }
        let until = Instant::now() + SOON;
        poller.wait(Some(until)).unwrap();
        assert!(Instant::now() >= until, "rings do not add up");
    }

    #[test]
    fn a_descriptor_tells_what_was_asked_of_it_and_of_its_end() {
        let mut poller = Poller::new().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let near = OwnedFd::from(near);
        let ready = |poller: &mut Poller| {
            poller.wait(Some(Instant::now())).unwrap();
            poller.ready().map(|ready| (ready.token.index, ready.read, ready.write)).collect::<Vec<_>>()
        };
        poller.add(&near, 7, Interest::Read).unwrap();
        assert_eq!(ready(&mut poller), []);
        poller.modify(&near, 8, Interest::Both).unwrap();
        assert_eq!(ready(&mut poller), [(8, false, true)]);
        drop(far);
        poller.modify(&near, 9, Interest::Read).unwrap();
        assert_eq!(ready(&mut poller), [(9, true, true)]);
        poller.delete(&near).unwrap();
        assert_eq!(ready(&mut poller), []);
    }
}
