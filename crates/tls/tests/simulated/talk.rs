//! Two sides that talk at the same time, and what became of them.

use std::{cell::RefCell, mem, rc::Rc, time::Duration};
use trenza_core::{ConnectionId, Input, Map, Policy, Protocol, Reason, Result, Seen, Transport};

/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(20);
/// How much is said in one write.
const PIECE: usize = 1000;

/// What became of a connection at one of its sides.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    pub(crate) built: bool,
    pub(crate) heard: usize,
    /// The other side said that it was all.
    pub(crate) eof: bool,
    /// Why it was lost, as the protocol was told.
    pub(crate) told: Option<&'static str>,
    /// The same for who looks on from the wire.
    pub(crate) ended: Option<&'static str>,
}

/// What became of all connections of a side.
#[derive(Clone, Default)]
pub(crate) struct Fates(pub(crate) Rc<RefCell<Map<ConnectionId, Fate>>>);

impl Fates {
    fn change(&self, transport: &Transport, change: impl FnOnce(&mut Fate)) {
        change(self.0.borrow_mut().entry(transport.id()).or_default());
    }

    /// Looks on from the wire, from before the handshake on.
    pub(crate) fn policy(&self) -> Policy {
        let fates = self.clone();
        Policy::new().idle(IDLE).tap(move |_: &Transport| {
            let fates = fates.clone();
            move |transport: &Transport, seen: Seen<'_>| {
                fates.change(transport, |fate| {
                    if let Seen::Ended(reason) = seen {
                        assert_eq!(fate.ended.replace(name(reason)), None, "ended twice");
                    }
                });
            }
        })
    }
}

/// The reasons that a network can give.
fn name(reason: &Reason) -> &'static str {
    match reason {
        Reason::Closed | Reason::PeerClosed => "closed",
        Reason::Truncated => "truncated",
        Reason::Stopped => "stopped",
        Reason::TimedOut(_) => "timed out",
        Reason::Io(_) => "io",
        other => panic!("no network does this: {other:?}"),
    }
}

/// The byte that a side says at a place.
fn byte(is_server: bool, at: usize) -> u8 {
    let at = (at as u32).wrapping_mul(2_654_435_761) >> 24;
    at as u8 ^ if is_server { 0x55 } else { 0 }
}

/// Says its part as fast as it is taken, and compares what it hears with the other side's.
pub(crate) struct Talk {
    is_server: bool,
    /// How much each side says.
    length: usize,
    said: usize,
    heard: usize,
    fates: Fates,
}

impl Talk {
    pub(crate) fn new(is_server: bool, length: usize, fates: &Fates) -> Self {
        Self { is_server, length, said: 0, heard: 0, fates: fates.clone() }
    }

    fn say(&mut self, transport: &Transport) {
        while self.said < self.length && !transport.is_full() {
            let piece: Vec<u8> =
                (self.said..self.length.min(self.said + PIECE)).map(|at| byte(self.is_server, at)).collect();
            transport.write(&piece);
            self.said += piece.len();
        }
        if self.said == self.length {
            transport.close_write();
        }
    }

    fn hear(&mut self, transport: &Transport, data: &[u8]) {
        let right = data.iter().zip(self.heard..).all(|(heard, at)| *heard == byte(!self.is_server, at));
        assert!(right, "altered between {} and {}", self.heard, self.heard + data.len());
        self.heard += data.len();
        self.fates.change(transport, |fate| fate.heard = self.heard);
    }
}

impl Protocol for Talk {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        assert!(transport.peer().secured.is_some(), "the handshake is not done");
        self.fates.change(transport, |fate| assert!(!mem::replace(&mut fate.built, true), "built twice"));
        self.say(transport);
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.hear(transport, input.rest());
        Ok(())
    }

    fn writable(&mut self, transport: &Transport) -> Result {
        self.say(transport);
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.hear(transport, input.rest());
        self.fates.change(transport, |fate| fate.eof = true);
        Ok(())
    }

    fn connection_lost(&mut self, transport: &Transport, reason: &Reason) {
        self.fates.change(transport, |fate| assert_eq!(fate.told.replace(name(reason)), None, "lost twice"));
    }
}
