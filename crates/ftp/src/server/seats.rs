//! [`Seats`]: how many sessions there are, on all loops.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use trenza_core::Map;

/// Counts sessions, in all and by account.
#[derive(Debug, Default)]
pub(super) struct Seats {
    all: AtomicUsize,
    accounts: Mutex<Map<String, usize>>,
}

/// A session's place; dropping it leaves.
#[derive(Debug)]
pub(super) struct Place(Arc<Seats>);

/// A place among the sessions of an account.
#[derive(Debug)]
pub(super) struct AccountPlace {
    seats: Arc<Seats>,
    name: String,
}

impl Seats {
    /// One more session; None: there are `max`.
    pub(super) fn enter(self: &Arc<Self>, max: usize) -> Option<Place> {
        let add = |now: usize| (now < max).then_some(now + 1);
        self.all.fetch_update(SeqCst, SeqCst, add).is_ok().then(|| Place(self.clone()))
    }

    /// One more session of an account; None: it has `max`.
    pub(super) fn enter_account(self: &Arc<Self>, name: &str, max: usize) -> Option<AccountPlace> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let here = accounts.get(name).copied().unwrap_or(0);
        if here >= max {
            return None;
        }
        accounts.insert(name.to_owned(), here + 1);
        Some(AccountPlace { seats: self.clone(), name: name.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.all.fetch_sub(1, SeqCst);
    }
}

impl Drop for AccountPlace {
    fn drop(&mut self) {
        let mut accounts = self.seats.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        match accounts.get_mut(&self.name) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(accounts.remove(&self.name)),
        }
    }
}
