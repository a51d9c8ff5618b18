//! [`SocksServer`]: makes the protocol for each client of a port.

use crate::{
    ProxyLimits, Record, Rules, Users,
    account::{Account, OnEnd},
    session::Session,
};
use std::{fmt, rc::Rc};
use trenza_core::{Factory, Protocol, Transport};

/// A SOCKS proxy, versions 4, 4a and 5: give it to [`Reactor::listen_with`](trenza_core::Reactor::listen_with).
///
/// It connects (CONNECT), waits for one connection (BIND) and passes datagrams on (UDP ASSOCIATE). Without [users](SocksServer::users) anybody who reaches the
/// port may use it, and go wherever the [rules](SocksServer::rules) let them.
///
/// ```
/// use trenza_core::{Input, Protocol, Result, Transport};
/// use trenza_proxy::SocksServer;
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
///         transport.write(input.rest());
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// net.host("srv").listen("tcp:7007", |_| Echo);
/// net.host("gate").run(|reactor| reactor.listen_with("tcp:1080", SocksServer::new()).map(drop))?;
/// let cli = net.host("cli").probe("tcp:gate:1080");
/// cli.send(b"\x04\x01\x1b\x5f\0\0\0\x01\0srv\0hello"); // SOCKS 4a: connect to srv:7007
/// net.run();
/// assert!(cli.received().starts_with(b"\0\x5a") && cli.received().ends_with(b"hello"));
/// # Ok::<(), trenza_core::Error>(())
/// ```
///
/// Clones are one proxy on several ports.
#[derive(Clone, Default)]
pub struct SocksServer(Rc<Shared>);

/// What all connections of a proxy share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) users: Option<Users>,
    pub(crate) rules: Rules,
    pub(crate) limits: ProxyLimits,
    on_end: Option<OnEnd>,
}

impl SocksServer {
    /// A proxy for everybody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets these users in only. Clients of version 4, which has no passwords, are refused then.
    ///
    /// # Panics
    /// There are clones already, as with the other methods: they would go on as they were.
    #[must_use]
    pub fn users(self, users: Users) -> Self {
        self.change(|shared| shared.users = Some(users))
    }

    /// Sets where clients may go.
    #[must_use]
    pub fn rules(self, rules: Rules) -> Self {
        self.change(|shared| shared.rules = rules)
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(self, limits: ProxyLimits) -> Self {
        self.change(|shared| shared.limits = limits)
    }

    /// Has `log` called for every client, when all is over.
    #[must_use]
    pub fn on_end(self, log: impl Fn(&Record) + 'static) -> Self {
        self.change(|shared| shared.on_end = Some(Rc::new(log)))
    }

    fn change(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Rc::get_mut(&mut self.0).expect("a proxy is set up before it is cloned"));
        self
    }
}

impl Factory for SocksServer {
    fn build(&mut self, near: &Transport) -> Option<Box<dyn Protocol>> {
        let account = Account::new(near, self.0.on_end.clone());
        Some(Box::new(Session::new(self.0.clone(), account)))
    }
}

impl fmt::Debug for SocksServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocksServer")
            .field("users", &self.0.users)
            .field("rules", &self.0.rules)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}
