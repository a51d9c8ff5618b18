//! [`Directory`]: who has an account.

use std::{collections::BTreeMap, fmt, sync::Arc};
use trenza_auth::{Account, AccountsFile};

/// Knows who has an account, by the name that is logged in with: `ann`, or `ann@example.org`. All loops share one.
pub trait Directory: Send + Sync + fmt::Debug + 'static {
    /// The account of this name. It does not block.
    fn account(&self, name: &str) -> Option<Arc<Account>>;

    /// Finds out what has changed. It may block, and is called once a second at most, while messages come.
    fn look(&self) {}
}

impl Directory for AccountsFile {
    fn account(&self, name: &str) -> Option<Arc<Account>> {
        Self::account(self, name)
    }

    fn look(&self) {
        Self::look(self);
    }
}

/// Accounts that a program knows itself, by their names.
impl Directory for BTreeMap<String, Arc<Account>> {
    fn account(&self, name: &str) -> Option<Arc<Account>> {
        self.get(name).cloned()
    }
}
