//! [`Probe`]: a peer without an engine, which does what a test tells it.

use crate::{
    link::{End, Owner},
    port::Acceptor,
    world::{Due, Shared, World},
};
use std::{collections::VecDeque, io, time::Duration};
use trenza_core::{Addr, driver::Bind};

/// The most received bytes that a probe holds. Beyond it reads no more, until they are taken.
pub const RECEIVED_MAX: usize = 64 * 1024 * 1024;

/// What a probe has received, and what it was told to do.
#[derive(Debug, Default)]
pub(crate) struct Script {
    received: Vec<u8>,
    unsent: VecDeque<VecDeque<u8>>,
    /// Writes whose time has not come, and the time of the last one.
    scheduled: usize,
    scheduled_until: Duration,
    paused: bool,
    /// FIN follows what is unsent.
    fin: bool,
    /// The end of it follows what is unsent.
    close: bool,
    /// Nobody holds the probe any more.
    dropped: bool,
    connected: bool,
    eof: bool,
    error: Option<io::ErrorKind>,
}

impl World {
    /// Gives an end to a script.
    pub(crate) fn enroll(&mut self, end: End) {
        self.scripts.insert(end, Script::default());
        if let Some(side) = self.sides.get_mut(&end) {
            side.owner = Owner::Probe;
        }
        self.perform(end);
    }

    /// Lets a probe do what it can at its end.
    pub(crate) fn perform(&mut self, end: End) {
        self.probe_reads(end);
        self.probe_writes(end);
        let Some(script) = self.scripts.get_mut(&end) else { return };
        if !script.unsent.is_empty() && script.error.is_none() || script.scheduled > 0 {
            return;
        }
        let (close, fin, dropped) = (script.close, script.fin, script.dropped);
        if close {
            self.release(end);
        } else if fin {
            self.finish(end);
        }
        if dropped {
            self.scripts.remove(&end);
        }
    }

    fn probe_reads(&mut self, end: End) {
        loop {
            let (Some(script), Some(side)) = (self.scripts.get_mut(&end), self.sides.get(&end)) else {
                return;
            };
            script.connected |= side.open;
            script.error = side.broken;
            script.eof = side.got_fin && !side.has_unread();
            if script.paused || !side.has_unread() || script.received.len() >= RECEIVED_MAX {
                return;
            }
            let mut data = Vec::new();
            self.take(end, usize::MAX, false, &mut data);
            if let Some(script) = self.scripts.get_mut(&end) {
                script.received.append(&mut data);
            }
        }
    }

    fn probe_writes(&mut self, end: End) {
        loop {
            let (Some(script), Some(side)) = (self.scripts.get_mut(&end), self.sides.get(&end)) else {
                return;
            };
            let Some(segment) = script.unsent.front_mut() else { return };
            let n = segment.len().min(side.room);
            if n == 0 || !side.can_send() {
                return;
            }
            let data: Vec<u8> = segment.drain(..n).collect();
            if segment.is_empty() {
                script.unsent.pop_front();
            }
            self.put(end, data);
        }
    }

    /// A write whose time was set has come.
    pub(crate) fn play(&mut self, end: End, data: Vec<u8>) {
        if let Some(script) = self.scripts.get_mut(&end) {
            script.scheduled -= 1;
            script.unsent.push_back(data.into());
            self.perform(end);
        }
    }

    /// Writes behind everything that was told before, `after` the last of it.
    fn say(&mut self, end: End, data: &[u8], after: Duration) {
        let now = self.elapsed();
        let Some(script) = self.scripts.get_mut(&end).filter(|_| !data.is_empty()) else { return };
        assert!(!script.fin && !script.close, "a probe cannot send after it was closed");
        if script.scheduled == 0 && after.is_zero() {
            script.unsent.push_back(data.to_vec().into());
            return self.perform(end);
        }
        script.scheduled += 1;
        script.scheduled_until = script.scheduled_until.max(now) + after;
        let at = script.scheduled_until;
        self.schedule(at, Due::Script(end, data.to_vec()));
    }
}

/// A raw peer, told by a test what to send and asked what came. Nothing happens at once: what it is told takes
/// its course when the network runs ([`crate::Net::run`], [`crate::Net::advance`]).
///
/// Dropping it closes it, as [`Probe::close`] does.
#[derive(Debug)]
#[must_use = "dropping a Probe closes it"]
pub struct Probe {
    world: Shared,
    end: End,
    local: Addr,
    remote: Addr,
}

impl Probe {
    pub(crate) fn connect(world: Shared, host: usize, to: &Addr) -> io::Result<Self> {
        let end = world.borrow_mut().connect(host, to, None)?;
        Ok(Self::new(world, end))
    }

    pub(crate) fn new(world: Shared, end: End) -> Self {
        let mut borrowed = world.borrow_mut();
        borrowed.enroll(end);
        let addr = |end| borrowed.sides.get(&end).map_or_else(|| Addr::named("?"), |side| side.addr.clone());
        let (local, remote) = (addr(end), addr(crate::link::far(end)));
        drop(borrowed);
        Self { world, end, local, remote }
    }

    /// Sends bytes in one segment, as far as the window allows; the rest follows when it opens.
    ///
    /// # Panics
    /// After [`Probe::close_write`] or [`Probe::close`], as the other ways to send.
    pub fn send(&self, data: impl AsRef<[u8]>) {
        self.world.borrow_mut().say(self.end, data.as_ref(), Duration::ZERO);
    }

