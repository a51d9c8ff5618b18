//! [`Seats`]: how many sessions there are, on all loops.

use super::pipes::Pipes;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use trenza_core::Map;

/// Counts sessions, in all and by account.
#[derive(Debug, Default)]
pub(super) struct Seats {
    all: AtomicUsize,
    accounts: Mutex<Map<String, Sessions>>,
}

/// The sessions of an account.
#[derive(Debug)]
struct Sessions {
    count: usize,
    /// What their data connections share.
    pipes: Pipes,
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

    /// One more session of an account, and the pipes that it shares with the others, which the first one makes; None:
    /// the account has `max`.
    pub(super) fn enter_account(
        self: &Arc<Self>,
        name: &str,
        max: usize,
        pipes: impl FnOnce() -> Pipes,
    ) -> Option<(AccountPlace, Pipes)> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if max == 0 || accounts.get(name).is_some_and(|sessions| sessions.count >= max) {
            return None;
        }
        let new = || Sessions { count: 0, pipes: pipes() };
        let sessions = accounts.entry(name.to_owned()).or_insert_with(new);
        sessions.count += 1;
        let place = AccountPlace { seats: self.clone(), name: name.to_owned() };
        Some((place, sessions.pipes.clone()))
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
            Some(sessions) if sessions.count > 1 => sessions.count -= 1,
            _ => drop(accounts.remove(&self.name)),
        }
    }
}
