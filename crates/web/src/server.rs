//! [`Server`]: makes the protocol for each connection of a port.

use crate::{
    Body, Handler, IntoAnswer, Record, ServerLimits, exchange::Exchange, handler::Closure, session::Session,
};
use http::Request;
use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};
use trenza_core::{Addresses, Factory, Protocol, Reactor, Transport};

/// An HTTP server: give it to [`Reactor::listen_with`].
///
/// ```
/// use http::Response;
/// use trenza_web::{Body, Server};
///
/// let at_once = Server::new(|_| Response::new(Body::from("hello\n")));
/// let later = Server::new(|mut request: http::Request<Body>| async move {
///     let body = request.body_mut().collect(64 * 1024).await?;
///     Ok(Response::new(Body::from(body)))
/// });
/// # drop((at_once, later));
/// ```
///
/// Clones are one server on several ports: they share limits and counts.
#[derive(Clone)]
pub struct Server(Rc<Shared>);

type OnResponse = Box<dyn Fn(&Record)>;

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) handler: Box<dyn Handler>,
    pub(crate) limits: ServerLimits,
    pub(crate) on_response: Option<OnResponse>,
    addresses: Addresses,
    date: RefCell<String>,
    /// Until when `date` is right.
    date_until: Cell<Option<Instant>>,
    /// The memory of an exchange that is over.
    pub(crate) spare: Cell<Option<Box<Exchange>>>,
}

impl Server {
    /// A server whose requests a closure answers: with a response, or with a coroutine that gives one.
    pub fn new<F, R, Kind: 'static>(handler: F) -> Self
    where
        F: Fn(Request<Body>) -> R + 'static,
        R: IntoAnswer<Kind>,
    {
        Self::with(Closure::new(handler))
    }

    /// A server whose requests `handler` answers.
    pub fn with(handler: impl Handler) -> Self {
        let limits = ServerLimits::default();
        Self(Rc::new(Shared {
            handler: Box::new(handler),
            addresses: Addresses::new(limits.per_address),
            limits,
            on_response: None,
            date: RefCell::default(),
            date_until: Cell::default(),
            spare: Cell::default(),
        }))
    }

    /// Sets the limits.
    ///
    /// # Panics
    /// There are clones already: they would go on with the former limits.
    #[must_use]
    pub fn limits(self, limits: ServerLimits) -> Self {
        self.change(|shared| {
            shared.addresses = Addresses::new(limits.per_address);
            shared.limits = limits;
        })
    }

    /// Counts clients by their address in this table, instead of one of its own for [`ServerLimits::per_address`]: other
    /// servers may have it, too, those of other loops for instance.
    ///
    /// # Panics
    /// There are clones already: they would go on counting in the former table.
    #[must_use]
    pub fn addresses(self, table: &Addresses) -> Self {
        self.change(|shared| shared.addresses = table.clone())
    }

    /// Has `log` called for every request: when all of its response was sent, but for what the connection holds
    /// anyway (64 KiB), or when the connection was lost before.
    ///
    /// # Panics
    /// There are clones already: their requests would not be logged.
    #[must_use]
    pub fn on_response(self, log: impl Fn(&Record) + 'static) -> Self {
        self.change(|shared| shared.on_response = Some(Box::new(log)))
    }

    fn change(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        let shared = Rc::get_mut(&mut self.0);
        change(shared.expect("a server is set up before it is cloned"));
        self
    }
}

impl Factory for Server {
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        // Here, not by a policy of the port: behind a proxy it is the client that counts.
        let seat = transport.peer().remote.ip().map(|address| self.0.addresses.enter(address)).transpose();
        match seat {
            Ok(seat) => Some(Box::new(Session::new(self.0.clone(), seat))),
            Err(limit) => {
                tracing::debug!(remote = %transport.peer().remote, "refused: {limit}");
                None
            }
        }
    }
}

impl Shared {
    /// Calls `f` with the present time as the field Date says it. It is read and formatted once a second.
    pub(crate) fn with_date<T>(&self, reactor: &Reactor, f: impl FnOnce(&str) -> T) -> T {
        let now = reactor.now();
        if self.date_until.get().is_none_or(|until| until <= now) {
            let wall = reactor.wall();
            let since_1970 = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let left =
                Duration::from_secs(1).saturating_sub(Duration::from_nanos(since_1970.subsec_nanos().into()));
            self.date_until.set(now.checked_add(left));
            *self.date.borrow_mut() = httpdate::fmt_http_date(wall);
        }
        f(&self.date.borrow())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    #[test]
    #[should_panic(expected = "a server is set up before it is cloned")]
    fn limits_are_never_ignored() {
        let server = Server::new(|_| Response::new(Body::empty()));
        let clone = server.clone();
        drop((server, clone.limits(ServerLimits::default())));
    }
}
