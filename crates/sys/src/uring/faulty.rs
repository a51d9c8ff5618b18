//! [`Ring`]: the real one, between which and the driver seeded faults are put, for tests.
//!
//! Whatever is told here could be: a request that is refused was never made, one that is cut short asks for less, one that
//! is cancelled is cancelled by the kernel. Completions wait and overtake each other as those of different requests may;
//! those of one request stay in order, and so do received pieces, in which the buffers are counted.

use super::ring::{self, Completion, NOBODY, Purpose};
use io_uring::{Submitter, opcode, squeue};
use rustix::io::Errno;
use std::{io, os::fd::BorrowedFd, ptr, time::Instant};
use trenza_core::driver::Token;

/// A group of buffers in which there never is one.
const EMPTY_GROUP: u16 = 2;
/// How many waits a completion is held back at the most.
const HELD_MAX: usize = 4;
/// The most bytes of a send that is cut short.
const SHORT_MAX: usize = 2000;

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A call that waits or submits is interrupted before it has done anything.
    Interrupted,
    /// A call that waits or submits is refused: the kernel has no memory, or too many completions.
    Refused,
    /// A receive finds no buffer.
    Dry,
    /// A request is cancelled, although nobody has asked for it.
    Cancelled,
    /// A send is given less than it should.
    Short,
    /// A request to receive or accept has one completion instead of many.
    Single,
    /// There is no memory for a request.
    NoMemory,
    /// A request is to be tried again.
    Again,
    /// There is no descriptor for a connection.
    NoDescriptor,
    /// A completion is held back for some waits, and others overtake it.
    Late,
}

/// How many kinds there are.
const KINDS: usize = Fault::Late as usize + 1;

/// How often each fault happens: once in so many times, or never (0).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults([usize; KINDS]);

impl Faults {
    /// Each now and then.
    pub(super) fn all() -> Self {
        let all = [
            (Fault::Interrupted, 5),
            (Fault::Refused, 20),
            (Fault::Dry, 9),
            (Fault::Cancelled, 9),
            (Fault::Short, 3),
            (Fault::Single, 4),
            (Fault::NoMemory, 9),
            (Fault::Again, 9),
            (Fault::NoDescriptor, 9),
            (Fault::Late, 5),
        ];
        all.into_iter().fold(Self::default(), |all, (fault, once_in)| all.with(fault, once_in))
    }

    /// Whether this one happens now and then.
    pub(super) fn is_on(&self, fault: Fault) -> bool {
        self.0.get(fault as usize).is_some_and(|once_in| *once_in > 0)
    }

    /// The same, and one more.
    pub(super) fn with(mut self, fault: Fault, once_in: usize) -> Self {
        if let Some(place) = self.0.get_mut(fault as usize) {
            *place = once_in;
        }
        self
    }
}

/// The dice that a seed stands for.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to `below - 1`; 0 when `below` is 0.
    pub(super) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(below as u64).unwrap_or(0) as usize
    }

    /// True once in so many times; never with 0.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        times > 0 && self.below(times) == 0
    }
}

/// A completion that the driver has not seen.
#[derive(Debug)]
struct Held {
    completion: Completion,
    waits: usize,
}

/// What has happened so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    faults: [usize; KINDS],
    /// Sends that the kernel was asked for.
    pub(super) sends: usize,
    /// Receives that found no buffer.
    pub(super) dry: usize,
    /// Pieces that were received, and buffers that the kernel was done with.
    pub(super) pieces: usize,
    pub(super) buffers: usize,
    /// Datagrams that were received, each in a buffer of its own.
    pub(super) datagrams: usize,
}

impl Counts {
    pub(super) fn of(&self, fault: Fault) -> usize {
        self.faults.get(fault as usize).copied().unwrap_or(0)
    }
}

/// The ring, with faults.
#[derive(Debug)]
pub(super) struct Ring {
    ring: ring::Ring,
    pub(super) faults: Faults,
    dice: Dice,
    held: Vec<Held>,
    pub(super) counts: Counts,
    /// Received pieces overtake each other, too.
    pub(super) whole_buffers: bool,
}

