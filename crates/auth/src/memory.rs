//! [`Memory`]: accounts that a program makes itself.

use crate::{
    Account, Checker, Credentials, Hashing, Mechanisms, Record, Secret, at_once,
    record::{Records, in_memory},
    scram::ScramKeys,
};
use std::sync::Arc;
use trenza_core::{Deferred, Reactor};

/// Accounts that a program makes itself, in tests above all.
///
/// ```
/// use std::sync::Arc;
/// use trenza_auth::{Account, Checker, Credentials, Memory, Rights};
/// use trenza_core::Reactor;
///
/// let users = Memory::new()
///     .with(Account::new("ann"), "secret")
///     .with(Account::new("bob").rights(Rights::READ_ONLY), "hidden");
///
/// let net = trenza_sim::Net::new(1);
/// net.block_on(&net.host("here"), async move {
///     let reactor = Reactor::current();
///     let check = async |name, password| {
///         users.check(&reactor, &Arc::new(Credentials::password(name, password))).await
///     };
///     assert_eq!(check("bob", "hidden").await?.map(|bob| bob.rights), Some(Rights::READ_ONLY));
///     assert_eq!(check("bob", "secret").await?, None);
///     Ok(())
/// })?;
/// # Ok::<(), trenza_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Memory {
    records: Arc<Records>,
    hashing: Hashing,
}

impl Memory {
    /// Nobody.
    pub fn new() -> Self {
        Self { records: Arc::new(Records::new([0; 32])), hashing: Hashing::default() }
    }

    /// With this account and its password, of which keys for SCRAM are kept: it takes some milliseconds.
    ///
    /// # Panics
    /// There is an account of this name.
    #[must_use]
    pub fn with(self, account: Account, password: impl Into<Secret>) -> Self {
        let record = in_memory(account, &password.into(), &[0; 32]);
        self.with_record(record)
    }

    /// With this account.
    ///
    /// # Panics
    /// The name, a certificate or a token of it is another account's.
    #[must_use]
    pub fn with_record(mut self, record: Record) -> Self {
        let name = record.account().name.clone();
        let added = Arc::get_mut(&mut self.records).is_some_and(|records| records.add(record));
        assert!(added, "{name:?} cannot be added: there is an account like it, or this is a clone");
        self
    }

    /// Hashes in common with other checkers.
    #[must_use]
    pub fn hashing(self, hashing: Hashing) -> Self {
        Self { hashing, ..self }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Checker for Memory {
    fn check(&self, reactor: &Reactor, credentials: &Arc<Credentials>) -> Deferred<Option<Arc<Account>>> {
        self.records.check(reactor, &self.hashing, credentials)
    }

    fn mechanisms(&self) -> Mechanisms {
        self.records.mechanisms()
    }

    fn mechanisms_of(&self, name: &str) -> Mechanisms {
        self.records.mechanisms_of(name)
    }

    fn scram_keys(&self, reactor: &Reactor, name: &str) -> Deferred<Option<ScramKeys>> {
        at_once(reactor, Ok(self.records.scram_keys(name)))
    }
}
