//! [`Stream`]: a connection as a driver's slot sees it, between a link's end and the loop.

use crate::{
    canary::broken,
    link::{End, Side},
    world::World,
};
use std::os::fd::OwnedFd;
use std::{
    io::{self, IoSlice},
    net::IpAddr,
    os::unix::fs::FileExt,
};
use trenza_core::{
    Addr,
    driver::{Ready, Token},
};
use trenza_wire::OutBuf;

/// The most bytes of one `Received`, and of one read from a file.
pub const PIECE_MAX: usize = 64 * 1024;
/// The most bytes that a completion driver is lent at a time.
pub const FLIGHT_MAX: usize = 256 * 1024;
/// The most waits that a connection is starved for.
const STARVED_MAX: usize = 3;

/// What is told of a token; received bytes are in the driver's buffer.
#[derive(Debug)]
pub(crate) enum Told {
    /// A new connection, the far end's and the near end's address.
    Accepted(Token, Addr, Addr),
    Connected(io::Result<Addr>),
    Received,
    Descriptor(OwnedFd),
    /// A watched descriptor is ready.
    Ready(Ready),
    Eof,
    Sent(usize),
    Failed(io::Error),
    /// Its bytes are in the driver's buffer.
    Datagram {
        from: Addr,
        to: Option<IpAddr>,
        ecn: Option<u8>,
        stride: Option<usize>,
    },
    Undelivered(Addr, io::Error),
}

/// A connection of a driver.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Where bytes come from, and where they go: the same end but for pipes.
    pub(crate) input: Option<End>,
    pub(crate) output: Option<End>,
    connecting: bool,
    reading: bool,
    /// Bytes that are still told although reading is off.
    late: usize,
    late_eof: bool,
    /// For how many more waits it gets no bytes.
    starved: usize,
    /// The loop waits for a `Sent`.
    owes_sent: bool,
    extra_sent: bool,
    /// What the loop has lent and has not left.
    flight: OutBuf,
    /// What has left of the lent bytes since the last `Sent`.
    landed: usize,
    /// Tells a reset also while reading is off.
    eager: bool,
    eof_told: bool,
    /// Nothing can be read, and nothing more will be written.
    over: bool,
    error: Option<io::Error>,
    /// `Failed` was told.
    dead: bool,
}

impl Stream {
    pub(crate) fn new(end: End, connecting: bool, eager: bool) -> Self {
        Self::of(Some(end), Some(end), connecting, eager)
    }

    /// A connection whose directions are apart, or of which one is missing.
    pub(crate) fn of(input: Option<End>, output: Option<End>, connecting: bool, eager: bool) -> Self {
        Self {
            input,
            output,
            connecting,
            reading: false,
            late: 0,
            late_eof: false,
            starved: 0,
            owes_sent: false,
            extra_sent: false,
            flight: OutBuf::new(),
            landed: 0,
            eager,
            eof_told: false,
            over: false,
            error: None,
            dead: false,
        }
    }

    /// Its ends.
    pub(crate) fn ends(&self) -> impl Iterator<Item = End> + use<> {
        let output = self.output.filter(|output| self.input != Some(*output));
        self.input.into_iter().chain(output)
    }