impl Ring {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self::with(ring::Ring::new()?, Faults::default(), 0))
    }

    /// Puts faults before a ring.
    pub(super) fn with(ring: ring::Ring, faults: Faults, seed: u64) -> Self {
        let (held, counts, whole_buffers) = (Vec::new(), Counts::default(), false);
        Self { ring, faults, dice: Dice::new(seed), held, counts, whole_buffers }
    }

    /// Does this go wrong now?
    fn strikes(&mut self, fault: Fault) -> bool {
        let (Some(once_in), Some(count)) =
            (self.faults.0.get(fault as usize), self.counts.faults.get_mut(fault as usize))
        else {
            return false;
        };
        let strikes = *once_in > 0 && self.dice.below(*once_in) == 0;
        *count += usize::from(strikes);
        strikes
    }

    /// How many requests will still have a completion, or have one that the driver has not seen.
    pub(super) fn in_flight(&self) -> usize {
        self.ring.in_flight + self.held.len()
    }

    pub(super) fn submitter(&self) -> Submitter<'_> {
        self.ring.submitter()
    }

    pub(super) fn push(&mut self, mut request: squeue::Entry, purpose: Purpose, token: Token) {
        if let Some(errno) = self.refusal(purpose) {
            let completion = Completion { purpose, token, result: Err(errno), flags: 0 };
            return self.held.push(Held { completion, waits: self.dice.below(2) });
        }
        let many = matches!(purpose, Purpose::Receive | Purpose::Accept);
        if many && self.strikes(Fault::Single) {
            raw(&mut request).priority = 0;
        }
        if matches!(purpose, Purpose::Receive | Purpose::Datagram) && self.strikes(Fault::Dry) {
            raw(&mut request).group = EMPTY_GROUP;
        }
        if purpose == Purpose::Send && self.strikes(Fault::Short) {
            raw(&mut request).shorten(1 + self.dice.below(SHORT_MAX));
        }
        self.counts.sends += usize::from(purpose == Purpose::Send);
        self.ring.push(request, purpose, token);
        if token != NOBODY && self.strikes(Fault::Cancelled) {
            self.ring.cancel(purpose, token);
        }
    }

    /// How a request goes wrong that the kernel never sees.
    fn refusal(&mut self, purpose: Purpose) -> Option<Errno> {
        if purpose == Purpose::Accept && self.strikes(Fault::NoDescriptor) {
            return Some(Errno::MFILE);
        }
        let (no_memory, again): (&[Errno], &[Errno]) = match purpose {
            Purpose::Accept => {
                (&[Errno::NOMEM, Errno::NOBUFS], &[Errno::INTR, Errno::AGAIN, Errno::CONNABORTED])
            }
            Purpose::Receive | Purpose::Datagram | Purpose::Bytes | Purpose::Room => {
                (&[Errno::NOMEM], &[Errno::INTR, Errno::AGAIN])
            }
            Purpose::Send => (&[Errno::NOMEM, Errno::NOBUFS], &[Errno::INTR, Errno::AGAIN]),
            Purpose::Rest | Purpose::Cancel => return None,
        };
        let errors = match () {
            () if self.strikes(Fault::NoMemory) => no_memory,
            () if self.strikes(Fault::Again) => again,
            () => return None,
        };
        errors.get(self.dice.below(errors.len())).copied()
    }

    pub(super) fn cancel(&mut self, purpose: Purpose, token: Token) {
        self.ring.cancel(purpose, token);
    }

    pub(super) fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.held.iter_mut().for_each(|held| held.waits = held.waits.saturating_sub(1));
        if self.strikes(Fault::Interrupted) {
            return Ok(());
        }
        self.refuse();
        // What is held back would have ended the wait.
        self.ring.wait(if self.held.is_empty() { until } else { Some(Instant::now()) })
    }

    pub(super) fn submit(&mut self) -> io::Result<()> {
        if self.strikes(Fault::Interrupted) {
            return Ok(());
        }
        self.refuse();
        self.ring.submit()
    }

    /// Has the kernel refuse the next call, now and then.
    fn refuse(&mut self) {
        if self.strikes(Fault::Refused) {
            let errors = [Errno::BUSY, Errno::AGAIN, Errno::NOMEM];
            self.ring.refusals.extend(errors.get(self.dice.below(errors.len())));
        }
    }

    /// Takes over what the kernel has told.
    fn collect(&mut self) {
        while self.ring.waiting() > 0 {
            // Some are nobody's.
            let Some(completion) = self.ring.next() else { return };
            let receives = matches!(completion.purpose, Purpose::Receive | Purpose::Datagram);
            self.counts.dry += usize::from(receives && completion.result == Err(Errno::NOBUFS));
            match (completion.buffer(), completion.purpose) {
                (None, _) => {}
                (Some(_), Purpose::Datagram) => self.counts.datagrams += 1,
                (Some(_), _) => {
                    self.counts.pieces += 1;
                    self.counts.buffers += usize::from(self.whole_buffers || !completion.keeps_buffer());
                }
            }
            let waits = if self.strikes(Fault::Late) { 1 + self.dice.below(HELD_MAX) } else { 0 };
            self.held.push(Held { completion, waits });
        }
    }

    /// Those that may be told now, by their place: none whose turn is after one that is still held back.
    fn ready(&self) -> Vec<usize> {
        let ordered = |one: &Completion, other: &Completion| {
            let same = one.purpose == other.purpose && one.token == other.token;
            let is_piece = |it: &Completion| it.purpose == Purpose::Receive && it.buffer().is_some();
            let pieces = is_piece(one) && is_piece(other);
            same || pieces && !self.whole_buffers
        };
        let is_free = |place: &usize| {
            let Some((held, before)) = self.held.get(..=*place).and_then(<[_]>::split_last) else {
                return false;
            };
            held.waits == 0 && !before.iter().any(|other| ordered(&other.completion, &held.completion))
        };
        (0..self.held.len()).filter(is_free).collect()
    }

    pub(super) fn next(&mut self) -> Option<Completion> {
        self.collect();
        let ready = self.ready();
        let choice = if self.faults.is_on(Fault::Late) { self.dice.below(ready.len()) } else { 0 };
        ready.get(choice).map(|place| self.held.remove(*place).completion)
    }

    pub(super) fn waiting(&mut self) -> usize {
        self.collect();
        self.ready().len()
    }

    pub(super) fn end(&mut self, mut late: impl FnMut(Completion)) -> bool {
        self.held.drain(..).for_each(|held| late(held.completion));
        self.ring.end(late)
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.ring.descriptor()
    }
}

