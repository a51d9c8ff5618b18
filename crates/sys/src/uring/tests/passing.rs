//! UNIX streams that carry bytes and descriptors both ways, under each fault, and under all of them.

use super::{
    super::{
        UringDriver,
        faulty::{Counts, Dice, Fault, Faults},
    },
    DEADLINE, Mode, Parts, assert_nothing_is_left,
    peer::{are_right, bytes},
};
use crate::carried;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    collections::{BTreeMap, VecDeque},
    io::{ErrorKind, PipeReader, Read, pipe},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::{Duration, Instant},
};
use trenza_core::{
    UnixAddr,
    driver::{Bind, Close, Driver, Ends, Event, Open, Token},
};
use trenza_wire::OutBuf;

const SEEDS: u64 = 6;
/// How many connections there are, and how much happens before all is brought to an end.
const PEERS: usize = 16;
const STEPS: usize = 1500;
/// What a peer sends or reads at once.
const PIECES: [usize; 5] = [1, 100, 5000, 70_000, 150_000];
/// How much a connection owes its peer before it is not read.
const OWED_MAX: usize = 200_000;
/// How many descriptors are under way: the tests of a process share what it may have.
const UNDER_WAY: usize = 30;

/// Which pipe that is an end of.
fn number(descriptor: impl AsFd) -> u64 {
    rustix::fs::fstat(descriptor).unwrap().st_ino
}

/// Whether nobody has the other end any more, or soon.
fn is_closed(end: &PipeReader, patience: Duration) -> bool {
    let patience = Timespec::try_from(patience).unwrap();
    poll(&mut [PollFd::new(end, PollFlags::IN)], Some(&patience)).unwrap() == 1
}

/// Nobody has the other end any more. The system may close what was on its way a little later.
fn assert_closed(end: &mut PipeReader) {
    assert!(is_closed(end, DEADLINE), "it is still open");
    assert_eq!(end.read(&mut [0]).unwrap(), 0);
}

/// Descriptors that came, and those that are to come, each with the place of its byte in the stream.
#[derive(Debug, Default)]
struct Places {
    expected: VecDeque<(usize, u64)>,
}

impl Places {
    /// One came behind so many bytes: the next, and not later than its byte.
    fn came(&mut self, descriptor: impl AsFd, before: usize) {
        let (place, expected) = self.expected.pop_front().unwrap();
        assert!(number(descriptor) == expected && before <= place, "{before} {place}");
    }

    /// So many bytes have come: none of theirs without its descriptors.
    fn passed(&self, bytes: usize) {
        assert!(self.expected.front().is_none_or(|(place, _)| *place >= bytes), "one is missing: {self:?}");
    }
}

/// The far end of a connection: what it sends comes back.
struct Far {
    socket: Option<UnixStream>,
    out: OutBuf,
    written: usize,
    got: usize,
    /// What is to come to the driver, and back from it.
    there: Places,
    back: Places,
    has_shut: bool,
    /// Ours or the driver's side has ended it early.
    is_cut: bool,
}

/// The driver's end.
#[derive(Default)]
struct Near {
    out: OutBuf,
    got: usize,
    owed: bool,
    paused: bool,
    reads: bool,
    /// It has received since the last wait.
    has_received: bool,
    ended: bool,
    /// Which far end it is of: the first four bytes tell.
    far: usize,
}

struct Passing {
    driver: UringDriver,
    dice: Dice,
    path: tempfile::TempDir,
    fars: Vec<Far>,
    nears: BTreeMap<(u32, u32), (Token, Near)>,
    /// The other end of each descriptor: it ends when nobody has that any more.
    ends: Vec<PipeReader>,
    scratch: Vec<u8>,
    until: Instant,
}

impl Passing {
    fn run(test: &str, parts: Parts) -> Option<Counts> {
        let driver = parts.driver(test)?;
        let path = tempfile::tempdir().unwrap();
        let (fars, nears, ends, scratch) = (Vec::new(), BTreeMap::new(), Vec::new(), vec![0; 200_000]);
        let (dice, until) = (Dice::new(parts.seed), Instant::now() + DEADLINE);
        Some(Self { driver, dice, path, fars, nears, ends, scratch, until }.all())
    }

