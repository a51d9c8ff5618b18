//! [`Rates`]: how many messages a minute.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use trenza_core::Map;

/// How long messages are counted together.
const MINUTE: Duration = Duration::from_secs(60);
/// So many senders are counted at once; who comes when there are more is not.
const COUNTED_MAX: usize = 10_000;

/// Whose messages are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// Those from this address, of IPv6 from its /64.
    Network(IpAddr),
    /// Those of an account.
    Account(String),
}

impl Whose {
    pub(super) fn address(ip: IpAddr) -> Self {
        Self::Network(match ip.to_canonical() {
            IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
            ip => ip,
        })
    }
}

/// Counts messages, each minute anew.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<Map<Whose, (Instant, u32)>>);

impl Rates {
    /// One more message; false: there were `max` in this minute.
    pub(super) fn count(&self, now: Instant, whose: Whose, max: u32) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= COUNTED_MAX && !counted.contains_key(&whose) {
            counted.retain(|_, (since, _)| now.duration_since(*since) < MINUTE);
            if counted.len() >= COUNTED_MAX {
                return true;
            }
        }
        let (since, count) = counted.entry(whose).or_insert((now, 0));
        if now.duration_since(*since) >= MINUTE {
            (*since, *count) = (now, 0);
        }
        let fits = *count < max;
        *count += u32::from(fits);
        fits
    }
}
