//! Links: the two ends of a connection and the segments between them.
//!
//! ```text
//!   side 2n (client)                          side 2n+1 (server)
//!   room ◀───────── Window(n) ─────────────── reads n bytes
//!   wire ── Syn, Data, Fin, Reset ──────────▶ segments
//! ```
//!
//! Each side keeps what it has sent in its `wire`, in order, until it arrives. A side may have as many bytes on
//! their way or unread at the far side as the far side's window allows: `room` says how many are left.

use crate::{
    canary::broken,
    rule::{Kind, Packet, Verdict},
    world::{Due, World},
};
use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use trenza_core::{Addr, UnixAddr};

/// The most ends of connections in a network, whether open or not quite gone.
pub const ENDS_MAX: usize = 1 << 17;

/// The size of a segment as far as window updates are concerned, in bytes.
const SEGMENT: usize = 1460;

/// One end of a connection. The other end's number differs in the lowest bit.
pub(crate) type End = u64;

pub(crate) fn far(end: End) -> End {
    end ^ 1
}

/// What a segment carries.
#[derive(Debug)]
pub(crate) enum Body {
    Syn,
    SynAck,
    Data(Vec<u8>),
    /// It goes with the byte behind it.
    Descriptor(OwnedFd),
    Fin,
    /// The kind is what the receiver's program is told.
    Reset(io::ErrorKind),
    Window(usize),
}

impl Body {
    fn kind(&self) -> Kind {
        match self {
            Self::Syn => Kind::Connect,
            Self::SynAck => Kind::Accept,
            Self::Data(data) => Kind::Data(data.len()),
            Self::Descriptor(_) => Kind::Descriptor,
            Self::Fin => Kind::Fin,
            Self::Reset(_) => Kind::Reset,
            Self::Window(n) => Kind::Window(*n),
        }
    }
}

/// Who is told what happens at an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It was closed, or not accepted so far; what comes for it is answered with a reset.
    Nobody,
    /// A listener, until somebody accepts it.
    Backlog,
    /// Whoever opens it: what comes waits.
    Loose,
    /// A slot of its host's driver.
    Slot(u32),
    /// A script without an engine.
    Probe,
}

/// One end's half of a connection.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) host: usize,
    pub(crate) addr: Addr,
    pub(crate) owner: Owner,
    /// Bytes go one way only, to the end with the odd number, and closing early loses nothing but the reader's rest.
    pub(crate) pipe: bool,
    /// The handshake is done.
    pub(crate) open: bool,
    /// A reset came or was sent: nothing more is sent.
    pub(crate) broken: Option<io::ErrorKind>,
    pub(crate) got_fin: bool,
    pub(crate) sent_fin: bool,
    /// How many bytes the far side still has room for.
    pub(crate) room: usize,
    /// What has arrived and was not read.
    segments: VecDeque<VecDeque<u8>>,
    /// Descriptors that have arrived, each with the number of bytes before it.
    descriptors: VecDeque<(u64, OwnedFd)>,
    /// How many bytes have arrived, and how many were read.
    arrived: u64,
    read: u64,
    window: usize,
    /// How many bytes the window has shrunk by that were promised before.
    debt: usize,
    /// How many bytes were read whose room the far side was not told of: see [`Side::worth_telling`].
    untold: usize,
    wire: VecDeque<Body>,
    last_due: Duration,
    /// A rule dropped a segment: nothing arrives any more.
    black_hole: bool,
    /// How many segments were due and wait for the end of an outage.
    pub(crate) held_back: usize,
    /// Its host has crashed, and nobody at the far end has heard of it.
    pub(crate) forgotten: bool,
}

impl Side {
    fn new(host: usize, addr: Addr, window: usize, room: usize) -> Self {
        Self {
            host,
            addr,
            owner: Owner::Nobody,
            pipe: false,
            open: false,
            broken: None,
            got_fin: false,
            sent_fin: false,
            room,
            segments: VecDeque::new(),
            descriptors: VecDeque::new(),
            arrived: 0,
            read: 0,
            window,
            debt: 0,
            untold: 0,
            wire: VecDeque::new(),
            last_due: Duration::ZERO,
            black_hole: false,
            held_back: 0,
            forgotten: false,
        }
    }

    /// Bytes that have arrived and were not read.
    pub(crate) fn unread(&self) -> usize {
        self.segments.iter().map(VecDeque::len).sum()
    }

    pub(crate) fn has_unread(&self) -> bool {
        !self.segments.is_empty()
    }

