//! [`Portal`]: where one logs in.

use crate::{
    Account, Accounts, Checker, Credentials, Denied, Mechanism, Mechanisms, Realm, Throttle,
    chain::HalfRefused, scram::ScramKeys,
};
use std::{fmt, net::IpAddr, sync::Arc};
use trenza_core::{Deferred, Error, Peer, Reactor, Result};

/// How many characters of a name stand in an audit line.
const SHOWN_MAX: usize = 128;

/// Where one logs in to a protocol: checker, throttle, realm and one line for the log in one call. A cheap clone; all
/// loops of a program share one, and portals of several protocols share checker and throttle.
///
/// Each login is one event of `tracing`, with target `trenza::login`, level INFO when it went well and WARN otherwise, and
/// the fields `protocol`, `account`, `address`, `mechanism`, `result` (`ok`, `refused`, `busy`, `unavailable`). What is
/// secret is not among them.
///
/// ```
/// use trenza_auth::{Account, Credentials, Denied, Memory, Portal};
/// use trenza_core::{Addr, Peer, Reactor};
///
/// let portal = Portal::accounts("ftp", Memory::new().with(Account::new("ann"), "secret"));
///
/// let net = trenza_sim::Net::new(1);
/// net.block_on(&net.host("here"), async move {
///     let (reactor, here) = (Reactor::current(), Addr::named("here"));
///     let peer = Peer::new("192.0.2.7:4711".parse::<std::net::SocketAddr>()?.into(), here);
///     let login = |password| portal.login(&reactor, Credentials::password("ann", password), &peer);
///     let error = login("guess").await.unwrap_err();
///     assert_eq!(Denied::of(&error), Denied::Refused);
///     assert_eq!(login("secret").await?.name, "ann"); // a second later
///     Ok(())
/// })?;
/// assert!(net.elapsed().as_secs_f32() >= 1.0);
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub struct Portal<R = Accounts>(Arc<Inner<R>>);

struct Inner<R> {
    protocol: &'static str,
    checker: Arc<dyn Checker>,
    throttle: Throttle,
    realm: R,
}

impl Portal {
    /// A portal that gives the accounts themselves.
    pub fn accounts(protocol: &'static str, checker: impl Checker + 'static) -> Self {
        Self::new(protocol, checker, Accounts)
    }
}

impl<R: Realm + 'static> Portal<R> {
    /// A portal to `protocol`, as it is called in the log, with a throttle of its own.
    pub fn new(protocol: &'static str, checker: impl Checker + 'static, realm: R) -> Self {
        Self::shared(protocol, Arc::new(checker), Throttle::new(), realm)
    }

    /// A portal that shares checker and throttle with others.
    pub fn shared(protocol: &'static str, checker: Arc<dyn Checker>, throttle: Throttle, realm: R) -> Self {
        Self(Arc::new(Inner { protocol, checker, throttle, realm }))
    }

    /// What may be offered to whoever comes.
    pub fn mechanisms(&self) -> Mechanisms {
        self.0.checker.mechanisms()
    }

    /// The keys that a SCRAM exchange begins with: of an account, or such that look like it.
    ///
    /// Fails with [`Denied::Mechanism`] when nobody here has any.
    pub fn scram_keys(&self, reactor: &Reactor, name: &str) -> Deferred<ScramKeys> {
        let keys = self.0.checker.scram_keys(reactor, name);
        reactor.spawn(async move {
            keys.await?.ok_or_else(|| Error::from(Denied::Mechanism(Mechanism::ScramSha256)))
        })
    }

    /// Logs in. After failures it waits first, without a thread or lock. Whoever hangs up in the meantime drops the
    /// result, which counts as a failure unless it still waited.
    ///
    /// Fails with [`Denied`], and nothing else.
    pub fn login(&self, reactor: &Reactor, credentials: Credentials, peer: &Peer) -> Deferred<R::Avatar> {
        let (portal, on) = (self.0.clone(), reactor.clone());
        let from = peer.remote.ip();
        let mut audit = Audit {
            protocol: portal.protocol,
            account: shown(credentials.name().unwrap_or_default()),
            address: peer.remote.to_string(),
            mechanism: credentials.mechanism(),
        };
        reactor.spawn(async move {
            let admitted = portal.admit(&on, credentials, from).await;
            let made = match admitted {
                Ok(account) => {
                    audit.account = shown(&account.name);
                    portal.realm.avatar(&on, account).await.map_err(|error| portal.explain(error))
                }
                Err(denied) => Err(denied),
            };
            audit.tell(made.as_ref().err().copied());
            made.map_err(Error::from)
        })
    }
}

impl<R> Inner<R> {
    async fn admit(
        &self,
        reactor: &Reactor,
        credentials: Credentials,
        from: Option<IpAddr>,
    ) -> Result<Arc<Account>, Denied> {
        let mut attempt = self.throttle.begin(reactor.now(), from, credentials.name().unwrap_or_default())?;
        if !attempt.delay().is_zero() {
            reactor.sleep(attempt.delay()).await;
        }
        attempt.tried();
        match self.checker.check(reactor, &Arc::new(credentials)).await {
            Ok(Some(account)) => {
                attempt.succeeded();
                Ok(account)
            }
            Ok(None) => Err(Denied::Refused),
            Err(error) => match error.downcast::<HalfRefused>() {
                Ok(half) => Err(self.explain(half.0)),
                Err(error) => {
                    attempt.undone();
                    Err(self.explain(error))
                }
            },
        }
    }

    /// What the client may know of an error; the log gets the rest.
    fn explain(&self, error: Error) -> Denied {
        error.downcast_ref().copied().unwrap_or_else(|| {
            tracing::error!(protocol = self.protocol, %error, "logins do not work");
            Denied::Unavailable
        })
    }
}

impl<R> Clone for Portal<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R> fmt::Debug for Portal<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Portal")
            .field("protocol", &self.0.protocol)
            .field("checker", &self.0.checker)
            .field("throttle", &self.0.throttle)
            .finish_non_exhaustive()
    }
}

/// One line for the log.
struct Audit {
    protocol: &'static str,
    account: String,
    address: String,
    mechanism: Mechanism,
}

impl Audit {
    fn tell(&self, denied: Option<Denied>) {
        let Self { protocol, account, address, mechanism } = self;
        let result = match denied {
            None => "ok",
            Some(Denied::Refused | Denied::Mechanism(_)) => "refused",
            Some(Denied::Busy) => "busy",
            Some(Denied::Unavailable) => "unavailable",
        };
        if denied.is_none() {
            tracing::info!(target: "trenza::login", protocol, account, address, %mechanism, result, "login");
        } else {
            tracing::warn!(target: "trenza::login", protocol, account, address, %mechanism, result, "login");
        }
    }
}

/// A name as it may stand in a log: no control characters, not too long.
fn shown(name: &str) -> String {
    name.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect()
}
