//! The books of one connection: what each end wrote, read and was told, and what of it must not be.

use crate::judge::{Invariant, Judge};
use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::Duration,
};
use trenza_core::{Error, Lost, Reason, Transport};

/// What the life of an end's protocol has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody was told of the connection, or the protocol was switched for one that was not.
    #[default]
    Unmade,
    Made,
    Lost,
}

/// One end's half of the books.
#[derive(Debug, Default)]
struct Half {
    role: Cell<&'static str>,
    stage: Cell<Stage>,
    /// Everything that was written, in order.
    written: RefCell<Vec<u8>>,
    /// How much of what the other end wrote was read.
    read: Cell<usize>,
    eof: Cell<bool>,
    paused: Cell<bool>,
    closed: Cell<bool>,
    half_closed: Cell<bool>,
}

/// Both ends of a connection, the client's first.
#[derive(Debug)]
pub(crate) struct Pair {
    name: String,
    halves: [Half; 2],
    /// Somebody broke it on purpose, or went away early: bytes may be missing at the end, and reasons unclean.
    disturbed: Cell<bool>,
}

impl Pair {
    pub(crate) fn new(name: String) -> Self {
        Self { name, halves: Default::default(), disturbed: Cell::new(false) }
    }

    /// Looks at the books when all is over.
    pub(crate) fn audit(&self, judge: &Judge) {
        for (half, side) in self.halves.iter().zip(["client", "server"]) {
            let who = format_args!("{} {side} {} of {}", half.role.get(), "end", self.name).to_string();
            if half.stage.get() == Stage::Made {
                judge.breach(Invariant::LostOnce, format!("{who} was never told of its end"));
            }
        }
        let [client, server] = &self.halves;
        for (from, to) in [(client, server), (server, client)] {
            let (written, read) = (from.written.borrow().len(), to.read.get());
            let stayed = to.stage.get() == Stage::Lost && to.eof.get();
            if !judge.is_rough() && !self.disturbed.get() && read < written && !stayed {
                let what = format!("{}: {read} of {written} bytes came", self.name);
                judge.breach(Invariant::Bytes, what);
            }
        }
    }
}

/// One end of a connection, as its protocol uses it: every byte goes through here.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) judge: Rc<Judge>,
    pair: Rc<Pair>,
    side: usize,
}

impl End {
    pub(crate) fn new(judge: &Rc<Judge>, pair: Rc<Pair>, side: usize, role: &'static str) -> Self {
        let end = Self { judge: judge.clone(), pair, side };
        end.mine().role.set(role);
        end
    }

    fn mine(&self) -> &Half {
        &self.pair.halves[self.side]
    }

    fn theirs(&self) -> &Half {
        &self.pair.halves[1 - self.side]
    }

    pub(crate) fn is_client(&self) -> bool {
        self.side == 0
    }

    fn breach(&self, invariant: Invariant, what: &str) {
        let side = if self.is_client() { "client" } else { "server" };
        let role = self.mine().role.get();
        self.judge.breach(invariant, format!("{role} ({side} end of {}): {what}", self.pair.name));
    }

    /// From here on the connection may end in any way.
    pub(crate) fn disturb(&self) {
        self.pair.disturbed.set(true);
    }

    // What it does.

    /// The next `n` bytes of its own that nobody has written yet: each says where it belongs.
    pub(crate) fn fresh(&self, n: usize) -> Vec<u8> {
        let at = self.mine().written.borrow().len();
        let key = self.pair.name.bytes().fold(self.side, |key, byte| key * 7 + usize::from(byte));
        (at..at + n).map(|at| (at.wrapping_mul(31) + at / 251 + at / 64_007 + key) as u8).collect()
    }

    pub(crate) fn write(&self, transport: &Transport, data: &[u8]) {
        let mine = self.mine();
        if !transport.is_open() || mine.half_closed.get() {
            return;
        }
        mine.written.borrow_mut().extend_from_slice(data);
        match data.len() % 2 {
            0 => transport.write(data),
            _ => transport.write_bytes(data.to_vec().into()),
        }
        if !transport.is_open() {
            // It was too much: the connection overflows.
            self.disturb();
        }
        self.look(transport);
    }