    /// How many bytes may be read before a descriptor has its turn.
    pub(crate) fn undivided(&self) -> usize {
        let next = self.descriptors.front().map(|(at, _)| at.saturating_sub(self.read));
        next.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// The size of the first segment that was not read.
    pub(crate) fn first_unread(&self) -> usize {
        self.segments.front().map_or(0, VecDeque::len)
    }

    pub(crate) fn drop_unread(&mut self) {
        self.segments.clear();
    }

    /// From how many read bytes on the far side is told that there is room again: without a least number, a few
    /// small reads would make all segments small for ever (RFC 9293, section 3.8.6.2.2).
    fn worth_telling(&self) -> usize {
        (self.window / 2).clamp(1, SEGMENT)
    }

    /// May it send at all?
    pub(crate) fn can_send(&self) -> bool {
        self.open && self.broken.is_none() && !self.sent_fin
    }
}

/// What no seed has decided, if that is broken on purpose: microseconds.
fn unsteady() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    if broken("forget-seed", 64) { CALLS.fetch_add(1, Ordering::Relaxed) % 7 } else { 0 }
}

impl World {
    /// Starts a connection from `host`. Nobody owns its end so far.
    ///
    /// # Errors
    /// `from` is not an address of this host, the host's ports are used up, or the network is full. Of a UNIX address:
    /// nobody listens there.
    pub(crate) fn connect(&mut self, host: usize, to: &Addr, from: Option<&Addr>) -> io::Result<End> {
        let from = match from {
            Some(Addr::Ip(from)) => Some(*from),
            Some(_) => return Err(io::ErrorKind::InvalidInput.into()),
            None => None,
        };
        let (source, target) = match to {
            Addr::Ip(to) => (self.source(host, to.ip(), from)?.into(), self.host_of(to.ip(), host)),
            Addr::Unix(_) if !self.listens(host, to) => return Err(io::ErrorKind::NotFound.into()),
            Addr::Unix(_) => (UnixAddr::Unnamed.into(), Some(host)),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let end = self.link(host, source, target.unwrap_or(host), to.clone(), target.is_some())?;
        match target {
            Some(_) => self.transmit(end, Body::Syn),
            // Where nobody is, a router says so, or a firewall says nothing.
            None if self.hostility.shuffle > 0.0 && self.dice.chance(0.5) => self.black_hole(end),
            None => self.enqueue(far(end), Body::Reset(io::ErrorKind::HostUnreachable), self.latency),
        }
        Ok(end)
    }

    /// Makes the two ends of a link, the first of which is given.
    fn link(&mut self, host: usize, source: Addr, to: usize, addr: Addr, known: bool) -> io::Result<End> {
        if self.sides.len() + 2 > ENDS_MAX {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let window = |host: usize| self.hosts.get(host).map_or(0, |machine| machine.window);
        let (near, distant) = (window(host), if known { window(to) } else { 0 });
        let end = self.id() * 2;
        self.sides.insert(end, Side::new(host, source, near, distant));
        self.sides.insert(far(end), Side::new(to, addr, distant, near));
        Ok(end)
    }

    /// Makes two ends within a host that are connected, and that nobody has opened so far. Of a pipe, the first is
    /// written and the other is read.
    ///
    /// # Errors
    /// The network is full.
    pub(crate) fn pair(&mut self, host: usize, name: &str, pipe: bool) -> io::Result<[End; 2]> {
        let addr = if pipe { Addr::named(name) } else { UnixAddr::Unnamed.into() };
        let end = self.link(host, addr.clone(), host, addr, true)?;
        for end in [end, far(end)] {
            if let Some(side) = self.sides.get_mut(&end) {
                (side.owner, side.open, side.pipe) = (Owner::Loose, true, pipe);
            }
        }
        Ok([end, far(end)])
    }

    fn source(&mut self, host: usize, to: IpAddr, from: Option<SocketAddr>) -> io::Result<SocketAddr> {
        let machine = self.hosts.get(host).ok_or(io::ErrorKind::NotFound)?;
        let own = match to.to_canonical() {
            ip if ip.is_loopback() => ip,
            IpAddr::V4(_) => machine.v4.into(),
            IpAddr::V6(_) => machine.v6.into(),
        };
        let ip = from.map(|from| from.ip().to_canonical()).filter(|ip| !ip.is_unspecified()).unwrap_or(own);
        if self.host_of(ip, host) != Some(host) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let port = match from.map_or(0, |from| from.port()) {
            0 => self.free_port(host).ok_or(io::ErrorKind::AddrNotAvailable)?,
            port => port,
        };
        Ok(SocketAddr::new(ip, port))
    }

    /// Sends a segment from an end; rules decide what becomes of it.
    pub(crate) fn transmit(&mut self, from: End, body: Body) {
        let (Some(near), Some(distant)) = (self.sides.get(&from), self.sides.get(&far(from))) else { return };
        let (one, other) = (self.name(near.host), self.name(distant.host));
        let (source, destination, kind) = (near.addr.clone(), distant.addr.clone(), body.kind());
        let (near_host, far_host) = (near.host, distant.host);
        let travel = self.latency_between(near_host, far_host);
        let packet = Packet { from: &one, to: &other, source: &source, destination: &destination, kind };
        let verdict = if near.black_hole {
            Verdict::Drop
        } else {
            self.rules.judge(Verdict::Pass, |judge| judge(&packet))
        };
        match verdict {
            Verdict::Pass => self.note(format_args!("{one} {source} > {other} {destination} {kind:?}")),
            _ => self.note(format_args!("{one} {source} > {other} {destination} {kind:?} {verdict:?}")),
        }
        let jitter = self.dice.below(self.hostility.jitter.as_micros() as usize + 1);
        let travel = travel + Duration::from_micros(jitter as u64 + unsteady());
        let size = if let Kind::Data(size) = kind { size } else { 0 };
        let travel = travel + self.queueing(near_host, far_host, size);
        match verdict {
            Verdict::Pass => self.enqueue(from, body, travel),
            Verdict::Delay(more) => self.enqueue(from, body, travel + more),
            Verdict::Drop => self.black_hole(from),
            Verdict::Reset => {
                self.enqueue(from, Body::Reset(io::ErrorKind::ConnectionReset), travel);
                self.enqueue(far(from), Body::Reset(io::ErrorKind::ConnectionReset), travel);
            }
        }
    }

    fn enqueue(&mut self, from: End, body: Body, travel: Duration) {
        let at = self.elapsed() + travel;
        let Some(side) = self.sides.get_mut(&from) else { return };
        side.last_due = side.last_due.max(at);
        side.wire.push_back(body);
        let due = side.last_due;
        self.schedule(due, Due::Segment(from));
    }

    /// What was held back from `from` is on its way again.
    pub(crate) fn resend(&mut self, from: End, travel: Duration) {
        let at = self.elapsed() + travel;
        let Some(side) = self.sides.get_mut(&from) else { return };
        side.last_due = side.last_due.max(at);
        let due = side.last_due;
        for _ in 0..std::mem::take(&mut side.held_back) {
            self.schedule(due, Due::Segment(from));
        }
    }

    fn black_hole(&mut self, from: End) {
        if let Some(side) = self.sides.get_mut(&from) {
            side.black_hole = true;
        }
    }

    /// The oldest segment that `from` has sent reaches the far end.
    pub(crate) fn arrive(&mut self, from: End) {
        if self.hold_back(from) {
            return;
        }
        let Some(body) = self.sides.get_mut(&from).and_then(|side| side.wire.pop_front()) else { return };
        let to = far(from);
        if matches!(body, Body::Syn) {
            self.knock(to);
        } else if !self.disown(to, &body)
            && let Some(side) = self.sides.get_mut(&to).filter(|side| side.broken.is_none())
        {
            match body {
                Body::Data(_) if side.owner == Owner::Nobody => {
                    let pipe = side.pipe;
                    side.broken = Some(io::ErrorKind::ConnectionReset);
                    let told = if pipe { io::ErrorKind::BrokenPipe } else { io::ErrorKind::ConnectionReset };
                    self.transmit(to, Body::Reset(told));
                }
                Body::SynAck | Body::Syn => side.open = true,
                Body::Data(data) => {
                    side.arrived += data.len() as u64;
                    side.segments.push_back(data.into());
                }
                Body::Descriptor(descriptor) => side.descriptors.push_back((side.arrived, descriptor)),
                Body::Fin => side.got_fin = true,
                Body::Window(n) => side.room = side.room.saturating_add(n),
                Body::Reset(kind) => self.break_off(to, kind),
            }
            self.tell(to);
        }
        self.reap(to);
    }

    fn break_off(&mut self, end: End, kind: io::ErrorKind) {
        let overtakes = self.dice.chance(self.hostility.reset_overtakes);
        let Some(side) = self.sides.get_mut(&end) else { return };
        let refused = !side.open && kind == io::ErrorKind::ConnectionReset;
        side.broken = Some(if refused { io::ErrorKind::ConnectionRefused } else { kind });
        if overtakes {
            side.segments.clear();
        }
    }

    /// Lets the owner of an end look at it.
    pub(crate) fn tell(&mut self, end: End) {
        let Some(side) = self.sides.get(&end) else { return };
        match side.owner {
            Owner::Slot(index) => self.touch(side.host, index),
            Owner::Probe => self.perform(end),
            Owner::Backlog | Owner::Loose | Owner::Nobody => {}
        }
    }

    /// Takes at most `most` unread bytes, appended to `into`, from one segment or from as many as there are.
    pub(crate) fn take(&mut self, end: End, most: usize, merge: bool, into: &mut Vec<u8>) {
        let Some(side) = self.sides.get_mut(&end) else { return };
        let mut left = most;
        while let Some(segment) = side.segments.front_mut().filter(|_| left > 0) {
            let n = segment.len().min(left);
            into.extend(segment.drain(..n));
            left -= n;
            if segment.is_empty() {
                side.segments.pop_front();
            }
            if !merge {
                break;
            }
        }
        let taken = most - left;
        side.read += taken as u64;
        let paid = side.debt.min(taken);
        side.debt -= paid;
        side.untold += taken - paid;
        if side.untold >= side.worth_telling() && side.broken.is_none() && !side.got_fin {
            let told = std::mem::take(&mut side.untold);
            self.transmit(end, Body::Window(told));
        }
    }

    /// The descriptor that comes before the next unread byte.
    pub(crate) fn take_descriptor(&mut self, end: End) -> Option<OwnedFd> {
        let side = self.sides.get_mut(&end)?;
        let read = side.read;
        side.descriptors.pop_front_if(|(at, _)| *at <= read).map(|(_, descriptor)| descriptor)
    }

    /// Sends a descriptor before the next byte.
    pub(crate) fn put_descriptor(&mut self, end: End, descriptor: OwnedFd) {
        self.transmit(end, Body::Descriptor(descriptor));
    }

    /// Sends bytes, which must fit into the window.
    pub(crate) fn put(&mut self, end: End, data: Vec<u8>) {
        let Some(side) = self.sides.get_mut(&end) else { return };
        debug_assert!(data.len() <= side.room, "more bytes than the window has room for");
        side.room = side.room.saturating_sub(data.len());
        self.transmit(end, Body::Data(data));
    }

    /// Sets the receive window of an end. Bytes that were promised room before still come.
    pub(crate) fn set_window(&mut self, end: End, window: usize) {
        let Some(side) = self.sides.get_mut(&end) else { return };
        let old = std::mem::replace(&mut side.window, window);
        let open = side.open;
        match self.sides.get_mut(&far(end)) {
            // The handshake will tell it.
            Some(distant) if !open && !distant.open => distant.room = window,
            _ => self.resize(end, old, window),
        }
    }

    fn resize(&mut self, end: End, old: usize, new: usize) {
        let Some(side) = self.sides.get_mut(&end) else { return };
        let less = old.saturating_sub(new);
        let kept = side.untold.min(less);
        side.untold -= kept;
        side.debt += less - kept;
        let more = new.saturating_sub(old);
        let paid = side.debt.min(more);
        side.debt -= paid;
        if more > paid && side.broken.is_none() {
            self.transmit(end, Body::Window(more - paid));
        }
    }

    /// Sends FIN, once.
    pub(crate) fn finish(&mut self, end: End) {
        let Some(side) = self.sides.get_mut(&end).filter(|side| side.can_send()) else { return };
        side.sent_fin = true;
        if broken("cut-tail", 8) && matches!(side.wire.back(), Some(Body::Data(_))) {
            side.wire.pop_back();
        }
        self.transmit(end, Body::Fin);
    }

    /// Closes an end as the system does for a program: with FIN, or with a reset when bytes are unread.
    pub(crate) fn release(&mut self, end: End) {
        let unread = self.sides.get(&end).is_none_or(|side| side.has_unread() || !side.open);
        if unread || self.is_reader(end) {
            return self.reset(end);
        }
        self.finish(end);
        self.orphan(end);
    }

    /// Closes an end with a reset; that of a pipe as it can be closed.
    pub(crate) fn reset(&mut self, end: End) {
        let pipe = self.sides.get(&end).is_some_and(|side| side.pipe);
        if pipe && !self.is_reader(end) {
            self.finish(end);
        } else if let Some(side) = self.sides.get_mut(&end).filter(|side| side.broken.is_none()) {
            side.broken = Some(io::ErrorKind::ConnectionReset);
            let told = if pipe { io::ErrorKind::BrokenPipe } else { io::ErrorKind::ConnectionReset };
            self.transmit(end, Body::Reset(told));
        }
        self.orphan(end);
    }

    /// The end of a pipe that is read.
    fn is_reader(&self, end: End) -> bool {
        !end.is_multiple_of(2) && self.sides.get(&end).is_some_and(|side| side.pipe)
    }

    fn orphan(&mut self, end: End) {
        if let Some(side) = self.sides.get_mut(&end) {
            side.owner = Owner::Nobody;
            side.segments.clear();
        }
        self.reap(end);
    }

    /// Forgets a link that nobody holds and that carries nothing any more.
    pub(crate) fn reap(&mut self, end: End) {
        let done =
            |end| self.sides.get(&end).is_none_or(|side| side.owner == Owner::Nobody && side.wire.is_empty());
        if done(end) && done(far(end)) {
            self.sides.remove(&end);
            self.sides.remove(&far(end));
        }
    }
}
