//! [`Clock`]: the wall clock as certificates are judged by it.

use rustls::{pki_types::UnixTime, time_provider::TimeProvider};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

/// The wall clock of the loop, as far as it was told: rustls asks for the time from any thread, and the loop's clock
/// is bound to its own. It is virtual in the simulator.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    pub(crate) fn set(&self, wall: SystemTime) {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.0.store(since.as_secs(), Ordering::Relaxed);
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        match self.0.load(Ordering::Relaxed) {
            0 => None, // it was never told
            seconds => Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds))),
        }
    }
}
