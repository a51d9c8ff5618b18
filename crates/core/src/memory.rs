//! [`Memory`]: the driver of connections within the loop, made by [`Reactor::pair`](crate::Reactor::pair).
//!
//! ```text
//!  near: out ── send ──▶ far's inbox ── Received ──▶ far     at most the window is in an inbox
//! ```
//!
//! It keeps the contracts of [`driver`](crate::driver), so that the loop treats these connections like all others. Its
//! tokens are given out by handles before the driver knows of them.

use crate::driver::{Close, Event, Token};
use std::{cell::RefCell, collections::VecDeque, io, mem, rc::Rc};
use trenza_wire::{Chunk, OutBuf};

/// The most bytes that are on their way in one direction.
pub(crate) const WINDOW: usize = 64 * 1024;
/// Up to this size pieces are put together, so that many small ones take little.
const COPY_MAX: usize = 512;
/// The indices of these tokens begin here; no system has so many connections.
pub(crate) const FIRST: u32 = 1 << 31;
/// Generations stay within 24 bits.
const GENERATION_MASK: u32 = 0xff_ffff;

/// The place of a connection in memory, in lists of its own; None for an index of the system's driver.
pub(crate) fn place(index: u32) -> Option<usize> {
    index.checked_sub(FIRST).map(|place| place as usize)
}

/// The index of a place.
pub(crate) fn index(place: u32) -> u32 {
    FIRST | place
}

/// Where tokens come from.
#[derive(Default)]
pub(crate) struct Tokens(RefCell<Given>);

#[derive(Default)]
struct Given {
    /// How many places there are.
    places: u32,
    /// Tokens that nobody has, of the next generation already.
    free: Vec<Token>,
    /// Pairs that the driver does not know yet.
    born: Vec<[Token; 2]>,
}

impl Tokens {
    /// Two tokens whose connections are each other's far end.
    pub(crate) fn pair(&self) -> [Token; 2] {
        let mut given = self.0.borrow_mut();
        let pair = [(); 2].map(|()| {
            given.free.pop().unwrap_or_else(|| {
                given.places += 1;
                Token { index: index(given.places - 1), generation: 0 }
            })
        });
        given.born.push(pair);
        pair
    }

    fn give_back(&self, token: Token) {
        let generation = token.generation.wrapping_add(1) & GENERATION_MASK;
        self.0.borrow_mut().free.push(Token { generation, ..token });
    }
}

/// One end of a pair.
struct End {
    token: Token,
    /// None when the far end has closed or was aborted.
    far: Option<Token>,
    /// What the far end has sent and this one has not received.
    inbox: OutBuf,
    reading: bool,
    /// A send was short: the loop waits for room.
    owes_sent: bool,
    /// The far end has sent FIN.
    fin: bool,
    /// The far end has gone in another way.
    reset: bool,
    /// The end was told.
    over: bool,
    /// It is in the list of those that have something to tell.
    listed: bool,
}

impl End {
    fn new(token: Token, far: Token) -> Self {
        Self {
            token,
            far: Some(far),
            inbox: OutBuf::new(),
            reading: false,
            owes_sent: false,
            fin: false,
            reset: false,
            over: false,
            listed: false,
        }
    }

    /// Whether it is broken, and it would be noticed: nothing is left to read, or while it does not read, something is
    /// to be sent.
    fn has_failed(&self) -> bool {
        let broken = self.reset || self.owes_sent && self.far.is_none();
        broken && if self.reading { self.inbox.is_empty() } else { self.owes_sent }
    }
}

/// What there is to tell of an end.
enum Told {
    Sent,
    Received,
    Eof,
    Failed,
}

/// The driver.
pub(crate) struct Memory {
    tokens: Rc<Tokens>,
    ends: Vec<Option<End>>,
    ready: VecDeque<Token>,
    /// What the loop was lent with the last event.
    lent: Vec<u8>,
    /// What is to be dropped: its owners may be the user's.
    spent: Vec<OutBuf>,
}

impl Memory {
    pub(crate) fn new(tokens: Rc<Tokens>) -> Self {
        Self { tokens, ends: Vec::new(), ready: VecDeque::new(), lent: Vec::new(), spent: Vec::new() }
    }

