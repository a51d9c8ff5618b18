//! [`Home`]: what an account finds when it has logged in, and the realms that give it.

use std::sync::Arc;
use trenza_auth::{Account, Credentials, Mechanism, Portal, Realm, at_once};
use trenza_core::{Deferred, Peer, Reactor};
use trenza_storage::Tree;

/// What an account finds when it has logged in.
#[derive(Debug, Clone)]
pub struct Home {
    /// Who it is. Its rights are what MLSD shows as `perm`; that it has no others is the tree's to see to.
    pub account: Arc<Account>,
    /// Its folders and files.
    pub tree: Arc<dyn Tree>,
}

/// The realm that gives everybody the same tree, as it is: accounts may do in it what the tree lets them.
#[derive(Debug, Clone)]
pub struct Root(Arc<dyn Tree>);

impl Root {
    /// Everybody gets this tree.
    pub fn new(tree: Arc<dyn Tree>) -> Self {
        Self(tree)
    }
}

impl Realm for Root {
    type Avatar = Home;

    fn avatar(&self, reactor: &Reactor, account: Arc<Account>) -> Deferred<Home> {
        at_once(reactor, Ok(Home { account, tree: self.0.clone() }))
    }
}

/// A portal to homes, whatever its realm.
pub(super) trait Logins: Send + Sync {
    fn login(&self, reactor: &Reactor, credentials: Credentials, peer: &Peer) -> Deferred<Home>;

    /// Nobody in particular may come in.
    fn is_anonymous(&self) -> bool;
}

impl<R: Realm<Avatar = Home> + Send + Sync + 'static> Logins for Portal<R> {
    fn login(&self, reactor: &Reactor, credentials: Credentials, peer: &Peer) -> Deferred<Home> {
        Self::login(self, reactor, credentials, peer)
    }

    fn is_anonymous(&self) -> bool {
        self.mechanisms().contains(Mechanism::Anonymous)
    }
}
