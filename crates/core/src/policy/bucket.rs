//! [`Rate`] and [`Bucket`]: how many bytes a second, alone or in common with others.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Levels are in billionths of a byte, so that a rate in bytes per second adds one unit per nanosecond.
const UNITS: i128 = 1_000_000_000;
/// A share of a second's bytes that a connection asks for at a time: as often it waits, and so fine is the division
/// among connections that share a bucket.
const SHARE: u64 = 100;
/// What a connection asks for at least and at most, in bytes. Less would be all overhead, more would be coarse.
const ASK_MIN: u64 = 1024;
const ASK_MAX: u64 = 256 * 1024;
/// The longest wait: 100 years.
const WAIT_MAX: u64 = 100 * 365 * 24 * 3600 * 1_000_000_000;

/// So many bytes a second, and how many may move at once after a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    bytes: u64,
    burst: u64,
}

impl Rate {
    /// `bytes` per second, at least 1. The burst is what flows in a tenth of a second, and at least 4 KiB.
    pub fn new(bytes: u64) -> Self {
        Self { bytes: bytes.max(1), burst: (bytes / 10).max(4096) }
    }

    /// Sets the burst in bytes, at least 1.
    #[must_use]
    pub fn burst(self, bytes: u64) -> Self {
        Self { burst: bytes.max(1), ..self }
    }
}

/// A token bucket: whoever draws from it has, over any time `t`, at most `rate * t + burst` bytes. A bucket may lie
/// within another one, as that of a connection within that of its user, and this within that of the port; then both
/// must have room.
///
/// Who finds it empty waits in turn: connections that share a bucket and ask for more than it gives get equal shares.
///
/// Clones are the same bucket, on other loops too: what is for all is made before them, as `all` here, and each takes
/// a clone.
///
/// ```
/// use trenza_core::{Bucket, Rate};
///
/// let all = Bucket::new(Rate::new(10_000_000));
/// let user = all.within(Rate::new(1_000_000).burst(64 * 1024)); // a part of it
/// # drop(user);
/// ```
#[derive(Clone)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    rate: Rate,
    parent: Option<Bucket>,
    state: Mutex<State>,
}

struct State {
    /// How full it is; below zero, what was drawn in advance.
    level: i128,
    /// When that was so; None: it was never drawn from and is full.
    at: Option<Instant>,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: Rate) -> Self {
        Self::with(rate, None)
    }

    /// A bucket within this one.
    #[must_use]
    pub fn within(&self, rate: Rate) -> Self {
        Self::with(rate, Some(self.clone()))
    }

    fn with(rate: Rate, parent: Option<Self>) -> Self {
        let state = State { level: i128::from(rate.burst) * UNITS, at: None };
        Self(Arc::new(Inner { rate, parent, state: Mutex::new(state) }))
    }

    /// Nobody waits while it is held, and numbers are never left halfway.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This bucket and those that it lies within, the innermost first.
    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |bucket| bucket.0.parent.as_ref())
    }

    /// Draws `bytes` from this one bucket, in advance if it must; gives when they are there.
    fn draw(&self, bytes: usize, now: Instant) -> Instant {
        let (rate, state) = (self.0.rate, &mut *self.lock());
        let passed = state.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let gained = i128::try_from(passed.as_nanos()).unwrap_or(i128::MAX);
        let gained = gained.saturating_mul(i128::from(rate.bytes));
        let full = i128::from(rate.burst) * UNITS;
        let level = state.level.saturating_add(gained).min(full);
        state.level = level.saturating_sub(in_units(bytes));
        // Another loop may be a little ahead.
        state.at = state.at.max(Some(now));
        if state.level >= 0 {
            return now;
        }
        let wait = state.level.unsigned_abs().div_ceil(u128::from(rate.bytes));
        now + Duration::from_nanos(u64::try_from(wait).unwrap_or(WAIT_MAX).min(WAIT_MAX))
    }

    /// Gives back what was drawn and not used.
    fn give_back(&self, bytes: usize) {
        let full = i128::from(self.0.rate.burst) * UNITS;
        let mut state = self.lock();
        state.level = state.level.saturating_add(in_units(bytes)).min(full);
    }

    /// Draws `bytes` that have come already from all; gives when none is in debt.
    pub(crate) fn charge(&self, bytes: usize, now: Instant) -> Instant {
        self.chain().map(|bucket| bucket.draw(bytes, now)).max().unwrap_or(now)
    }

    /// How many bytes a connection asks for at a time.
    fn portion(&self) -> usize {
        let portion = |rate: Rate| (rate.bytes / SHARE).clamp(ASK_MIN, ASK_MAX).min(rate.burst);
        let least = self.chain().map(|bucket| portion(bucket.0.rate)).min().unwrap_or(ASK_MIN);
        usize::try_from(least).unwrap_or(usize::MAX)
    }
}