    fn all(mut self) -> Counts {
        let socket = self.path.path().join("s");
        let (addr, mode) = (UnixAddr::path(&socket).into(), None);
        let bound = self.driver.host().bind(&Bind { addr, dual_stack: false, mode, backlog: 64 }).unwrap();
        let listener = self.driver.open(Open::Listen(bound)).unwrap();
        self.driver.read(listener, true);
        for _ in 0..STEPS {
            assert!(Instant::now() < self.until, "it takes too long");
            self.step(&socket);
            self.drive(listener, Duration::ZERO);
        }
        while self.fars.iter().any(|far| far.socket.is_some()) {
            assert!(Instant::now() < self.until, "it hangs");
            self.bring_to_an_end();
            self.drive(listener, Duration::from_millis(1));
        }
        self.driver.close(listener, Close::Graceful);
        assert!(!socket.exists(), "its file is left");
        for (token, _) in std::mem::take(&mut self.nears).into_values() {
            self.driver.close(token, Close::Graceful);
        }
        self.driver.ring.faults = Faults::default();
        while self.driver.streams.values_mut().count() > 0 || self.driver.ring.in_flight() > 1 {
            assert!(Instant::now() < self.until, "it hangs");
            self.drive(listener, Duration::from_millis(1));
        }
        assert_nothing_is_left(&mut self.driver);
        assert!(self.fars.iter().any(|far| !far.is_cut && far.got > 0), "nothing has come back");
        self.fars.clear();
        self.ends.iter_mut().for_each(assert_closed);
        self.driver.ring.counts
    }

    /// One of the things that may happen.
    fn step(&mut self, to: &Path) {
        let which = self.dice.below(self.fars.len());
        let piece = PIECES.get(self.dice.below(PIECES.len())).copied().unwrap_or(1);
        match self.dice.below(40) {
            0..3 => self.come(to),
            3..16 => self.write(which, piece),
            16..30 => drop(self.read(which, piece)),
            30 => self.shut(which),
            31 if piece == 1 && self.dice.once_in(4) => self.leave(which),
            32..37 => self.act(),
            _ => {}
        }
    }

    /// There is one more connection: accepted or adopted.
    fn come(&mut self, to: &Path) {
        if self.fars.len() >= PEERS {
            return;
        }
        let socket = match self.dice.once_in(3) {
            true => {
                let (near, far) = UnixStream::pair().unwrap();
                let token = self.driver.open(Open::Adopt(Ends::one(near))).unwrap();
                self.serve(token);
                far
            }
            false => UnixStream::connect(to).unwrap(),
        };
        socket.set_nonblocking(true).unwrap();
        let (there, back) = (Places::default(), Places::default());
        let mut out = OutBuf::new();
        out.push_slice(&(self.fars.len() as u32).to_ne_bytes());
        let (written, got, has_shut, is_cut) = (0, 0, false, false);
        let far = Far { socket: Some(socket), out, written, got, there, back, has_shut, is_cut };
        self.fars.push(far);
    }

    fn serve(&mut self, token: Token) {
        let near = Near { far: usize::MAX, reads: true, ..Near::default() };
        self.nears.insert((token.index, token.generation), (token, near));
        self.driver.read(token, true);
    }

    /// A peer sends, and with the bytes some descriptors.
    fn write(&mut self, which: usize, piece: usize) {
        let Some(far) = self.fars.get_mut(which).filter(|far| !far.has_shut) else { return };
        let Some(socket) = &far.socket else { return };
        if far.out.len() < OWED_MAX {
            self.ends.retain(|end| !is_closed(end, Duration::ZERO));
            let most = UNDER_WAY.saturating_sub(self.ends.len());
            for _ in 0..self.dice.below(4).saturating_sub(1).min(most) {
                let (end, descriptor) = pipe().unwrap();
                let descriptor = OwnedFd::from(descriptor);
                let place = (far.written, number(&descriptor));
                far.there.expected.push_back(place);
                far.back.expected.push_back(place);
                far.out.push_descriptor(descriptor);
                self.ends.push(end);
            }
            far.out.push_slice(bytes(which as u32, far.written, piece));
            far.written += piece;
        }
        match carried::send(socket.as_fd(), &mut far.out, &mut self.scratch) {
            Ok((_, taken)) => far.out.advance(taken),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => {
                assert!(far.is_cut, "{error}");
                far.socket = None;
            }
        }
    }

    /// A peer reads up to so many bytes; true when something happened.
    fn read(&mut self, which: usize, most: usize) -> bool {
        let Some(far) = self.fars.get_mut(which) else { return false };
        let Some(socket) = &far.socket else { return false };
        let (mut came, room) = (Vec::new(), self.scratch.get_mut(..most).unwrap());
        match carried::receive(socket.as_fd(), room, &mut came) {
            Ok(None) => return false,
            Ok(Some(0)) => {
                assert!(far.is_cut || far.got == far.written && far.has_shut, "something is missing");
                assert!(far.is_cut || far.back.expected.is_empty(), "descriptors are missing");
                far.socket = None;
            }
            Ok(Some(got)) => {
                came.iter().for_each(|descriptor| far.back.came(descriptor, far.got));
                assert!(are_right(which as u32, far.got, room.get(..got).unwrap()), "wrong bytes");
                far.got += got;
                far.back.passed(far.got);
            }
            Err(error) => {
                assert!(far.is_cut, "{error}");
                far.socket = None;
            }
        }
        true
    }

