//! [`Checker`]: who knows whether credentials are right.

use crate::{Account, Credentials, Mechanisms, scram::ScramKeys};
use std::{fmt, sync::Arc};
use trenza_core::{Deferred, Reactor, Result};

/// Knows accounts, and whether credentials are theirs. All loops of a program share one.
///
/// An implementation takes as long for a name that it does not know as for a wrong password, and does what takes long
/// (hashing, files) on the thread pool: [`Hashing`](crate::Hashing).
///
/// ```
/// use std::sync::Arc;
/// use trenza_auth::{Account, Checker, Credentials, Mechanism, Mechanisms};
/// use trenza_core::{Deferred, Reactor};
///
/// /// Lets in who shows the secret of the day.
/// #[derive(Debug)]
/// struct Daily(trenza_auth::Secret);
///
/// impl Checker for Daily {
///     fn check(&self, reactor: &Reactor, shown: &Arc<Credentials>) -> Deferred<Option<Arc<Account>>> {
///         let right = matches!(&**shown, Credentials::Token { token, .. } if *token == self.0);
///         let account = right.then(|| Arc::new(Account::new("guest")));
///         trenza_auth::at_once(reactor, Ok(account))
///     }
///     fn mechanisms(&self) -> Mechanisms {
///         Mechanism::Token.into()
///     }
/// }
/// ```
pub trait Checker: Send + Sync + fmt::Debug {
    /// Whose these are: the account, or None when there is no such account or they are wrong. An error means that it
    /// could not be found out: [`Denied::Busy`](crate::Denied::Busy), or anything else, which is logged.
    fn check(&self, reactor: &Reactor, credentials: &Arc<Credentials>) -> Deferred<Option<Arc<Account>>>;

    /// What may be offered to whoever comes: what all of its accounts can do.
    fn mechanisms(&self) -> Mechanisms;

    /// What the account of this name can do; for one that is not known the same as [`Checker::mechanisms`].
    fn mechanisms_of(&self, name: &str) -> Mechanisms {
        let _ = name;
        self.mechanisms()
    }

    /// The keys that a SCRAM exchange with this name begins with. For a name that is not known, keys that look like
    /// others, the same each time ([`ScramKeys::is_decoy`]); None from a checker that has keys for nobody.
    fn scram_keys(&self, reactor: &Reactor, name: &str) -> Deferred<Option<ScramKeys>> {
        let _ = name;
        at_once(reactor, Ok(None))
    }
}

/// A result that is there already, for checkers and realms that need not wait.
pub fn at_once<T: 'static>(reactor: &Reactor, result: Result<T>) -> Deferred<T> {
    let (deferred, resolver) = reactor.deferred();
    resolver.fire(result);
    deferred
}