    fn source<'w>(&self, world: &'w World) -> Option<&'w Side> {
        world.sides.get(&self.input?)
    }

    fn target<'w>(&self, world: &'w World) -> Option<&'w Side> {
        world.sides.get(&self.output?)
    }

    /// Ends the writing direction.
    pub(crate) fn close_write(&mut self, world: &mut World) {
        let Some(output) = self.output else { return };
        world.finish(output);
        self.over = self.input.is_none();
        if self.input.is_some_and(|input| input != output) {
            world.release(output);
            self.output = None;
        }
    }

    /// Does the driver still hold bytes that it was lent, or owe their `Sent`?
    pub(crate) fn has_lent(&self) -> bool {
        !self.dead && (self.flight.queued() > 0 || self.landed > 0)
    }

    /// Turns reading on or off. What is there when it is turned off may still be told.
    pub(crate) fn read(&mut self, on: bool, world: &mut World) {
        let was = std::mem::replace(&mut self.reading, on && !self.eof_told && !self.dead);
        (self.late, self.late_eof) = (0, false);
        if on || !was || !world.dice.chance(world.hostility.late) {
            return;
        }
        let Some(side) = self.source(world) else { return };
        let unread = side.unread();
        self.late_eof = side.got_fin && unread == 0;
        self.late = if unread > 0 { 1 + world.dice.below(unread) } else { 0 };
    }

    /// Takes what it can of `out`, in the way of its kind of driver. What is done with goes to `spent`.
    pub(crate) fn send(&mut self, world: &mut World, out: &mut OutBuf, completion: bool, spent: &mut OutBuf) {
        if self.dead || out.queued() == 0 {
            return;
        }
        let finished = self.target(world).is_some_and(|side| side.sent_fin);
        assert!(!finished, "send after close(Write)");
        if self.output.is_none() {
            self.error = Some(io::ErrorKind::BrokenPipe.into());
            return;
        }
        self.owes_sent = true;
        if completion {
            return self.borrow(world, out);
        }
        if let Err(error) = self.push(world, out, spent) {
            self.error = Some(error);
        }
        self.owes_sent = out.queued() > 0;
    }

    /// Takes chunks by value, if none is on its way; they leave in later waits.
    fn borrow(&mut self, world: &mut World, out: &mut OutBuf) {
        if self.flight.queued() > 0 {
            return;
        }
        let short = world.dice.chance(world.hostility.short_send);
        let mut most = if short { world.dice.piece(FLIGHT_MAX) } else { FLIGHT_MAX };
        loop {
            while let Some(descriptor) = out.pop_descriptor() {
                self.flight.push_descriptor(descriptor);
            }
            let together = most.min(out.undivided());
            let Some((chunk, head)) = (most > 0).then(|| out.take(together)).flatten() else { return };
            // Only the first chunk has a head, and nothing is before it.
            most = most.saturating_sub(chunk.len() - head);
            self.flight.push_chunk(chunk);
            self.flight.advance(head);
        }
    }

    /// Sends from `out` up to the window; returns how many bytes left.
    fn push(&mut self, world: &mut World, out: &mut OutBuf, spent: &mut OutBuf) -> io::Result<usize> {
        let mut sent = 0;
        while let Some((end, side)) = self.output.zip(self.target(world)).filter(|(_, side)| side.can_send())
        {
            let room = side.room.min(out.queued());
            if room == 0 {
                break;
            }
            if out.descriptors() > 0 && side.addr.unix().is_none() {
                return Err(io::ErrorKind::Unsupported.into());
            }
            while let Some(descriptor) = out.pop_descriptor() {
                world.put_descriptor(end, descriptor);
            }
            let room = room.min(out.undivided());
            let short = world.dice.chance(world.hostility.short_send);
            let data = pull(out, if short { world.dice.piece(room) } else { room }, spent)?;
            sent += data.len();
            world.put(end, data);
            if short {
                break;
            }
        }
        Ok(sent)
    }

    /// Moves lent bytes on; a wait begins.
    pub(crate) fn work(&mut self, world: &mut World, spent: &mut OutBuf) {
        if self.flight.queued() > 0 && self.error.is_none() && !self.dead {
            let mut flight = std::mem::take(&mut self.flight);
            match self.push(world, &mut flight, spent) {
                Ok(sent) => self.landed += sent,
                Err(error) => self.error = Some(error),
            }
            self.flight = flight;
        }
        self.starved = match self.starved {
            0 if world.dice.chance(world.hostility.starve) => 1 + world.dice.below(STARVED_MAX),
            waits => waits.saturating_sub(1),
        };
        self.extra_sent = !self.connecting && world.dice.chance(world.hostility.extra_sent);
    }

    /// Will there be something to tell, now or at a later wait, without anything else happening?
    pub(crate) fn pending(&self, world: &World) -> bool {
        if self.dead || self.connecting {
            let done = |side: &Side| side.open || side.broken.is_some();
            return !self.dead && self.source(world).is_some_and(done);
        }
        let moves = self.flight.queued() > 0 && self.has_room(world);
        moves
            || self.error.is_some()
            || self.has_sent(world)
            || self.source(world).is_some_and(|side| self.has_bytes(side))
            || self.has_failed(world).is_some()
            || self.has_eof(world)
    }

    fn has_room(&self, world: &World) -> bool {
        self.target(world).is_some_and(|side| side.room > 0 && side.can_send())
    }

    fn has_sent(&self, world: &World) -> bool {
        let room_again =
            self.owes_sent && self.flight.queued() == 0 && self.landed == 0 && self.has_room(world);
        self.landed > 0 || self.extra_sent || room_again
    }

    fn has_bytes(&self, side: &Side) -> bool {
        side.has_unread() && (self.reading || self.late > 0)
    }

    /// What broke it, if that is noticed. Of a writing end of its own only who writes notices anything, unless there is
    /// nothing to read.
    fn has_failed(&self, world: &World) -> Option<io::ErrorKind> {
        let read = self.source(world);
        let unread = read.is_some_and(Side::has_unread);
        let noticed = if self.reading { !unread } else { self.owes_sent || self.eager };
        let written = self.target(world).filter(|_| match self.input {
            None => noticed,
            Some(_) => self.owes_sent,
        });
        read.filter(|_| noticed)
            .and_then(|side| side.broken)
            .or_else(|| written.filter(|_| self.input != self.output).and_then(|side| side.broken))
    }

    fn has_eof(&self, world: &World) -> bool {
        let ended = |side: &Side| side.got_fin && !side.has_unread();
        let eof = self.source(world).is_some_and(ended) && (self.reading || self.late_eof);
        (eof || self.over) && !self.eof_told
    }

    /// The next thing to tell, if there is one at this wait.
    pub(crate) fn tell(&mut self, world: &mut World, buffer: &mut Vec<u8>) -> Option<Told> {
        if !self.pending(world) {
            return None;
        }
        if self.connecting {
            let side = self.source(world)?;
            self.connecting = false;
            self.dead = side.broken.is_some();
            let result = side.broken.map_or_else(|| Ok(side.addr.clone()), |kind| Err(kind.into()));
            return Some(Told::Connected(result));
        }
        if let Some(error) = self.error.take() {
            return Some(self.fail(error));
        }
        let bytes = self.source(world).is_some_and(|side| self.has_bytes(side)) && self.starved == 0;
        if self.has_sent(world) && !(bytes && world.hostility.shuffle > 0.0 && world.dice.chance(0.5)) {
            (self.extra_sent, self.owes_sent) = (false, self.flight.queued() > 0);
            let landed = std::mem::take(&mut self.landed);
            return (!broken("lose-sent", 8)).then_some(Told::Sent(landed));
        }
        if bytes {
            if let Some(descriptor) = self.input.and_then(|input| world.take_descriptor(input)) {
                return Some(Told::Descriptor(descriptor));
            }
            self.receive(world, buffer);
            return Some(Told::Received);
        }
        if let Some(kind) = self.has_failed(world) {
            return Some(self.fail(kind.into()));
        }
        if self.has_eof(world) {
            (self.eof_told, self.reading, self.late_eof) = (true, false, false);
            return (!broken("lose-eof", 8)).then_some(Told::Eof);
        }
        None
    }

    fn fail(&mut self, error: io::Error) -> Told {
        (self.dead, self.reading) = (true, false);
        Told::Failed(error)
    }

    fn receive(&mut self, world: &mut World, buffer: &mut Vec<u8>) {
        let merge = world.dice.chance(world.hostility.merge);
        let Some((end, side)) = self.input.zip(self.source(world)) else { return };
        let have = if merge { side.unread() } else { side.first_unread() };
        let most = have.min(PIECE_MAX).min(if self.reading { PIECE_MAX } else { self.late });
        let split = world.dice.chance(world.hostility.split);
        let most = if split { world.dice.piece(most) } else { most };
        let most = most.min(world.sides.get(&end).map_or(most, Side::undivided));
        buffer.clear();
        world.take(end, most, merge, buffer);
        self.late = self.late.saturating_sub(buffer.len());
        spoil(buffer);
    }
}

/// Does to received bytes what must never happen to them, if that is broken on purpose.
fn spoil(buffer: &mut Vec<u8>) {
    let middle = buffer.len() / 2;
    if buffer.len() > 1 && broken("drop-byte", 64) {
        buffer.remove(middle);
    } else if buffer.len() > 1 && broken("swap-bytes", 64) {
        buffer.swap(middle - 1, middle);
    } else if broken("deliver-twice", 64) {
        buffer.extend_from_within(..);
    }
}

/// Moves at most `most` bytes out of the front of `out`.
fn pull(out: &mut OutBuf, most: usize, spent: &mut OutBuf) -> io::Result<Vec<u8>> {
    let data = match out.file() {
        Some((file, range)) => {
            let have = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
            let mut data = vec![0; have.min(most).min(PIECE_MAX)];
            let n = file.read_at(&mut data, range.start)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            data.truncate(n);
            data
        }
        None => {
            let mut pieces = [IoSlice::new(&[]); 16];
            let filled = out.slices(&mut pieces);
            pieces.iter().take(filled).flat_map(|piece| piece.iter().copied()).take(most).collect()
        }
    };
    out.advance_into(data.len(), spent);
    Ok(data)
}
