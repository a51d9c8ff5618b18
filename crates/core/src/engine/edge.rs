//! [`Edge`]: what policies and taps do with a connection between its layers and the driver.

use crate::{
    Bucket, Policy, Reason, Seen, Tap, Transport,
    driver::Driver,
    engine::entry::Entry,
    flags::Flags,
    policy::{
        Admission,
        bucket::{Meter, Pace},
    },
    timer::{Due, Key},
};
use std::{mem, rc::Rc, time::Instant};
use trenza_wire::{Chunk, OutBuf};

/// The most bytes that a limited or tapped connection hands to the driver in one turn.
const TURN_MAX: usize = 1024 * 1024;

/// What only connections with a policy or a tap have.
#[derive(Default)]
pub(crate) struct Edge {
    policy: Option<Rc<Policy>>,
    /// What it occupies of a port's limits.
    _admission: Admission,
    began: Option<Instant>,
    input: Option<Meter>,
    output: Option<Pace>,
    /// Bytes that the driver has taken.
    taken: u64,
    taps: Vec<Box<dyn Tap>>,
    /// One of them wants files as bytes.
    copies: bool,
    /// What has left and the taps have not seen.
    unseen: Vec<Chunk>,
    timer: Option<Key>,
}

/// What is changed about a connection's edge.
pub(crate) enum Change {
    Tap(Box<dyn Tap>),
    Input(Option<Bucket>),
    Output(Option<Bucket>),
}

impl Edge {
    pub(crate) fn new(policy: Option<Rc<Policy>>, admission: Admission) -> Self {
        Self { policy, _admission: admission, ..Self::default() }
    }

    /// That of a connection that the program made.
    pub(crate) fn of_connect(policy: Rc<Policy>) -> Self {
        Self::new(Some(policy), Admission::default())
    }

    /// Bytes came: they are paid for, and then it is not read until they are.
    fn received(&mut self, transport: &Transport, data: &[u8]) {
        self.show(transport, |tap| tap.see(transport, Seen::Received(data)));
        if let Some(meter) = &mut self.input {
            meter.received(data.len(), transport.0.reactor.0.now());
            transport.mark_dirty();
        }
    }

    /// Looks whether it may be read.
    fn look_at_input(&mut self, transport: &Transport) {
        let now = transport.0.reactor.0.now();
        match self.input.as_mut().and_then(|meter| meter.held(now)) {
            Some(until) => {
                transport.0.flags.set(Flags::HELD_IN);
                self.arm(transport, until);
            }
            None => transport.0.flags.clear(Flags::HELD_IN),
        }
    }

    /// Hands as much as may leave now to the driver.
    fn send(&mut self, transport: &Transport, driver: &mut dyn Driver, out: &mut OutBuf) {
        let connection = &*transport.0;
        let want = out.queued().min(TURN_MAX);
        let allowed = match &mut self.output {
            Some(pace) => pace.allow(want, connection.reactor.0.now()),
            None => want,
        };
        connection.flags.clear(Flags::HELD_OUT);
        let mut part = out.split_front(allowed);
        let copies = if self.taps.is_empty() { Vec::new() } else { part.share() };
        if allowed > 0 {
            driver.send(connection.token, &mut part);
        }
        let left = part.queued();
        out.prepend(&mut part);
        let taken = allowed.saturating_sub(left);
        self.taken += taken as u64;
        self.note(copies, taken);
        if let Some(pace) = &mut self.output {
            pace.used(taken);
        }
        let ready = self.output.as_ref().and_then(Pace::ready).filter(|_| allowed < want);
        match ready {
            // The driver tells when there is room.
            _ if left > 0 => {}
            Some(ready) => {
                connection.flags.set(Flags::HELD_OUT);
                self.arm(transport, ready);
            }
            None if out.queued() > 0 => transport.mark_dirty(),
            None => {}
        }
    }

    /// Keeps what has left for the taps.
    fn note(&mut self, copies: Vec<Chunk>, mut taken: usize) {
        for chunk in copies {
            if taken == 0 {
                break;
            }
            let len = chunk.len().min(taken);
            taken -= len;
            self.unseen.push(match chunk {
                Chunk::File(file, range) => Chunk::File(file, range.start..range.start + len as u64),
                Chunk::Shared(data) => Chunk::Shared(data.slice(..len)),
                whole => whole,
            });
        }
    }

    fn show_sent(&mut self, transport: &Transport) {
        for chunk in mem::take(&mut self.unseen) {
            self.show(transport, |tap| {
                tap.see(
                    transport,
                    match &chunk {
                        Chunk::File(_, range) => Seen::SentFile(range.clone()),
                        bytes => Seen::Sent(bytes.bytes().unwrap_or_default()),
                    },
                );
            });
        }
    }

    /// Shows something to the taps. A panic is charged to the connection.
    fn show(&mut self, transport: &Transport, see: impl FnMut(&mut Box<dyn Tap>)) {
        if !self.taps.is_empty() {
            let shared = &transport.0.reactor.0;
            let before = shared.running.replace(Some(transport.0.token));
            self.taps.iter_mut().for_each(see);
            shared.running.set(before);
        }
    }

