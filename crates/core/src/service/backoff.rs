//! [`Backoff`]: how long a client waits before it tries again.

use crate::Reactor;
use std::time::Duration;

/// When a client that has failed tries again. A closure will do.
pub trait Retry: 'static {
    /// How long to wait after so many failures in a row, from 1 on. None: give up.
    fn delay(&mut self, failures: u32, reactor: &Reactor) -> Option<Duration>;
}

impl<F: FnMut(u32, &Reactor) -> Option<Duration> + 'static> Retry for F {
    fn delay(&mut self, failures: u32, reactor: &Reactor) -> Option<Duration> {
        self(failures, reactor)
    }
}

/// Waits longer after every failure, up to a limit, and never for exactly as long as all the others who have lost the
/// same server. For a pause of your own, as before a program is started again, call [`Retry::delay`].
///
/// ```
/// use std::time::Duration;
/// use trenza_core::{Backoff, Retry};
///
/// let mut backoff = Backoff { jitter: 0.0, ..Backoff::default() };
/// let net = trenza_sim::Net::new(1);
/// let delays = net.host("here").run(|reactor| {
///     [1, 2, 3, 4, 100].map(|failures| backoff.delay(failures, reactor).unwrap_or_default().as_secs())
/// });
/// assert_eq!(delays, [1, 2, 4, 8, 60]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The time after the first failure. Default 1 s.
    pub first: Duration,
    /// By how much it grows with each further one. Default 2.
    pub factor: f64,
    /// The longest time. Default 60 s.
    pub most: Duration,
    /// The part of the time, from 0 to 1, that chance may take away. Default 0.5: from half of it to all of it.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), factor: 2.0, most: Duration::from_secs(60), jitter: 0.5 }
    }
}

impl Retry for Backoff {
    fn delay(&mut self, failures: u32, reactor: &Reactor) -> Option<Duration> {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.first.as_secs_f64() * self.factor.max(1.0).powi(exponent);
        let seconds = grown.min(self.most.as_secs_f64());
        let mut bytes = [0; 4];
        reactor.random(&mut bytes);
        let chance = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
        let kept = 1.0 - self.jitter.clamp(0.0, 1.0) * chance;
        Some(Duration::try_from_secs_f64(seconds * kept).unwrap_or(self.most))
    }
}