    pub(crate) fn pause(&self, transport: &Transport) {
        self.mine().paused.set(true);
        transport.pause();
    }

    pub(crate) fn resume(&self, transport: &Transport) {
        self.mine().paused.set(false);
        transport.resume();
    }

    /// Pauses for so long.
    pub(crate) fn nap(&self, transport: &Transport, delay: Duration) {
        self.pause(transport);
        let (end, paused) = (self.clone(), transport.clone());
        transport.reactor().call_later(delay, move || end.resume(&paused)).detach();
    }

    pub(crate) fn close_write(&self, transport: &Transport) {
        self.mine().half_closed.set(true);
        transport.close_write();
    }

    /// Closes. Before the other end has ended its side this may cut off what is on its way.
    pub(crate) fn close(&self, transport: &Transport) {
        if !self.mine().eof.get() {
            self.disturb();
        }
        self.mine().closed.set(true);
        transport.close();
    }

    pub(crate) fn abort(&self, transport: &Transport) {
        self.disturb();
        self.mine().closed.set(true);
        transport.abort();
    }

    // What it is told.

    /// What must hold at every callback.
    pub(crate) fn look(&self, transport: &Transport) {
        let (counts, limits) = (transport.counts(), transport.limits());
        self.judge.count_callback();
        if counts.unread > limits.unread + self.judge.late_bytes_max() {
            let what = format!("{} bytes are unread, the limit is {}", counts.unread, limits.unread);
            self.breach(Invariant::Limits, &what);
        }
        // Layers make a little more of what they were given.
        if counts.unsent > limits.unsent + limits.unsent / 64 + 1024 {
            let what = format!("{} bytes are unsent, the limit is {}", counts.unsent, limits.unsent);
            self.breach(Invariant::Limits, &what);
        }
        // A proxy connects as well, which is not limited.
        if !self.is_client() && self.mine().role.get() != "proxy" {
            self.judge.look_at_host(transport.reactor());
        }
    }

    pub(crate) fn made(&self, transport: &Transport, role: &'static str) {
        self.look(transport);
        self.judge.note(format_args!("{} {role} is made", self.pair.name));
        self.mine().role.set(role);
        if self.mine().stage.replace(Stage::Made) != Stage::Unmade {
            self.breach(Invariant::Order, "connection_made again");
        }
        self.mine().paused.set(false);
    }

    /// Both directions have ended.
    pub(crate) fn is_done(&self) -> bool {
        self.mine().half_closed.get() && self.mine().eof.get()
    }

    /// Some callback comes.
    pub(crate) fn called(&self, transport: &Transport, what: &str) {
        self.look(transport);
        if self.mine().stage.get() != Stage::Made {
            self.breach(Invariant::Order, &format!("{what} while it is {:?}", self.mine().stage.get()));
        }
    }

    /// Bytes, or the end, are offered.
    pub(crate) fn offered(&self, transport: &Transport, what: &str) {
        self.called(transport, what);
        let mine = self.mine();
        for (is, when) in [(&mine.paused, "paused"), (&mine.closed, "closed"), (&mine.eof, "told of the end")]
        {
            if is.get() {
                self.breach(Invariant::Order, &format!("{what} after it had {when}"));
            }
        }
    }

    /// What it reads must be what it wrote, from `from` on: the other end echoes.
    pub(crate) fn echoes(&self, from: usize, at: usize, data: &[u8]) {
        let mine = self.mine().written.borrow();
        if mine.get(from + at..from + at + data.len()) != Some(data) {
            self.breach(
                Invariant::Bytes,
                &format!("what comes back differs within {} bytes at {at}", data.len()),
            );
        }
    }

    /// How many bytes it has written.
    pub(crate) fn written(&self) -> usize {
        self.mine().written.borrow().len()
    }

