//! [`Ring`]: the two queues that are shared with the kernel.

use crate::rest::REST;
use io_uring::{
    IoUring, cqueue, opcode, squeue,
    types::{CancelBuilder, SubmitArgs, Timespec},
};
use rustix::{
    event::{EventfdFlags, eventfd},
    io::Errno,
};
use std::{
    cell::OnceCell,
    collections::VecDeque,
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};
use trenza_core::driver::Token;

/// What is asked of the kernel before it is told to look.
const SUBMISSIONS: u32 = 512;
/// What it tells before we look; it keeps what is beyond.
const COMPLETIONS: u32 = 4096;
/// How long a driver that ends waits for the kernel to give everything back.
const END: Duration = Duration::from_secs(1);
/// After which it asks again: a request may have begun meanwhile.
const ROUND: Duration = Duration::from_millis(10);
/// The kernel's flag for a call that also looks for completions.
const GET_EVENTS: u32 = 1;
/// Of requests that belong to no connection.
pub(super) const NOBODY: Token = Token { index: u32::MAX, generation: 0 };

/// What a request is for: it comes back with the completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Accept,
    Receive,
    Datagram,
    /// There is something to receive over a UNIX stream.
    Bytes,
    Send,
    /// There is room to write, or a connect has ended.
    Room,
    /// The driver beside has something to tell.
    Rest,
    Cancel,
}

impl Purpose {
    const ALL: [Self; 8] = [
        Self::Accept,
        Self::Receive,
        Self::Datagram,
        Self::Bytes,
        Self::Send,
        Self::Room,
        Self::Rest,
        Self::Cancel,
    ];

    /// The number of a request.
    pub(super) fn of(self, token: Token) -> u64 {
        (self as u64) << 56 | u64::from(token.generation) << 32 | u64::from(token.index)
    }

    fn from(number: u64) -> Option<(Self, Token)> {
        let purpose = Self::ALL.get((number >> 56) as usize)?;
        Some((*purpose, Token { index: number as u32, generation: (number >> 32) as u32 & 0xff_ffff }))
    }
}

/// What came of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Completion {
    pub(super) purpose: Purpose,
    pub(super) token: Token,
    pub(super) result: Result<u32, Errno>,
    pub(super) flags: u32,
}

impl Completion {
    /// The same request will tell more.
    pub(super) fn goes_on(&self) -> bool {
        cqueue::more(self.flags)
    }

    /// The buffer that it used.
    pub(super) fn buffer(&self) -> Option<u16> {
        cqueue::buffer_select(self.flags)
    }

    /// The kernel goes on using that buffer.
    pub(super) fn keeps_buffer(&self) -> bool {
        cqueue::buffer_more(self.flags)
    }
}

/// The two queues that are shared with the kernel.
pub(super) struct Ring {
    ring: IoUring,
    /// The kernel learns which thread is ours at the first wait, so that a driver may be made on another.
    enabled: bool,
    /// How many requests will still have a completion.
    pub(super) in_flight: usize,
    /// Tells a host's loop that there is something to look at, once one has asked for it.
    bell: OnceCell<OwnedFd>,
    /// Requests that there was no room for in the queue: at most a few for each socket.
    backlog: VecDeque<squeue::Entry>,
    /// What the next calls are answered instead of being made.
    #[cfg(test)]
    pub(super) refusals: VecDeque<Errno>,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entered {
    Done,
    /// The kernel takes no requests at present, nor did it wait: it has no memory for them, or more completions than there
    /// is room for, which are to be taken first. The requests are still in the queue.
    Refused,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}

impl Ring {
    /// Asks the kernel for a ring.
    ///
    /// # Errors
    /// It has none, not all that is needed (Linux 6.1), or does not allow it (`io_uring_disabled`, a sandbox).
    pub(super) fn new() -> io::Result<Self> {
        Self::of(SUBMISSIONS, COMPLETIONS)
    }

    /// The same, with queues of these sizes.
    pub(super) fn of(submissions: u32, completions: u32) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_cqsize(completions)
            .setup_clamp()
            .setup_submit_all()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_r_disabled()
            .build(submissions)?;
        let has = ring.params();
        if !(has.is_feature_ext_arg() && has.is_feature_nodrop() && has.is_feature_skip_cqe_on_success()) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let ring = Self {
            ring,
            enabled: false,
            in_flight: 0,
            bell: OnceCell::new(),
            backlog: VecDeque::new(),
            #[cfg(test)]
            refusals: VecDeque::new(),
        };
        ring.probe()?;
        Ok(ring)
    }

