//! [`Room`]: how many there are, over all loops that count together.

use crate::{Remote, engine::command::Command};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

/// How many there are, on whatever loop, and which loops wait for there to be fewer.
#[derive(Default)]
pub(crate) struct Room {
    live: AtomicUsize,
    awaited: AtomicBool,
    /// Each loop once.
    waiting: Mutex<Vec<Remote>>,
}

impl Room {
    pub(crate) fn live(&self) -> usize {
        self.live.load(SeqCst)
    }

    /// One more, whatever the limit.
    pub(crate) fn enter(&self) {
        self.live.fetch_add(1, SeqCst);
    }

    /// One more, unless there are `max`.
    pub(crate) fn try_enter(&self, max: usize) -> bool {
        let more = |live: usize| (live < max).then_some(live + 1);
        self.live.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    /// One less. Loops that wait look at their ports again.
    pub(crate) fn leave(&self) {
        self.live.fetch_sub(1, SeqCst);
        if self.awaited.swap(false, SeqCst) {
            let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            for remote in waiting {
                remote.call(|reactor| reactor.0.command(Command::Accept));
            }
        }
    }

    /// True when there are `max`; then the loop is told when there are fewer.
    pub(crate) fn is_full_for(&self, max: usize, remote: &Remote) -> bool {
        if self.live() < max {
            return false;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|other| other.is_of_the_same(remote)) {
            waiting.push(remote.clone());
        }
        drop(waiting);
        self.awaited.store(true, SeqCst);
        // One may have left in between, and told nobody.
        self.live() >= max
    }
}