    /// Sees to it that the connection is looked at then. A timer that fires too early is armed again.
    fn arm(&mut self, transport: &Transport, at: Instant) {
        let mut timers = transport.0.reactor.0.timers.borrow_mut();
        let armed = self.timer.and_then(|key| timers.deadline(key).map(|armed| (key, armed)));
        match armed {
            Some((_, armed)) if armed <= at => {}
            Some((key, _)) => drop(timers.reset(key, at)),
            None => self.timer = Some(timers.insert(at, Due::Flush(transport.clone()))),
        }
    }

    /// Files are to be seen as bytes.
    pub(crate) fn copies_files(&self) -> bool {
        self.copies
    }

    /// The timer, for who ends the connection.
    pub(crate) fn timer(&self) -> Option<Key> {
        self.timer
    }

    /// The connection has ended: the taps see it, and it is logged. `lent` bytes the driver took did not leave.
    pub(crate) fn ended(&mut self, transport: &Transport, reason: &Reason, lent: usize) {
        if self.policy.as_ref().is_some_and(|policy| policy.logged) {
            self.log(transport, reason, self.taken.saturating_sub(lent as u64));
        }
        self.taps.iter_mut().for_each(|tap| tap.see(transport, Seen::Ended(reason)));
    }

    fn log(&self, transport: &Transport, reason: &Reason, sent: u64) {
        let connection = &*transport.0;
        let peer = transport.peer();
        let began = self.began.unwrap_or_else(|| connection.reactor.0.now());
        let seconds = connection.reactor.0.now().saturating_duration_since(began).as_secs_f64();
        let via = peer.via.as_ref().map(tracing::field::display);
        tracing::info!(
            target: "trenza::traffic",
            connection = %transport.id(),
            remote = %peer.remote,
            via,
            local = %peer.local,
            seconds,
            received = connection.received.get(),
            sent,
            reason = ?reason.to_string(),
            "connection ended"
        );
    }
}

impl Entry {
    /// Begins what the policy says of a new connection.
    pub(crate) fn begin_policy(&mut self) {
        let transport = self.transport.clone();
        let Some(policy) = self.edge.as_ref().and_then(|edge| edge.policy.clone()) else { return };
        let began = transport.0.reactor.0.now();
        transport.0.change_times(|times| policy.set_times(times, began));
        let tap = self.charge(|| policy.make_tap(&transport));
        let edge = self.edge.get_or_insert_default();
        edge.began = Some(began);
        edge.output = policy.output.pace();
        edge.limit_input(&transport, policy.input.bucket());
        if let Some(tap) = tap {
            self.change_edge(Change::Tap(tap));
        }
    }

    /// Sets the timeouts that the policy gives to a new protocol.
    pub(crate) fn reset_times(&mut self) {
        let edge = self.edge.as_ref();
        let policy = edge.and_then(|edge| edge.policy.as_ref().zip(edge.began));
        self.transport.0.change_times(|times| match policy {
            Some((policy, began)) => policy.set_times(times, began),
            None => (times.idle, times.deadline) = (None, None),
        });
    }

    pub(crate) fn change_edge(&mut self, change: Change) {
        let transport = self.transport.clone();
        let edge = self.edge.get_or_insert_default();
        match change {
            Change::Input(bucket) => edge.limit_input(&transport, bucket),
            Change::Output(bucket) => {
                edge.output = bucket.map(Pace::new);
                transport.mark_dirty();
            }
            Change::Tap(tap) => {
                edge.taps.push(tap);
                edge.copies |= edge.begin_tap(&transport);
            }
        }
    }

    /// Bytes came from the wire.
    pub(crate) fn pass_in(&mut self, data: &[u8]) {
        if let Some(edge) = &mut self.edge {
            edge.received(&self.transport, data);
        }
    }

    /// The peer's FIN came.
    pub(crate) fn pass_eof(&mut self) {
        if let Some(edge) = &mut self.edge {
            edge.show(&self.transport, |tap| tap.see(&self.transport, Seen::Eof));
        }
    }

    /// Taps see what the driver has taken. No cell is borrowed.
    pub(crate) fn show_sent(&mut self) {
        if let Some(edge) = &mut self.edge {
            edge.show_sent(&self.transport);
        }
    }

    /// Looks whether its rate permits that it is read.
    pub(crate) fn look_at_input(&mut self) {
        if let Some(edge) = &mut self.edge {
            edge.look_at_input(&self.transport);
        }
    }
}

impl Edge {
    fn limit_input(&mut self, transport: &Transport, bucket: Option<Bucket>) {
        let now = transport.0.reactor.0.now();
        self.input = bucket.map(|bucket| Meter::new(bucket, now));
        transport.mark_dirty();
    }

    /// The last tap begins; true when it wants files as bytes.
    fn begin_tap(&mut self, transport: &Transport) -> bool {
        let shared = &transport.0.reactor.0;
        let Some(tap) = self.taps.last_mut() else { return false };
        shared.running.set(Some(transport.0.token));
        tap.see(transport, Seen::Began);
        let copies = tap.copies_files();
        shared.running.set(None);
        copies
    }
}

/// Hands bytes to the driver, through the edge if the connection has one.
pub(crate) fn hand_over(
    edge: Option<&mut Edge>,
    transport: &Transport,
    driver: &mut dyn Driver,
    out: &mut OutBuf,
) {
    match edge {
        None => driver.send(transport.0.token, out),
        Some(edge) => edge.send(transport, driver, out),
    }
}
