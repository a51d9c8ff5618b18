//! [`Canary`]: bugs on purpose, one for each thing that the soak says it would notice.

use crate::{
    judge::Invariant::{
        self, Answers, Bytes, Durable, Hang, Left, Limits, LostOnce, Mail, Order, Panic, Reasons, SameTrace,
        Timers,
    },
    trial,
};
use trenza_core::canary::break_on_purpose;

/// Within how many seeds every canary must be found.
pub(crate) const SEEDS_MAX: u64 = 50;

/// A bug that the driver or the loop has while it is switched on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Canary {
    pub(crate) name: &'static str,
    /// What it breaks.
    pub(crate) breaks: Invariant,
    pub(crate) what: &'static str,
}

const fn canary(name: &'static str, breaks: Invariant, what: &'static str) -> Canary {
    Canary { name, breaks, what }
}

pub(crate) const CANARIES: &[Canary] = &[
    canary("drop-byte", Bytes, "the driver leaves out a received byte"),
    canary("swap-bytes", Bytes, "the driver swaps two received bytes"),
    canary("deliver-twice", Bytes, "the driver tells received bytes twice"),
    canary("cut-tail", Bytes, "a FIN overtakes the bytes before it"),
    canary("change-datagram", Mail, "the network changes a byte of a datagram"),
    canary("misdeliver-datagram", Mail, "a datagram comes to another port of its host"),
    canary("lose-connection-lost", LostOnce, "the loop forgets connection_lost"),
    canary("call-connection-lost-twice", LostOnce, "the loop calls connection_lost twice"),
    canary("call-after-lost", Order, "the loop calls a protocol after connection_lost"),
    canary("offer-while-paused", Order, "the loop offers bytes to a protocol that has paused"),
    canary("wrong-reason", Reasons, "the loop tells a wrong reason for a connection's end"),
    canary("exceed-unread", Limits, "the loop reads on beyond the unread limit"),
    canary("exceed-unsent", Limits, "the loop takes bytes beyond the unsent limit"),
    canary("exceed-connections", Limits, "the driver accepts although it was told not to"),
    canary("ignore-throttle", Limits, "the loop reads a source whose sink is full"),
    canary("fire-cancelled-timer", Timers, "a timer fires after it was cancelled"),
    canary("fire-early", Timers, "a timer fires before its time"),
    canary("forget-answer", Answers, "a deferred never fires"),
    canary("lose-eof", Hang, "the driver does not tell the end of the peer's stream"),
    canary("lose-sent", Hang, "the driver does not tell that there is room again"),
    canary("leave-timer", Left, "a connection's timer outlives it"),
    canary("leave-task", Left, "a connection's coroutine outlives it"),
    canary("leave-socket", Left, "the loop does not close a connection's socket"),
    canary("leave-port", Left, "a stopped port stays in the loop's list"),
    canary("forget-sync", Durable, "a disk does not write a file that is synced"),
    canary("forget-folder-sync", Durable, "a disk does not write the names of a folder that is synced"),
    canary("tear-rename", Durable, "a disk takes the old name away and loses the new one"),
    canary("panic", Panic, "the driver panics"),
    canary("forget-seed", SameTrace, "the network does what no seed has decided"),
];

impl Canary {
    pub(crate) fn of(name: &str) -> Option<&'static Self> {
        CANARIES.iter().find(|canary| canary.name == name)
    }

    /// The first seed that finds it, for the reason that it should.
    pub(crate) fn find(&'static self) -> Option<u64> {
        let breaks = |seed| trial(seed, None, Some(self)).breach.map(|breach| breach.invariant);
        (0..SEEDS_MAX).find(|seed| breaks(*seed) == Some(self.breaks))
    }
}

/// Switches a canary on, and any other off.
pub(crate) fn sing(canary: Option<&'static Canary>) {
    break_on_purpose(canary.map(|canary| canary.name));
}