fn in_units(bytes: usize) -> i128 {
    (bytes as i128).saturating_mul(UNITS)
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("rate", &self.0.rate).finish_non_exhaustive()
    }
}

/// What one connection receives: it has read before it is known how much, so it pays afterwards. Who waits pays in
/// advance for as much as it got the last time, so that of those who wait for one bucket only one goes on at a time.
pub(crate) struct Meter {
    bucket: Bucket,
    /// Paid for, and not received yet.
    credit: usize,
    /// The size of the last piece.
    last: usize,
    /// Until when nothing is read.
    held: Option<Instant>,
}

impl Meter {
    /// Who comes while others are in debt waits for them.
    pub(crate) fn new(bucket: Bucket, now: Instant) -> Self {
        let ready = bucket.charge(0, now);
        Self { bucket, credit: 0, last: 0, held: Some(ready).filter(|ready| *ready > now) }
    }

    /// Pays for bytes that have come.
    pub(crate) fn received(&mut self, bytes: usize, now: Instant) {
        let paid = self.credit.min(bytes);
        self.credit -= paid;
        self.last = bytes;
        let ready = self.bucket.charge(bytes - paid, now);
        if ready > now && self.credit == 0 {
            self.held = self.held.max(Some(ready));
        }
    }

    /// Until when nothing may be read; None: now.
    pub(crate) fn held(&mut self, now: Instant) -> Option<Instant> {
        if self.held? <= now {
            let ready = self.bucket.charge(0, now);
            self.held = Some(ready).filter(|ready| *ready > now);
            if self.held.is_none() {
                self.credit = self.last.max(self.bucket.portion());
                self.bucket.charge(self.credit, now);
            }
        }
        self.held
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bucket.chain().for_each(|bucket| bucket.give_back(self.credit));
    }
}

/// What one connection may send: a portion at a time is asked for, of one bucket after the other, the innermost first.
/// Each has one portion in each queue at most, so those who share a bucket take turns.
pub(crate) struct Pace {
    bucket: Bucket,
    /// The portion that is being asked for.
    asked: usize,
    /// How many buckets of the chain have been drawn from for it.
    drawn: usize,
    /// When the last of them has it.
    ready: Option<Instant>,
    /// What may be sent now.
    granted: usize,
}

