//! [`Chain`]: several checkers as one.

use crate::{Account, Checker, Credentials, Mechanism, Mechanisms, scram::ScramKeys};
use std::sync::Arc;
use trenza_core::{Deferred, Error, Reactor};

/// Several checkers as one: the first that lets somebody in does. All are asked before somebody is refused, so
/// the time of a refusal does not tell where an account is. One that cannot be asked keeps nobody out whom another one
/// knows; whoever is not let in by those hears that logins do not work, and it counts as a failure, or passwords of the
/// others could be guessed at any speed until then.
#[derive(Debug, Clone, Default)]
pub struct Chain(Vec<Arc<dyn Checker>>);

/// One checker has said no, and another one could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HalfRefused(pub(crate) Error);

impl Chain {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this one behind the others.
    #[must_use]
    pub fn with(mut self, checker: impl Checker + 'static) -> Self {
        self.0.push(Arc::new(checker));
        self
    }
}

impl Checker for Chain {
    fn check(&self, reactor: &Reactor, credentials: &Arc<Credentials>) -> Deferred<Option<Arc<Account>>> {
        let (checkers, on, credentials) = (self.0.clone(), reactor.clone(), credentials.clone());
        reactor.spawn(async move {
            let (mut refused, mut failed) = (false, None);
            for checker in &checkers {
                match checker.check(&on, &credentials).await {
                    Ok(None) => refused = true,
                    Ok(admitted) => return Ok(admitted),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            match failed {
                None => Ok(None),
                Some(error) if refused => Err(HalfRefused(error).into()),
                Some(error) => Err(error),
            }
        })
    }

    /// What any of them offers; SCRAM only where all that take passwords do. A client tries nothing else once it has
    /// begun with it.
    fn mechanisms(&self) -> Mechanisms {
        let each = || self.0.iter().map(|checker| checker.mechanisms());
        let all = each().fold(Mechanisms::NONE, |all, these| all | these);
        let lacks = |these: Mechanisms| {
            these.contains(Mechanism::Password) && !these.contains(Mechanism::ScramSha256)
        };
        if each().any(lacks) { all.without(Mechanism::ScramSha256) } else { all }
    }

    fn mechanisms_of(&self, name: &str) -> Mechanisms {
        self.0.iter().fold(Mechanisms::NONE, |all, checker| all | checker.mechanisms_of(name))
    }

    fn scram_keys(&self, reactor: &Reactor, name: &str) -> Deferred<Option<ScramKeys>> {
        let (checkers, on, name) = (self.0.clone(), reactor.clone(), name.to_owned());
        reactor.spawn(async move {
            let (mut real, mut decoy) = (None, None);
            // All are asked, as for a name that none of them knows.
            for checker in &checkers {
                match checker.scram_keys(&on, &name).await? {
                    Some(keys) if !keys.is_decoy() => real = real.or(Some(keys)),
                    keys => decoy = decoy.or(keys),
                }
            }
            Ok(real.or(decoy))
        })
    }
}
