//! [`Hostility`]: how hard the simulated network makes it for a program.

use crate::dice::Dice;
use std::time::Duration;

/// How often the driver does what a real one may do, but seldom does on a quiet machine.
///
/// Each number is a probability from 0 to 1. None of it breaks the contracts of
/// [`trenza_core::driver`]: a program that is right gives the same answers at any setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Hostility {
    /// A `Received` carries only a part of what is there.
    pub split: f64,
    /// A `Received` carries bytes of several segments at once, a `Datagram` several of one sender.
    pub merge: f64,
    /// What has arrived when reading is turned off is still told, as io_uring does; of a listener, one connection.
    pub late: f64,
    /// A `Sent` with 0 comes although nothing has left.
    pub extra_sent: f64,
    /// A connection gets no `Received` for some waits, as when the buffer ring is dry.
    pub starve: f64,
    /// `wait` returns with no event.
    pub spurious: f64,
    /// `send` takes less than there is room for.
    pub short_send: f64,
    /// A reset overtakes bytes that arrived before it, and is told while reading is off.
    pub reset_overtakes: f64,
    /// Connections that are ready at the same time are told in any order.
    pub shuffle: f64,
    /// An accept fails with "too many open files".
    pub accept_fails: f64,
    /// A host's driver is of the completion kind: it is lent the bytes and tells later that they have left.
    pub completion: f64,
    /// A segment or datagram travels up to so much longer than its link's latency.
    pub jitter: Duration,
    /// A datagram between two hosts is lost.
    pub loss: f64,
    /// A datagram between two hosts arrives twice.
    pub duplicate: f64,
    /// A datagram between two hosts takes a longer way, up to 20 ms, so that others overtake it.
    pub reorder: f64,
}

impl Hostility {
    /// None of it: a network as on a drawing board, with readiness drivers.
    pub fn none() -> Self {
        Self {
            split: 0.0,
            merge: 0.0,
            late: 0.0,
            extra_sent: 0.0,
            starve: 0.0,
            spurious: 0.0,
            short_send: 0.0,
            reset_overtakes: 0.0,
            shuffle: 0.0,
            accept_fails: 0.0,
            completion: 0.0,
            jitter: Duration::ZERO,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
        }
    }

    /// A mixture that differs from seed to seed. Failing accepts are left out: the listener's pause after one
    /// takes time, so that [`crate::Net::run`] would end before a connection is served.
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        let mut draw = |most: f64| if dice.chance(0.4) { 0.0 } else { most * dice.below(101) as f64 / 100.0 };
        Self {
            split: draw(0.9),
            merge: draw(0.5),
            late: draw(0.8),
            extra_sent: draw(0.3),
            starve: draw(0.3),
            spurious: draw(0.3),
            short_send: draw(0.8),
            reset_overtakes: draw(1.0),
            shuffle: draw(1.0),
            accept_fails: 0.0,
            completion: draw(1.0),
            jitter: Duration::from_micros(draw(3000.0) as u64),
            loss: draw(0.2),
            duplicate: draw(0.2),
            reorder: draw(0.5),
        }
    }
}
