//! [`Seats`]: how many sessions there are, on all loops.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

/// Counts sessions.
#[derive(Debug, Default)]
pub(crate) struct Seats(AtomicUsize);

/// A session's place; dropping it leaves.
#[derive(Debug)]
pub(crate) struct Place(Arc<Seats>);

impl Seats {
    /// One more session; None: there are `max`.
    pub(crate) fn enter(self: &Arc<Self>, max: usize) -> Option<Place> {
        let add = |now: usize| (now < max).then_some(now + 1);
        self.0.fetch_update(SeqCst, SeqCst, add).is_ok().then(|| Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
    }
}
