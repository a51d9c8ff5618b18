//! [`Forward`]: connections of a port go to another endpoint.

use crate::{
    ProxyLimits, Record,
    account::{Account, OnEnd},
    pipe::{End, Waiting, join},
};
use std::{fmt, rc::Rc};
use trenza_core::{Endpoint, Factory, IntoEndpoint, Protocol, Result, Transport, timeout};

/// Passes the connections of a port on to another endpoint: give it to
/// [`Reactor::listen_with`](trenza_core::Reactor::listen_with).
///
/// Neither side is read faster than the other one takes it. Each direction ends by itself (FIN goes through as FIN); a
/// reset, an error or an hour of silence ends both with a reset. When the target cannot be connected to, the client is
/// reset, so that it does not take it for an empty answer.
///
/// When the reactor stops, what has its target goes on until it is done or the reactor's time is over.
///
/// ```
/// use trenza_core::{Input, Protocol, Result, Transport};
/// use trenza_proxy::Forward;
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
/// let forward = Forward::new("tcp:srv:7007")?.on_end(|record| assert_eq!(record.sent, 5));
/// net.host("gate").run(|reactor| reactor.listen_with("tcp:80", forward).map(drop))?;
/// let cli = net.host("cli").probe("tcp:gate:80");
/// cli.send("hello");
/// cli.close_write();
/// net.run();
/// assert_eq!(cli.received(), b"hello");
/// assert!(cli.eof());
/// # Ok::<(), trenza_core::Error>(())
/// ```
///
/// Clones are one forwarder on several ports.
#[derive(Clone)]
pub struct Forward(Rc<Shared>);

struct Shared {
    to: Endpoint,
    shown: String,
    limits: ProxyLimits,
    on_end: Option<OnEnd>,
}

impl Forward {
    /// To a client's endpoint.
    ///
    /// # Errors
    /// The endpoint's string cannot be understood.
    pub fn new(to: impl IntoEndpoint) -> Result<Self> {
        let to = to.into_endpoint()?;
        let shown = to.to_string();
        Ok(Self(Rc::new(Shared { shown, to, limits: ProxyLimits::default(), on_end: None })))
    }

    /// Sets the limits.
    ///
    /// # Panics
    /// There are clones already: they would go on with the former limits.
    #[must_use]
    pub fn limits(self, limits: ProxyLimits) -> Self {
        self.change(|shared| shared.limits = limits)
    }

    /// Has `log` called for every client, when all is over.
    ///
    /// # Panics
    /// There are clones already: their clients would not be logged.
    #[must_use]
    pub fn on_end(self, log: impl Fn(&Record) + 'static) -> Self {
        self.change(|shared| shared.on_end = Some(Rc::new(log)))
    }

    fn change(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Rc::get_mut(&mut self.0).expect("a forwarder is set up before it is cloned"));
        self
    }
}

impl Factory for Forward {
    fn build(&mut self, near: &Transport) -> Option<Box<dyn Protocol>> {
        let account = Account::new(near, self.0.on_end.clone());
        account.target(self.0.shown.clone());
        near.spawn(forward(near.clone(), self.0.clone(), account.clone()));
        Some(Box::new(Waiting { account, early: self.0.limits.early }))
    }
}

/// Ends with the client, and the connect with it.
async fn forward(near: Transport, shared: Rc<Shared>, account: Rc<Account>) -> Result {
    let idle = shared.limits.idle;
    let far = End::far(near.clone(), account.clone(), idle);
    let connect = near.reactor().connect(&shared.to, move |_| far);
    match timeout(shared.limits.connect, connect).await {
        Ok(far) if far.is_open() => join(&near, far, account, idle),
        Ok(_) => near.abort(),
        Err(error) => {
            account.fail(error);
            near.abort();
        }
    }
    Ok(())
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Forward(to {})", self.0.shown)
    }
}
