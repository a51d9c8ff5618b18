//! Logins in the simulator: delays, floods, files that change.
#![allow(clippy::unwrap_used, reason = "tests")]

mod audit;
mod delays;
mod exchange;
mod files;
mod floods;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};
use trenza_auth::{Account, Accounts, Checker, Credentials, Denied, Memory, Portal, Realm, Throttle};
use trenza_core::{Addr, Peer, Reactor, Result};
use trenza_sim::Net;

/// Runs a coroutine on a host.
fn on_host<F: Future<Output = Result<T>> + 'static, T: 'static>(
    net: &Net,
    task: impl FnOnce(Reactor) -> F + 'static,
) -> T {
    net.block_on(&net.host("here"), async move { task(Reactor::current()).await }).unwrap()
}

fn peer(ip: &str) -> Peer {
    Peer::new(Addr::Ip(SocketAddr::new(ip.parse().unwrap(), 4711)), Addr::named("here"))
}

/// Ann, whose password is `secret`, and Bob, whose password is `hidden`.
fn people() -> Memory {
    Memory::new().with(Account::new("ann"), "secret").with(Account::new("bob"), "hidden")
}

/// A portal, and how long logins there take.
#[derive(Clone)]
struct Door<R = Accounts>(Portal<R>, Reactor);

impl Door {
    fn new(reactor: &Reactor, checker: impl Checker + 'static) -> Self {
        Self(Portal::accounts("test", checker), reactor.clone())
    }

    fn with(reactor: &Reactor, throttle: Throttle) -> Self {
        Self(Portal::shared("test", Arc::new(people()), throttle, Accounts), reactor.clone())
    }
}

impl<R: Realm + 'static> Door<R> {
    /// What became of a login, and after how long.
    async fn login(&self, from: &str, name: &str, password: &str) -> (Result<R::Avatar, Denied>, Duration) {
        let begun = self.1.now();
        let login = self.0.login(&self.1, Credentials::password(name, password), &peer(from));
        let ended = login.await.map_err(|error| Denied::of(&error));
        (ended, self.1.now() - begun)
    }

    /// How long it takes until it is refused.
    async fn refused(&self, from: &str, name: &str) -> Duration {
        let (ended, time) = self.login(from, name, "guess").await;
        assert_eq!(ended.err(), Some(Denied::Refused));
        time
    }

    /// How long it takes until it is let in.
    async fn admitted(&self, from: &str, name: &str, password: &str) -> Duration {
        let (ended, time) = self.login(from, name, password).await;
        assert_eq!(ended.err(), None);
        time
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