    fn shut(&mut self, which: usize) {
        let Some(far) = self.fars.get_mut(which).filter(|far| far.out.is_empty()) else { return };
        far.has_shut = true;
        if let Some(socket) = &far.socket {
            // It fails after the end.
            let _ = socket.shutdown(std::net::Shutdown::Write);
        }
    }

    fn leave(&mut self, which: usize) {
        let Some(far) = self.fars.get_mut(which) else { return };
        (far.is_cut, far.socket) = (true, None);
        far.out = OutBuf::new();
    }

    /// The driver's side pauses, goes on, or aborts.
    fn act(&mut self) {
        let place = self.dice.below(self.nears.len());
        let Some((token, near)) = self.nears.values_mut().nth(place) else { return };
        let token = *token;
        match self.dice.below(64) {
            0 if near.far != usize::MAX => {
                let far = near.far;
                self.end(token, Close::Abort, far);
            }
            1..30 => {
                (near.paused, near.reads) = (true, false);
                self.driver.read(token, false);
            }
            _ => {
                near.paused = false;
                self.flush(token);
            }
        }
    }

    fn end(&mut self, token: Token, how: Close, far: usize) {
        if let Some(far) = self.fars.get_mut(far) {
            far.is_cut |= how == Close::Abort;
        }
        self.driver.close(token, how);
        self.nears.remove(&(token.index, token.generation));
    }

    /// All stop sending and read what is left.
    fn bring_to_an_end(&mut self) {
        let tokens: Vec<Token> = self.nears.values().map(|(token, _)| *token).collect();
        for token in tokens {
            if let Some((_, near)) = self.nears.get_mut(&(token.index, token.generation)) {
                near.paused = false;
                self.flush(token);
            }
        }
        for which in 0..self.fars.len() {
            match self.fars.get(which).is_some_and(|far| far.out.is_empty()) {
                true => self.shut(which),
                false => self.write(which, 1),
            }
            self.read(which, 150_000);
        }
    }

    fn drive(&mut self, listener: Token, most: Duration) {
        self.driver.wait(Some(Instant::now() + most)).unwrap();
        let mut flush = Vec::new();
        while let Some(event) = self.driver.next() {
            match event {
                Event::Accepted { new, remote, .. } => {
                    assert_eq!(remote.unix(), Some(&UnixAddr::Unnamed));
                    flush.push((new, true));
                }
                Event::Descriptor { token, descriptor } => {
                    let near = known(&mut self.nears, token);
                    assert!(near.reads && !near.has_received, "it was not asked for");
                    if let Some(far) = self.fars.get_mut(near.far) {
                        far.there.came(&descriptor, near.got);
                    }
                    near.out.push_descriptor(descriptor);
                }
                Event::Received { token, mut data } => {
                    let near = known(&mut self.nears, token);
                    assert!(near.reads && !near.has_received, "it was not asked for");
                    near.has_received = true;
                    if near.far == usize::MAX {
                        let (head, rest) = data.split_first_chunk_mut::<4>().unwrap();
                        (near.far, data) = (u32::from_ne_bytes(*head) as usize, rest);
                        let far = self.fars.get_mut(near.far).unwrap();
                        // They came with the first bytes, before it was known whose those are.
                        near.out.first_descriptors().for_each(|descriptor| far.there.came(descriptor, 0));
                    }
                    assert!(are_right(near.far as u32, near.got, data), "wrong bytes came");
                    near.got += data.len();
                    self.fars.get(near.far).unwrap().there.passed(near.got);
                    near.out.push_slice(data);
                    flush.push((token, false));
                }
                Event::Eof { token } => {
                    known(&mut self.nears, token).ended = true;
                    flush.push((token, false));
                }
                Event::Sent { token, bytes } => {
                    let near = known(&mut self.nears, token);
                    assert!(near.owed, "nothing was owed");
                    near.out.landed(bytes);
                    near.owed = near.out.lent() > 0;
                    flush.push((token, false));
                }
                Event::Failed { token, .. } if token == listener => self.driver.read(listener, true),
                Event::Failed { token, error } => {
                    let far = known(&mut self.nears, token).far;
                    assert!(self.fars.get(far).is_none_or(|far| far.is_cut), "{error}");
                    self.end(token, Close::Abort, far);
                }
                other => panic!("{other:?}"),
            }
        }
        for (token, is_new) in flush {
            match is_new {
                true => self.serve(token),
                false => self.flush(token),
            }
        }
    }