    /// What it writes is held back by [`Transport::throttle`], so that hardly more than the high mark waits.
    pub(crate) fn look_at_throttle(&self, transport: &Transport) {
        let (unsent, high) = (transport.counts().unsent, transport.limits().high);
        if unsent > high + self.judge.late_bytes_max() {
            self.breach(Invariant::Limits, &format!("{unsent} bytes wait, and the high mark is {high}"));
        }
    }

    /// A coroutine's end, which is not told: it ends with its connection.
    pub(crate) fn gone(&self) {
        if self.mine().stage.replace(Stage::Lost) != Stage::Made {
            self.breach(Invariant::LostOnce, "the coroutine ended again");
        }
    }

    /// A coroutine's connection broke.
    pub(crate) fn broke(&self, error: &Error) {
        if !self.judge.is_rough() && !self.pair.disturbed.get() {
            // Who waits in vain until a time is over has found that something hangs.
            let kind = error.downcast_ref::<Lost>().map(Lost::kind);
            let hung = kind == Some(io::ErrorKind::TimedOut);
            let breaks = if hung { Invariant::Hang } else { Invariant::Reasons };
            self.breach(breaks, &format!("nobody had disturbed it, and it is broken: {error}"));
        }
        self.disturb();
    }

    /// Takes bytes that it reads into the books.
    pub(crate) fn read(&self, data: &[u8]) {
        let at = self.mine().read.get();
        let theirs = self.theirs().written.borrow();
        let wrong = data.iter().enumerate().find(|(i, byte)| theirs.get(at + i) != Some(byte));
        if let Some((i, _)) = wrong {
            let what =
                format!("byte {} of {} is wrong, {} of them written", at + i, at + data.len(), theirs.len());
            self.breach(Invariant::Bytes, &what);
        }
        self.mine().read.set(at + data.len());
    }

    /// It has read everything that there will be.
    pub(crate) fn ended(&self) {
        let (read, written) = (self.mine().read.get(), self.theirs().written.borrow().len());
        self.mine().eof.set(true);
        if read != written {
            self.breach(Invariant::Bytes, &format!("the end came after {read} of {written} bytes"));
        }
    }

    pub(crate) fn timed_out(&self, transport: &Transport) {
        self.called(transport, "timed_out");
        if !self.judge.is_rough() && !self.pair.disturbed.get() {
            self.breach(Invariant::Hang, "nothing moved any more, although nobody had disturbed it");
        }
        self.disturb();
    }

    /// The client has taken another address of the name and reset this connection, which it was never told of and a
    /// server may have accepted meanwhile.
    fn has_lost_a_race(&self, reason: &Reason) -> bool {
        matches!(reason, Reason::Io(_)) && !self.is_client() && self.theirs().stage.get() == Stage::Unmade
    }

    pub(crate) fn lost(&self, transport: &Transport, reason: &Reason) {
        self.judge.count_callback();
        self.judge.note(format_args!("{} {} is lost: {reason}", self.pair.name, self.mine().role.get()));
        let switched = matches!(reason, Reason::Switched);
        let next = if switched { Stage::Unmade } else { Stage::Lost };
        if self.mine().stage.replace(next) != Stage::Made {
            return self.breach(Invariant::LostOnce, &format!("connection_lost again: {reason}"));
        }
        if !switched && transport.is_open() {
            self.breach(Invariant::Order, "it is lost and open");
        }
        let expected = self.pair.disturbed.get() || self.judge.is_rough() || self.has_lost_a_race(reason);
        if !expected && !reason.is_clean() {
            let hung = matches!(reason, Reason::TimedOut(_));
            let breaks = if hung { Invariant::Hang } else { Invariant::Reasons };
            self.breach(breaks, &format!("nobody had disturbed it, and it is lost: {reason}"));
        }
        let mine = self.mine();
        let asked = mine.closed.get() || mine.half_closed.get() && mine.eof.get() || switched;
        if !expected && !asked && !matches!(reason, Reason::Stopped) {
            self.breach(Invariant::Reasons, &format!("nobody had closed it, and it is lost: {reason}"));
        }
    }
}
