//! [`Anonymous`]: lets in who says that he is nobody.

use crate::{Account, Checker, Credentials, Mechanism, Mechanisms, Rights, at_once};
use std::sync::Arc;
use trenza_core::{Deferred, Reactor};

/// Lets in who says that he is nobody in particular, and nobody else.
#[derive(Debug, Clone)]
pub struct Anonymous(Arc<Account>);

impl Anonymous {
    /// As the account `anonymous`, which may read and list.
    pub fn new() -> Self {
        Self::with(Account::new("anonymous").rights(Rights::READ_ONLY))
    }

    /// As this account.
    pub fn with(account: Account) -> Self {
        Self(Arc::new(account))
    }
}

impl Default for Anonymous {
    fn default() -> Self {
        Self::new()
    }
}

impl Checker for Anonymous {
    fn check(&self, reactor: &Reactor, credentials: &Arc<Credentials>) -> Deferred<Option<Arc<Account>>> {
        let account = matches!(**credentials, Credentials::Anonymous { .. }).then(|| self.0.clone());
        at_once(reactor, Ok(account))
    }

    fn mechanisms(&self) -> Mechanisms {
        Mechanism::Anonymous.into()
    }
}