/// A request as the kernel sees it, as far as faults need it.
#[repr(C)]
struct Raw {
    code: u8,
    flags: u8,
    /// Of requests for sockets: what there may be many completions of.
    priority: u16,
    descriptor: i32,
    offset: u64,
    address: u64,
    len: u32,
    operation: u32,
    number: u64,
    group: u16,
    rest: [u8; 22],
}

#[allow(unsafe_code, reason = "the crate does not show what is in a request")]
fn raw(request: &mut squeue::Entry) -> &mut Raw {
    const { assert!(size_of::<Raw>() == size_of::<squeue::Entry>()) };
    // SAFETY: this is how the kernel has the 64 bytes of a request, which any bits are good for.
    unsafe { &mut *ptr::from_mut(request).cast::<Raw>() }
}

impl Raw {
    /// Has the kernel send at most so many bytes, or of many pieces the first few.
    #[allow(unsafe_code, reason = "the pieces are behind a pointer")]
    fn shorten(&mut self, most: usize) {
        if self.code == opcode::Send::CODE {
            self.len = self.len.min(most as u32);
            return;
        }
        // SAFETY: it is the header of the flight that the request is for, which nobody uses until it is asked for again.
        let head = unsafe { &mut *(self.address as *mut libc::msghdr) };
        head.msg_iovlen = head.msg_iovlen.div_ceil(2);
    }
}