    /// True when `next` would do something.
    pub(crate) fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.spent.is_empty()
    }

    fn end(&mut self, token: Token) -> Option<&mut End> {
        let end = self.ends.get_mut(place(token.index)?)?.as_mut()?;
        (end.token == token).then_some(end)
    }

    /// The end, which may be new.
    fn admit(&mut self, token: Token) -> Option<&mut End> {
        for [near, far] in mem::take(&mut self.tokens.0.borrow_mut().born) {
            for (one, other) in [(near, far), (far, near)] {
                let Some(place) = place(one.index) else { continue };
                if self.ends.len() <= place {
                    self.ends.resize_with(place + 1, || None);
                }
                if let Some(slot) = self.ends.get_mut(place) {
                    *slot = Some(End::new(one, other));
                }
            }
        }
        self.end(token)
    }

    fn far(&mut self, token: Token) -> Option<&mut End> {
        let far = self.end(token)?.far?;
        self.end(far)
    }

    /// How many bytes the far end takes at the moment.
    fn room(&mut self, token: Token) -> usize {
        self.far(token).map_or(0, |far| WINDOW.saturating_sub(far.inbox.len()))
    }

    /// Puts it into the list if it has something to tell.
    fn look(&mut self, token: Token) {
        if self.find(token).is_none() {
            return;
        }
        if let Some(end) = self.end(token)
            && !mem::replace(&mut end.listed, true)
        {
            self.ready.push_back(token);
        }
    }

    fn find(&mut self, token: Token) -> Option<Told> {
        // Half of it, so that a writer is not told of every byte.
        let room = self.room(token) >= WINDOW / 2;
        let end = self.end(token)?;
        if end.over && !end.owes_sent {
            return None;
        }
        match () {
            () if end.has_failed() => Some(Told::Failed),
            () if end.owes_sent && room => Some(Told::Sent),
            () if end.reading && !end.inbox.is_empty() => Some(Told::Received),
            () if end.reading && end.fin && !end.over => Some(Told::Eof),
            () => None,
        }
    }

    pub(crate) fn read(&mut self, token: Token, on: bool) {
        let Some(end) = self.admit(token) else { return };
        end.reading = on && !end.over;
        self.look(token);
    }

    /// Moves bytes to the far end, as many as there is room for. Files were read before: see
    /// [`Entry::open_files`](crate::engine::entry::Entry::open_files).
    pub(crate) fn send(&mut self, token: Token, out: &mut OutBuf) {
        let Some(end) = self.admit(token) else { return };
        if end.owes_sent || out.queued() == 0 {
            return;
        }
        let far = end.far;
        while out.queued() > 0 && out.file().is_none() {
            let room = self.room(token);
            let Some(chunk) = (room > 0).then(|| out.split_chunk(room)).flatten() else { break };
            let spent = self.far(token).and_then(|far| far.put(chunk));
            self.spent.extend(spent);
        }
        if let Some(end) = self.end(token) {
            end.owes_sent = out.queued() > 0;
        }
        self.look(token);
        far.into_iter().for_each(|far| self.look(far));
    }

    pub(crate) fn close(&mut self, token: Token, how: Close) {
        let Some(far) = self.admit(token).map(|end| end.far) else { return };
        let mut reset = how == Close::Abort;
        if how != Close::Write
            && let Some(end) = place(token.index).and_then(|place| self.ends.get_mut(place)?.take())
        {
            reset |= !end.inbox.is_empty();
            self.spent.push(end.inbox);
            self.tokens.give_back(token);
        }
        let Some(far) = far else { return };
        if let Some(end) = self.end(far) {
            end.fin = true;
            end.reset |= reset;
            if how != Close::Write {
                end.far = None;
            }
        }
        self.look(far);
    }

    pub(crate) fn held(&mut self, token: Token) -> usize {
        self.far(token).map_or(0, |far| far.inbox.len())
    }

    pub(crate) fn next(&mut self) -> Option<Event<'_>> {
        self.lent = Vec::new();
        drop(mem::take(&mut self.spent));
        loop {
            let token = self.ready.pop_front()?;
            let Some(end) = self.end(token) else { continue };
            end.listed = false;
            let Some(told) = self.find(token) else { continue };
            self.tell(token, &told);
            self.look(token);
            return Some(match told {
                Told::Sent => Event::Sent { token, bytes: 0 },
                Told::Received => Event::Received { token, data: &mut self.lent },
                Told::Eof => Event::Eof { token },
                Told::Failed => Event::Failed { token, error: io::ErrorKind::ConnectionReset.into() },
            });
        }
    }

    /// Does what goes with an event.
    fn tell(&mut self, token: Token, told: &Told) {
        let Some(end) = self.end(token) else { return };
        match told {
            Told::Sent => end.owes_sent = false,
            Told::Received => {
                let far = end.far;
                self.lent = end.take();
                far.into_iter().for_each(|far| self.look(far));
            }
            Told::Eof => (end.over, end.reading) = (true, false),
            Told::Failed => (end.over, end.reading, end.owes_sent) = (true, false, false),
        }
    }
}

impl End {
    /// Takes bytes in. Gives what was copied, to be dropped.
    fn put(&mut self, chunk: Chunk) -> Option<OutBuf> {
        match chunk.bytes() {
            Some(small) if small.len() <= COPY_MAX => self.inbox.push_slice(small),
            _ => {
                self.inbox.push_chunk(chunk);
                return None;
            }
        }
        let mut spent = OutBuf::new();
        spent.push_chunk(chunk);
        Some(spent)
    }

    /// The bytes to be received next, in a buffer of their own.
    fn take(&mut self) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Some(chunk) = self.inbox.pop_chunk() {
            match chunk {
                Chunk::Own(data) if taken.is_empty() => taken = data,
                chunk => taken.extend_from_slice(chunk.bytes().unwrap_or_default()),
            }
        }
        taken
    }
}
