//! [`Line`]: how many bytes a second fit between two hosts.

use crate::world::World;
use std::{collections::BTreeMap, time::Duration};

/// The bandwidth of the lines between hosts, and until when each is busy.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// In bytes per second, where no other is set; without one the line takes any number at once.
    pub(crate) rate: Option<u64>,
    pub(crate) rates: BTreeMap<(usize, usize), u64>,
    busy_until: BTreeMap<(usize, usize), Duration>,
}

impl World {
    /// How long a segment of `size` bytes waits until it has left: those before it, of all connections that share its
    /// line, leave first. Each direction is a line of its own.
    pub(crate) fn queueing(&mut self, from: usize, to: usize, size: usize) -> Duration {
        let (from, to) = (self.home(from), self.home(to));
        let pair = (from.min(to), from.max(to));
        let Some(rate) = self.line.rates.get(&pair).copied().or(self.line.rate).filter(|_| from != to) else {
            return Duration::ZERO;
        };
        let now = self.elapsed();
        let busy_until = self.line.busy_until.entry((from, to)).or_default();
        let nanos = (size as u128 * 1_000_000_000).div_ceil(u128::from(rate));
        *busy_until = (*busy_until).max(now) + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        *busy_until - now
    }
}