    /// Sends what there is to be sent, reads if that is wanted, and ends what has ended.
    fn flush(&mut self, token: Token) {
        let Some((_, near)) = self.nears.get_mut(&(token.index, token.generation)) else { return };
        if !near.owed {
            self.driver.send(token, &mut near.out);
            near.owed = !near.out.is_empty();
        }
        near.has_received = false;
        near.reads = !near.paused && near.out.len() < OWED_MAX;
        self.driver.read(token, near.reads);
        if near.ended && near.out.is_empty() {
            let far = near.far;
            self.end(token, Close::Graceful, far);
        }
    }
}

/// Events are of connections that there are.
fn known(nears: &mut BTreeMap<(u32, u32), (Token, Near)>, token: Token) -> &mut Near {
    &mut nears.get_mut(&(token.index, token.generation)).unwrap().1
}

/// Runs with a fault that strikes once in so many times; 0: none is asked for.
fn tried(test: &str, fault: Fault, once_in: usize) {
    let parts = Parts::new((8, 256 * 1024), Mode::Incremental).with(fault, once_in);
    let mut strikes = 0;
    for seed in 0..SEEDS {
        let Some(counts) = Passing::run(test, Parts { seed, ..parts }) else { return };
        strikes += counts.of(fault);
    }
    assert!(strikes > 0 || once_in == 0, "it never struck");
}

#[test]
fn what_was_not_told_is_closed_with_its_connection_and_with_the_driver() {
    let test = "what_was_not_told_is_closed_with_its_connection_and_with_the_driver";
    for closes in [true, false] {
        let Some(mut driver) = Parts::new((8, 16 * 1024), Mode::Incremental).driver(test) else { return };
        let (near, far) = UnixStream::pair().unwrap();
        let token = driver.open(Open::Adopt(Ends::one(near))).unwrap();
        driver.read(token, true);
        let ((mut told_end, told), (mut end, untold)) = (pipe().unwrap(), pipe().unwrap());
        let mut out = OutBuf::new();
        out.push_descriptor(told.into());
        out.push_descriptor(untold.into());
        out.push_slice(b"both");
        assert_eq!(carried::send(far.as_fd(), &mut out, &mut []).unwrap(), (4, 4));
        driver.wait(Some(Instant::now() + DEADLINE)).unwrap();
        assert!(matches!(driver.next(), Some(Event::Descriptor { .. })));
        assert_closed(&mut told_end);
        if closes {
            driver.close(token, Close::Graceful);
            assert!(driver.next().is_none());
        } else {
            drop(driver);
        }
        assert_closed(&mut end);
    }
}

#[test]
fn descriptors_keep_their_places_without_faults() {
    tried("descriptors_keep_their_places_without_faults", Fault::Late, 0);
}

#[test]
fn descriptors_keep_their_places_when_calls_are_interrupted() {
    tried("descriptors_keep_their_places_when_calls_are_interrupted", Fault::Interrupted, 2);
}

#[test]
fn descriptors_keep_their_places_when_requests_are_cancelled() {
    tried("descriptors_keep_their_places_when_requests_are_cancelled", Fault::Cancelled, 2);
}

#[test]
fn descriptors_keep_their_places_when_sends_are_short() {
    tried("descriptors_keep_their_places_when_sends_are_short", Fault::Short, 2);
}

#[test]
fn descriptors_keep_their_places_when_requests_find_no_memory() {
    tried("descriptors_keep_their_places_when_requests_find_no_memory", Fault::NoMemory, 2);
}

#[test]
fn descriptors_keep_their_places_when_requests_are_to_be_tried_again() {
    tried("descriptors_keep_their_places_when_requests_are_to_be_tried_again", Fault::Again, 2);
}

#[test]
fn descriptors_keep_their_places_when_completions_are_late() {
    tried("descriptors_keep_their_places_when_completions_are_late", Fault::Late, 2);
}

#[test]
fn descriptors_keep_their_places_under_all_faults() {
    for seed in 0..2 * SEEDS {
        // Who finds no descriptor costs a peer, which is not what is asked here.
        let faults = Faults::all().with(Fault::NoDescriptor, 0);
        let queues = if seed < SEEDS { (512, 4096) } else { (8, 16) };
        let parts = Parts { faults, queues, seed, ..Parts::new((8, 16 * 1024), Mode::Incremental) };
        Passing::run("descriptors_keep_their_places_under_all_faults", parts);
    }
}