    /// Sends bytes in segments that end at the given places, in rising order.
    ///
    /// # Panics
    /// A place lies before the one before it or behind the end.
    pub fn send_split(&self, data: impl AsRef<[u8]>, cuts: &[usize]) {
        let data = data.as_ref();
        let ends = cuts.iter().copied().chain([data.len()]);
        ends.fold(0, |start, end| {
            self.send(data.get(start..end).expect("cuts rise and lie within the data"));
            end
        });
    }

    /// Sends each byte in a segment of its own, the next one `every` after the last.
    pub fn send_bytewise(&self, data: impl AsRef<[u8]>, every: Duration) {
        let mut wait = Duration::ZERO;
        for byte in data.as_ref() {
            self.world.borrow_mut().say(self.end, std::slice::from_ref(byte), wait);
            wait = every;
        }
    }

    /// Sends FIN behind everything that was sent; reading goes on.
    pub fn close_write(&self) {
        self.change(|script| script.fin = true);
    }

    /// Closes both directions behind everything that was sent. Bytes that come afterwards are answered with a
    /// reset, and if some were not read (see [`Probe::read`]), the reset comes at once instead of FIN.
    pub fn close(&self) {
        self.change(|script| script.close = true);
    }

    /// Sends a reset and drops what is unsent.
    pub fn reset(&self) {
        // The reset first: what closes in order says so with a FIN, and that is all a peer that has stopped reading hears.
        self.world.borrow_mut().reset(self.end);
        self.change(|script| {
            script.unsent.clear();
            script.close = true;
        });
    }

    /// Reads, which is the beginning, or lets bytes lie so that the window fills.
    pub fn read(&self, on: bool) {
        self.change(|script| script.paused = !on);
    }

    /// Sets the receive window in bytes. Before the connection is made it holds from the first byte on;
    /// afterwards what the peer was promised still comes.
    pub fn window(&self, bytes: usize) {
        self.world.borrow_mut().set_window(self.end, bytes);
    }

    /// Everything that was received and not taken.
    pub fn received(&self) -> Vec<u8> {
        self.ask(|script| script.received.clone())
    }

    /// Takes what was received.
    pub fn take_received(&self) -> Vec<u8> {
        let mut taken = Vec::new();
        self.change(|script| taken = std::mem::take(&mut script.received));
        taken
    }

    /// How many bytes the window has not let out so far, those whose time has not come left out.
    pub fn unsent(&self) -> usize {
        self.ask(|script| script.unsent.iter().map(VecDeque::len).sum())
    }

    /// The connection was made, whatever became of it.
    pub fn connected(&self) -> bool {
        self.ask(|script| script.connected)
    }

    /// The peer's FIN came, and all bytes before it were read.
    pub fn eof(&self) -> bool {
        self.ask(|script| script.eof)
    }

    /// The peer's FIN or reset came.
    pub fn lost(&self) -> bool {
        self.ask(|script| script.eof || script.error.is_some())
    }

    /// A reset came, or was sent by [`Probe::reset`].
    pub fn was_reset(&self) -> bool {
        self.error() == Some(io::ErrorKind::ConnectionReset)
    }

    /// What broke the connection, or kept it from being made.
    pub fn error(&self) -> Option<io::ErrorKind> {
        self.ask(|script| script.error)
    }

    /// The address of this end.
    pub fn local_addr(&self) -> &Addr {
        &self.local
    }

    /// The address of the far end.
    pub fn remote_addr(&self) -> &Addr {
        &self.remote
    }

    fn ask<T: Default>(&self, question: impl FnOnce(&Script) -> T) -> T {
        self.world.borrow().scripts.get(&self.end).map(question).unwrap_or_default()
    }

    fn change(&self, order: impl FnOnce(&mut Script)) {
        let mut world = self.world.borrow_mut();
        if let Some(script) = world.scripts.get_mut(&self.end) {
            order(script);
            world.perform(self.end);
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Within a panic of the world itself it is borrowed, and nobody looks at it any more.
        let Ok(mut world) = self.world.try_borrow_mut() else { return };
        if let Some(script) = world.scripts.get_mut(&self.end) {
            (script.close, script.dropped) = (true, true);
            world.perform(self.end);
        }
    }
}

/// A listening raw peer. Dropping it stops listening.
#[derive(Debug)]
#[must_use = "dropping a ProbeListener stops listening"]
pub struct ProbeListener {
    world: Shared,
    listener: u64,
    addr: Addr,
}

impl ProbeListener {
    pub(crate) fn bind(world: Shared, host: usize, addr: Addr) -> io::Result<Self> {
        let backlog = i32::try_from(crate::port::BACKLOG_MAX).unwrap_or(i32::MAX);
        let how = Bind { addr, dual_stack: true, mode: None, backlog };
        let (listener, addr) = world.borrow_mut().bind(host, &how)?;
        if let Some(bound) = world.borrow_mut().listeners.get_mut(&listener) {
            bound.acceptor = Acceptor::Probe;
        }
        Ok(Self { world, listener, addr })
    }

    /// The next connection that was made, if there is one.
    pub fn accept(&self) -> Option<Probe> {
        let end = self.world.borrow_mut().accept(self.listener)?;
        Some(Probe::new(self.world.clone(), end))
    }

    /// The address it listens on.
    pub fn addr(&self) -> &Addr {
        &self.addr
    }
}

impl Drop for ProbeListener {
    fn drop(&mut self) {
        if let Ok(mut world) = self.world.try_borrow_mut() {
            world.unbind(self.listener);
        }
    }
}