    /// Looks whether the call by which all is done gets through: a sandbox may allow the others alone. It asks for nothing
    /// and comes to nothing, since the kernel sees that the ring is not enabled before it takes note of the thread.
    ///
    /// # Errors
    /// It does not.
    #[allow(unsafe_code, reason = "a call that asks for nothing is made of flags")]
    fn probe(&self) -> io::Result<()> {
        // SAFETY: without an argument there is nothing that the kernel would read or write.
        match unsafe { self.ring.submitter().enter::<u8>(0, 0, 0, None) } {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::BADFD) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.ring.submitter()
    }

    /// Queues a request, to be submitted by the next wait.
    pub(super) fn push(&mut self, request: squeue::Entry, purpose: Purpose, token: Token) {
        let request = request.user_data(purpose.of(token));
        self.in_flight += usize::from(purpose != Purpose::Cancel);
        self.backlog.push_back(request);
        self.queue();
    }

    /// Moves requests from the backlog to the queue, as far as there is room.
    #[allow(unsafe_code, reason = "the kernel reads and writes what requests point to")]
    fn queue(&mut self) {
        let mut submission = self.ring.submission();
        while let Some(request) = self.backlog.front() {
            // SAFETY: what the request points to lives until its completion: received bytes go to `Buffers`, which the driver
            // gives up only when nothing is in flight; sent ones belong to a `Flight`, which is kept until then.
            if unsafe { submission.push(request) }.is_err() {
                return;
            }
            self.backlog.pop_front();
        }
    }

    /// Submits until nothing waits for room in the queue. False: the kernel takes nothing at present.
    fn empty_backlog(&mut self) -> io::Result<bool> {
        while !self.backlog.is_empty() {
            if self.enter(Some(Duration::ZERO))? == Entered::Refused {
                return Ok(false);
            }
            self.queue();
        }
        Ok(true)
    }

    /// Asks the kernel to end the requests of that purpose early. It tells so by their completions.
    pub(super) fn cancel(&mut self, purpose: Purpose, token: Token) {
        let request = opcode::AsyncCancel2::new(CancelBuilder::user_data(purpose.of(token)).all()).build();
        // When it was too late there is a completion, which nobody needs.
        self.push(request.flags(squeue::Flags::SKIP_SUCCESS), Purpose::Cancel, token);
    }

    /// Submits what was queued; waits until there is a completion or the time has come. None: without end.
    pub(super) fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(bell) = self.bell.get() {
            // Nothing has rung, or it is what this call fetches, which rings again.
            let _ = rustix::io::read(bell, &mut [0; 8]);
        }
        let refused = !self.empty_backlog()? || self.enter(timeout)? == Entered::Refused;
        if refused && self.waiting() == 0 {
            // To ask at once would take all of the processor, and give the kernel no memory.
            thread::sleep(timeout.map_or(REST, |timeout| timeout.min(REST)));
        }
        Ok(())
    }

    /// Submits what was queued, if anything was.
    pub(super) fn submit(&mut self) -> io::Result<()> {
        if self.empty_backlog()? && !self.ring.submission().is_empty() {
            // What is refused now is asked for again by the next call.
            self.enter(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Tells the kernel to look, and to do what has become of requests: without a time it waits for a completion.
    #[allow(unsafe_code, reason = "a call that waits for nothing is made of flags")]
    fn enter(&mut self, timeout: Option<Duration>) -> io::Result<Entered> {
        #[cfg(test)]
        if self.refusals.pop_front().is_some_and(is_refusal) {
            return Ok(Entered::Refused);
        }
        if !self.enabled {
            self.ring.submitter().register_enable_rings()?;
            self.enabled = true;
        }
        let queued = self.ring.submission().len() as u32;
        let submitter = self.ring.submitter();
        let entered = match timeout {
            None => submitter.submit_and_wait(1),
            // SAFETY: without an argument there is nothing that the kernel would read or write.
            Some(Duration::ZERO) => unsafe { submitter.enter::<u8>(queued, 0, GET_EVENTS, None) },
            Some(timeout) => {
                let timespec = Timespec::from(timeout);
                submitter.submit_with_args(1, &SubmitArgs::new().timespec(&timespec))
            }
        };
        match entered {
            Ok(_) => Ok(Entered::Done),
            Err(error) => match Errno::from_io_error(&error) {
                // The time is over; a signal.
                Some(Errno::TIME | Errno::INTR) => Ok(Entered::Done),
                Some(errno) if is_refusal(errno) => Ok(Entered::Refused),
                _ => Err(error),
            },
        }
    }

    /// The next completion.
    pub(super) fn next(&mut self) -> Option<Completion> {
        loop {
            let entry = self.ring.completion().next()?;
            let Some((purpose, token)) = Purpose::from(entry.user_data()) else { continue };
            let errno = || Errno::from_raw_os_error(entry.result().wrapping_neg());
            let result = u32::try_from(entry.result()).map_err(|_| errno());
            let completion = Completion { purpose, token, result, flags: entry.flags() };
            if purpose != Purpose::Cancel {
                self.in_flight -= usize::from(!completion.goes_on());
                return Some(completion);
            }
        }
    }

    /// How many completions are there already.
    pub(super) fn waiting(&mut self) -> usize {
        self.ring.completion().len()
    }

    /// Ends all requests, and waits until the kernel has given everything back. False: it has not. What still comes is
    /// handed to `late`.
    pub(super) fn end(&mut self, mut late: impl FnMut(Completion)) -> bool {
        let until = Instant::now() + END;
        self.drain(&mut late);
        while self.in_flight > 0 && Instant::now() < until {
            if self.backlog.is_empty() {
                let all = opcode::AsyncCancel2::new(CancelBuilder::any().all()).build();
                self.push(all, Purpose::Cancel, NOBODY);
            }
            if self.wait(Some(Instant::now() + ROUND)).is_err() {
                break;
            }
            self.drain(&mut late);
        }
        self.in_flight == 0
    }

    fn drain(&mut self, late: &mut impl FnMut(Completion)) {
        while let Some(completion) = self.next() {
            late(completion);
        }
    }

    /// Readable while there is something for [`Ring::wait`]. The ring's own descriptor is readable then as well, but who
    /// sleeps on it is not woken by what the kernel leaves for the next call to do.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        if self.bell.get().is_none() {
            let bell = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?;
            self.ring.submitter().register_eventfd(bell.as_raw_fd()).ok()?;
            let _ = self.bell.set(bell);
        }
        self.bell.get().map(AsFd::as_fd)
    }
}

