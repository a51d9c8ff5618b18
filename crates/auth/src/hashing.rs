//! [`Hashing`]: so many passwords are hashed at a time.

use crate::{
    Credentials, Denied, Verifier,
    recent::{Recent, tag},
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use trenza_core::{Deferred, Reactor, RemoteResolver, Result, TimedOut, driver::PoolFull, timeout};

/// How many passwords are hashed at a time unless told otherwise. Each takes 19 MiB and a thread of the pool.
pub const HASHINGS_MAX: usize = 4;
/// How many logins wait for their turn. One more takes the place of the one that waits longest.
pub const WAITING_MAX: usize = 1024;
/// So many wait in the order in which they came. When there are more it is a flood, of which most would wait in vain
/// however they stand: then who came last is next, so that somebody who logs in meanwhile is served at once, or as soon
/// as he tries again, instead of never.
pub const ORDERLY_MAX: usize = 64;
/// How long one waits for its turn.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// For how long a password that was right need not be hashed again, unless told otherwise.
pub const REMEMBERED: Duration = Duration::from_secs(300);

/// Hashes passwords on the thread pool, so many at a time, whoever asks: a flood of logins fills neither memory nor pool.
/// A password that was right is not hashed again for [`REMEMBERED`]. Clones are one, on other loops too.
#[derive(Clone)]
pub struct Hashing(Arc<Mutex<State>>);

struct State {
    free: usize,
    next: u64,
    waiting: BTreeMap<u64, RemoteResolver<Turn>>,
    /// What tags are made with; drawn when the first one is.
    key: Option<[u8; 32]>,
    recent: Recent,
    lasts: Duration,
}

impl Hashing {
    /// So many at a time, one at least.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: max.max(1),
            next: 0,
            waiting: BTreeMap::new(),
            key: None,
            recent: Recent::default(),
            lasts: REMEMBERED,
        })))
    }

    /// For how long a password that was right need not be hashed again; zero: each login is hashed.
    #[must_use]
    pub fn remember(self, lasts: Duration) -> Self {
        self.lock().lasts = lasts;
        self
    }

    /// Is it the password? Hashes it when it is its turn, unless it was right a moment ago.
    pub(crate) fn fits(
        &self,
        reactor: &Reactor,
        verifier: Verifier,
        shown: &Arc<Credentials>,
    ) -> Deferred<bool> {
        let (hashing, on, shown) = (self.clone(), reactor.clone(), shown.clone());
        reactor.spawn(async move {
            let Credentials::Password { password, .. } = &*shown else { return Ok(false) };
            let tag = tag(&hashing.key(&on), &verifier, password);
            if hashing.has(&tag, &on) {
                return Ok(true);
            }
            let turn = hashing.enter(&on).await?;
            // It may have been hashed while this one waited: a client with many connections.
            if hashing.has(&tag, &on) {
                return Ok(true);
            }
            let (compared, now) = (shown.clone(), on.now());
            in_turn(&on, turn, move || {
                let Credentials::Password { password, .. } = &*compared else { return Ok(false) };
                let fits = verifier.fits(password);
                if fits {
                    // Before the turn ends, so that the next one knows.
                    let mut state = hashing.lock();
                    let lasts = state.lasts;
                    state.recent.add(tag, now, lasts);
                }
                Ok(fits)
            })
            .await
        })
    }

    fn has(&self, tag: &[u8; 32], reactor: &Reactor) -> bool {
        let state = self.lock();
        state.recent.has(tag, reactor.now(), state.lasts)
    }

    fn key(&self, reactor: &Reactor) -> [u8; 32] {
        *self.lock().key.get_or_insert_with(|| {
            let mut key = [0; 32];
            reactor.random(&mut key);
            key
        })
    }

    /// Runs `work` on the thread pool when it is its turn. Fails with [`Denied::Busy`] when [`WAITING_MAX`] came after it,
    /// or the turn did not come within [`WAIT_MAX`].
    pub fn run<T: Send + 'static>(
        &self,
        reactor: &Reactor,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Deferred<T> {
        let (hashing, on) = (self.clone(), reactor.clone());
        reactor.spawn(async move {
            let turn = hashing.enter(&on).await?;
            in_turn(&on, turn, work).await
        })
    }

    /// How many wait for their turn.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    async fn enter(&self, reactor: &Reactor) -> Result<Turn> {
        let (turn, place, too_many) = {
            let mut state = self.lock();
            if let Some(free) = state.free.checked_sub(1) {
                state.free = free;
                return Ok(Turn(self.clone()));
            }
            let (turn, resolver) = reactor.remote_resolver();
            let full = state.waiting.len() >= WAITING_MAX;
            let too_many = full.then(|| state.waiting.pop_first()).flatten();
            state.next += 1;
            let number = state.next;
            state.waiting.insert(number, resolver);
            (turn, Place(self, number), too_many)
        };
        if let Some((_, longest)) = too_many {
            longest.fire(Err(Denied::Busy.into()));
        }
        let turn = timeout(WAIT_MAX, turn).await;
        drop(place);
        turn.map_err(|error| if error.is::<TimedOut>() { Denied::Busy.into() } else { error })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self::new(HASHINGS_MAX)
    }
}

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Hashing").field("free", &state.free).field("waiting", &state.waiting.len()).finish()
    }
}

/// Runs work on the thread pool. Its turn lasts as long as the work does: who has gone away in the meantime still costs
/// what it costs.
async fn in_turn<T: Send + 'static>(
    reactor: &Reactor,
    turn: Turn,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let ended = reactor.in_thread(move || {
        let _turn = turn;
        work()
    });
    ended.await.map_err(|error| if error.is::<PoolFull>() { Denied::Busy.into() } else { error })
}

/// The right to hash. Its end lets the next one begin.
#[derive(Debug)]
struct Turn(Hashing);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let flood = state.waiting.len() > ORDERLY_MAX;
        let next = if flood { state.waiting.pop_last() } else { state.waiting.pop_first() };
        if next.is_none() {
            state.free += 1;
        }
        drop(state);
        if let Some((_, resolver)) = next {
            resolver.fire(Ok(Self(self.0.clone())));
        }
    }
}

/// A place among those who wait; whoever goes away leaves it.
struct Place<'a>(&'a Hashing, u64);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let left = self.0.lock().waiting.remove(&self.1);
        drop(left);
    }
}
