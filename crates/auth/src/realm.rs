//! [`Realm`]: what a protocol makes of an account.

use crate::{Account, at_once};
use std::sync::Arc;
use trenza_core::{Deferred, Reactor};

/// What a protocol makes of an account: an open folder, a mailbox, or the [`Account`] as it is ([`Accounts`]).
///
/// Closures are realms:
///
/// ```
/// use std::{path::{Path, PathBuf}, sync::Arc};
/// use trenza_auth::{Account, Memory, Portal, at_once};
/// use trenza_core::{Deferred, Reactor};
///
/// let root = |reactor: &Reactor, account: Arc<Account>| -> Deferred<PathBuf> {
///     let root = account.root.clone().unwrap_or_default();
///     at_once(reactor, Ok(Path::new("/srv/ftp").join(root)))
/// };
/// let portal = Portal::new("ftp", Memory::new().with(Account::new("ann"), "secret"), root);
/// # let _ = portal;
/// ```
pub trait Realm {
    /// What is made of it.
    type Avatar: 'static;

    /// Makes it. What blocks belongs on the thread pool. An error is logged, and the login fails with
    /// [`Denied::Unavailable`](crate::Denied::Unavailable).
    fn avatar(&self, reactor: &Reactor, account: Arc<Account>) -> Deferred<Self::Avatar>;
}

impl<A: 'static, F: Fn(&Reactor, Arc<Account>) -> Deferred<A>> Realm for F {
    type Avatar = A;

    fn avatar(&self, reactor: &Reactor, account: Arc<Account>) -> Deferred<A> {
        self(reactor, account)
    }
}

/// The realm that makes nothing of an account: the avatar is the account.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accounts;

impl Realm for Accounts {
    type Avatar = Arc<Account>;

    fn avatar(&self, reactor: &Reactor, account: Arc<Account>) -> Deferred<Arc<Account>> {
        at_once(reactor, Ok(account))
    }
}