impl Pace {
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self { bucket, asked: 0, drawn: 0, ready: None, granted: 0 }
    }

    /// How many of `want` bytes may leave now. When it is fewer, [`Pace::ready`] says when to ask again.
    pub(crate) fn allow(&mut self, want: usize, now: Instant) -> usize {
        while self.granted < want {
            if self.asked == 0 {
                self.asked = (want - self.granted).min(self.bucket.portion());
            }
            if self.ready.is_some_and(|ready| ready > now) {
                break;
            }
            match self.bucket.chain().nth(self.drawn) {
                Some(next) => {
                    self.ready = Some(next.draw(self.asked, now));
                    self.drawn += 1;
                }
                None => {
                    self.granted += self.asked;
                    (self.asked, self.drawn, self.ready) = (0, 0, None);
                }
            }
        }
        self.granted.min(want)
    }

    /// When there is more.
    pub(crate) fn ready(&self) -> Option<Instant> {
        self.ready
    }

    /// So many of the bytes that were allowed have left; the rest is for others.
    pub(crate) fn used(&mut self, bytes: usize) {
        let rest = std::mem::take(&mut self.granted).saturating_sub(bytes);
        self.bucket.chain().for_each(|bucket| bucket.give_back(rest));
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.used(0);
        self.bucket.chain().take(self.drawn).for_each(|bucket| bucket.give_back(self.asked));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)] // any moment will do
    fn start() -> Instant {
        Instant::now()
    }

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let now = start();
        let bucket = Bucket::new(Rate::new(1000).burst(500));
        assert_eq!(bucket.charge(500, now), now);
        assert_eq!(bucket.charge(1, now), now + millis(1));
        assert_eq!(bucket.charge(99, now), now + millis(100));
        assert_eq!(bucket.charge(0, now + millis(100)), now + millis(100));
        // A silence fills it, but not over its brim.
        assert_eq!(bucket.charge(501, now + Duration::from_secs(9)), now + millis(9001));
    }

    #[test]
    fn waits_are_rounded_up() {
        let now = start();
        let bucket = Bucket::new(Rate::new(3).burst(1));
        assert_eq!(bucket.charge(2, now), now + Duration::from_nanos(333_333_334));
        assert_eq!(Bucket::new(Rate::new(0).burst(0)).charge(2, now), now + Duration::from_secs(1));
        let late = Bucket::new(Rate::new(1)).charge(usize::MAX, now);
        assert!(late > now && late <= now + Duration::from_nanos(WAIT_MAX));
        assert_eq!(Bucket::new(Rate::new(u64::MAX).burst(u64::MAX)).charge(1 << 40, now), now);
    }

    #[test]
    fn both_a_bucket_and_its_parent_must_have_room() {
        let now = start();
        let all = Bucket::new(Rate::new(1000).burst(1000));
        let (one, other) = (all.within(Rate::new(500).burst(100)), all.within(Rate::new(5000).burst(5000)));
        assert_eq!(one.charge(200, now), now + millis(200));
        assert_eq!(other.charge(1800, now), now + millis(1000));
    }

    /// Sends all it may, at each moment that it is told to come back at; gives the bytes of each one.
    fn sent(paces: &mut [Pace], now: Instant, until: Duration) -> Vec<usize> {
        let mut sums = vec![0; paces.len()];
        let mut at = now;
        while at <= now + until {
            for (pace, sum) in paces.iter_mut().zip(&mut sums) {
                let allowed = pace.allow(1 << 20, at);
                pace.used(allowed);
                *sum += allowed;
            }
            at = paces.iter().filter_map(Pace::ready).min().unwrap();
        }
        sums
    }

    #[test]
    fn a_pace_is_exact() {
        let mut paces = [Pace::new(Bucket::new(Rate::new(100_000).burst(5000)))];
        let [bytes] = sent(&mut paces, start(), Duration::from_secs(10))[..] else { unreachable!() };
        assert!((1_000_000..=1_005_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn those_who_share_take_turns() {
        let all = Bucket::new(Rate::new(100_000).burst(5000));
        let mut paces: Vec<_> =
            (0..4).map(|_| Pace::new(all.within(Rate::new(60_000).burst(5000)))).collect();
        let sums = sent(&mut paces, start(), Duration::from_secs(10));
        let sum: usize = sums.iter().sum();
        assert!((1_000_000 - 4096..=1_005_000).contains(&sum), "{sums:?}");
        assert!(sums.iter().all(|own| own.abs_diff(sum / 4) <= 5000), "{sums:?}");
    }

    #[test]
    fn threads_draw_from_one() {
        let now = start();
        let all = Bucket::new(Rate::new(1000).burst(1000));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let own = all.within(Rate::new(1_000_000));
                scope.spawn(move || {
                    for _ in 0..1000 {
                        own.charge(1, now);
                    }
                });
            }
        });
        assert_eq!(all.charge(0, now), now + Duration::from_secs(3));
    }

    #[test]
    fn of_those_who_wait_to_receive_one_goes_on_at_a_time() {
        let now = start();
        let all = Bucket::new(Rate::new(1000).burst(1));
        assert_eq!(all.charge(1001, now), now + millis(1000));
        let mut meters: Vec<_> = (0..3).map(|_| Meter::new(all.clone(), now)).collect();
        let mut held =
            |at: u64| meters.iter_mut().map(|meter| meter.held(now + millis(at))).collect::<Vec<_>>();
        assert_eq!(held(999), vec![Some(now + millis(1000)); 3]);
        let second = Some(now + millis(1001));
        assert_eq!(held(1000), [None, second, second]);
        // A piece is larger than what was paid for; its debt is everybody's.
        meters[0].received(500, now + millis(1000));
        let debt = Some(now + millis(1500));
        assert_eq!(
            meters.iter_mut().map(|meter| meter.held(now + millis(1001))).collect::<Vec<_>>(),
            [debt; 3]
        );
        assert_eq!(meters[1].held(now + millis(1500)), None);
        meters.remove(1);
        // It is gone without having received anything.
        assert_eq!(all.charge(1, now + millis(1500)), now + millis(1501));
    }

    #[test]
    fn what_was_not_used_is_for_others() {
        let now = start();
        let all = Bucket::new(Rate::new(1000).burst(1000));
        let mut gone = Pace::new(all.within(Rate::new(1000).burst(1000)));
        assert_eq!(gone.allow(1000, now), 1000);
        gone.used(0);
        assert_eq!(gone.allow(1500, now), 1000);
        drop(gone);
        assert_eq!(all.charge(1000, now), now);
    }
}