/// The kernel is asked in vain only for now.
fn is_refusal(errno: Errno) -> bool {
    matches!(errno, Errno::BUSY | Errno::AGAIN | Errno::NOMEM | Errno::NOBUFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel may answer to a call that it takes nothing from.
    const REFUSALS: [Errno; 4] = [Errno::BUSY, Errno::AGAIN, Errno::NOMEM, Errno::NOBUFS];

    /// Far smaller than what is asked of it. None where there is no io_uring, which other tests say.
    fn small() -> Option<Ring> {
        Ring::of(4, 8).ok()
    }

    fn push(ring: &mut Ring, number: u32) {
        ring.push(opcode::Nop::new().build(), Purpose::Room, Token { index: number, generation: 0 });
    }

    #[test]
    fn what_the_kernel_refuses_waits_and_none_of_it_is_lost() {
        const COUNT: u32 = 300;
        let Some(mut ring) = small() else { return };
        let (mut came, mut asked) = (Vec::new(), 0);
        while came.len() < COUNT as usize {
            let goal = (asked + 50).min(COUNT);
            (asked..goal).for_each(|number| push(&mut ring, number));
            asked = goal;
            for errno in REFUSALS {
                ring.refusals.extend([errno, errno]);
                ring.wait(None).unwrap();
                assert_eq!(ring.refusals.len(), 1, "{errno}: it was asked again at once");
                ring.submit().unwrap();
                ring.refusals.clear();
                while let Some(completion) = ring.next() {
                    came.push(completion.token.index);
                }
            }
            while ring.waiting() == 0 && ring.in_flight > 0 {
                ring.wait(None).unwrap();
            }
        }
        assert!(came.into_iter().eq(0..COUNT), "in order, and each once");
        assert_eq!((ring.in_flight, ring.backlog.len()), (0, 0));
    }

    #[test]
    fn a_ring_that_ends_while_the_kernel_refuses_asks_now_and_then() {
        let Some(mut ring) = small() else { return };
        (0..20).for_each(|number| push(&mut ring, number));
        ring.refusals.extend(REFUSALS.into_iter().cycle().take(5));
        let mut late = 0;
        assert!(ring.end(|_| late += 1));
        assert_eq!((late, ring.refusals.len(), ring.backlog.len()), (20, 0, 0));
        push(&mut ring, 0);
        // Without end: it gives up.
        ring.refusals.extend(REFUSALS.into_iter().cycle().take(100_000));
        assert!(!ring.end(|_| ()));
        let asked = 100_000 - ring.refusals.len();
        assert!(asked as u128 <= 2 * END.as_millis() / ROUND.as_millis(), "{asked} times");
        assert!(ring.backlog.len() < 2, "it asks for the same over and over");
    }
}
