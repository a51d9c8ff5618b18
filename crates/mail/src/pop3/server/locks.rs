//! [`Locks`]: which mailboxes have a session, on all loops.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use trenza_core::Map;
use trenza_storage::Path;

/// So many logins are remembered at once; when there are more, those that are so long ago that they do not count are
/// forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Which mailboxes have a session, and since when.
///
/// Other processes are not kept out: a Maildir needs no lock, and a lock that outlives its process would keep everybody out.
#[derive(Debug, Default)]
pub(super) struct Locks(Mutex<Map<Path, Login>>);

#[derive(Debug, Clone, Copy)]
struct Login {
    at: Instant,
    /// Its session is there.
    held: bool,
}

/// A mailbox is one session's; dropping it ends that.
#[derive(Debug)]
pub(super) struct Held {
    locks: Arc<Locks>,
    mailbox: Path,
    delay: Duration,
}

/// Why a mailbox is not a session's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    InUse,
    TooSoon,
}

impl Locks {
    /// Takes a mailbox for a session. The last one must have begun `delay` ago.
    pub(super) fn hold(
        self: &Arc<Self>,
        mailbox: &Path,
        now: Instant,
        delay: Duration,
    ) -> Result<Held, Refusal> {
        let mut logins = self.logins();
        match logins.get(mailbox) {
            Some(login) if login.held => return Err(Refusal::InUse),
            Some(login) if now.duration_since(login.at) < delay => return Err(Refusal::TooSoon),
            _ => {}
        }
        if logins.len() >= REMEMBERED_MAX {
            logins.retain(|_, login| login.held || now.duration_since(login.at) < delay);
        }
        logins.insert(mailbox.clone(), Login { at: now, held: true });
        Ok(Held { locks: self.clone(), mailbox: mailbox.clone(), delay })
    }

    fn logins(&self) -> MutexGuard<'_, Map<Path, Login>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut logins = self.locks.logins();
        if self.delay.is_zero() {
            logins.remove(&self.mailbox);
        } else if let Some(login) = logins.get_mut(&self.mailbox) {
            login.held = false;
        }
    }
}
