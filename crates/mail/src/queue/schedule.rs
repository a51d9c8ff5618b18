//! [`Schedule`]: when a message is tried again, and for how long.

use std::time::Duration;

/// When a message is tried again, and for how long (RFC 5321 section 4.5.4.1).
///
/// ```
/// use std::time::Duration;
/// use trenza_mail::queue::Schedule;
///
/// let schedule = Schedule { jitter: 0.0, ..Schedule::default() };
/// let minutes: Vec<u64> = (0..8).map(|tries| schedule.pause(tries, 0.0).as_secs() / 60).collect();
/// assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 240, 240]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The pause after the first try; each one is twice as long as the one before. Default 5 minutes.
    pub first: Duration,
    /// The longest pause. Default 4 hours.
    pub longest: Duration,
    /// The longest pause of a destination that could not be reached. Default 1 hour: one message tries it for all.
    pub longest_of_destination: Duration,
    /// By how much of itself a pause may be longer or shorter, so that what failed together does not come together again.
    /// Default 0.1.
    pub jitter: f64,
    /// After how long the sender is told that the message is late. Default 4 hours; None: never.
    pub warn: Option<Duration>,
    /// After how long it comes back. Default 5 days.
    pub give_up: Duration,
    /// How often the queue looks for what others ask of it (`trenza mail queue`). Default 1 second.
    pub look: Duration,
}

impl Schedule {
    /// How long to wait after as many tries as there were before the one that has failed. `dice` is between -1 and 1.
    pub fn pause(&self, tries: u32, dice: f64) -> Duration {
        self.up_to(self.longest, tries, dice)
    }

    pub(super) fn pause_of_destination(&self, failures: u32, dice: f64) -> Duration {
        self.up_to(self.longest_of_destination, failures, dice)
    }

    /// Nothing waits longer for its next try.
    pub(super) fn longest_pause(&self) -> Duration {
        // With its jitter, which is at most as long again.
        self.longest.max(self.longest_of_destination).max(self.first).saturating_mul(2)
    }

    fn up_to(&self, longest: Duration, tries: u32, dice: f64) -> Duration {
        let pause = self.first.saturating_mul(1 << tries.min(20)).min(longest);
        let factor = 1.0 + self.jitter.clamp(0.0, 1.0) * dice.clamp(-1.0, 1.0);
        Duration::try_from_secs_f64(pause.as_secs_f64() * factor).unwrap_or(pause)
    }
}

impl Default for Schedule {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self {
            first: minutes(5),
            longest: minutes(240),
            longest_of_destination: minutes(60),
            jitter: 0.1,
            warn: Some(minutes(240)),
            give_up: minutes(5 * 24 * 60),
            look: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_within_their_jitter() {
        let schedule = Schedule::default();
        for tries in [0, 1, 5, 6, 100, u32::MAX] {
            let plain = schedule.pause(tries, 0.0);
            assert!(plain >= schedule.first && plain <= schedule.longest);
            for (dice, factor) in [(-1.0, 0.9), (1.0, 1.1), (0.5, 1.05), (-9.0, 0.9), (f64::INFINITY, 1.1)] {
                let expected = plain.as_secs_f64() * factor;
                let pause = schedule.pause(tries, dice).as_secs_f64();
                assert!((pause - expected).abs() < 1e-6, "{tries} {dice}: {pause}");
            }
            assert!(schedule.pause_of_destination(tries, 0.0) <= schedule.longest_of_destination);
        }
    }
}
