//! [`Handler`]: what a server calls for each request.

use crate::Body;
use http::{Request, Response};
use std::{fmt, future::Future, marker::PhantomData, pin::Pin, rc::Rc};
use trenza_core::{Addr, Result};

/// Answers requests. It sees nothing of the connection but where the client is ([`ClientAddr::of`]), so that every
/// version of HTTP calls the same handlers.
pub trait Handler: 'static {
    /// Answers one request, now or later. A panic is answered with 500.
    fn handle(&self, request: Request<Body>) -> Answer;
}

impl<H: Handler + ?Sized> Handler for Box<H> {
    fn handle(&self, request: Request<Body>) -> Answer {
        (**self).handle(request)
    }
}

impl<H: Handler + ?Sized> Handler for Rc<H> {
    fn handle(&self, request: Request<Body>) -> Answer {
        (**self).handle(request)
    }
}

/// A coroutine that ends with a response.
pub type Later = Pin<Box<dyn Future<Output = Result<Response<Body>>>>>;

/// A response, or a coroutine that will give one.
pub enum Answer {
    /// It is here.
    Now(Response<Body>),
    /// It will come. The coroutine is dropped if the connection ends before.
    Later(Later),
}

impl Answer {
    /// Runs a coroutine for the response.
    pub fn later(coroutine: impl Future<Output = Result<Response<Body>>> + 'static) -> Self {
        Self::Later(Box::pin(coroutine))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(response) => f.debug_tuple("Now").field(response).finish(),
            Self::Later(_) => f.write_str("Later(..)"),
        }
    }
}

/// Where a request's client is.
///
/// ```
/// use http::{Request, Response};
/// use trenza_web::{Body, ClientAddr, Server};
///
/// let who = Server::new(|request: Request<Body>| {
///     let ip = ClientAddr::of(&request).and_then(|addr| addr.ip());
///     Response::new(Body::from(format!("{ip:?}\n")))
/// });
/// # drop(who);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAddr(pub Addr);

impl ClientAddr {
    /// The far end of the connection that the request came by: a server's requests have it in their bodies. A handler that
    /// knows better, from a proxy's field for instance, says so to those that it calls by putting a `ClientAddr` into the
    /// request's extensions, which is given instead. None: the request is not a server's.
    pub fn of(request: &Request<Body>) -> Option<&Addr> {
        let said = request.extensions().get::<Self>().map(|said| &said.0);
        said.or_else(|| request.body().peer().map(|peer| &peer.remote))
    }
}

/// What a closure may return to be a handler. `Kind` tells [`Ready`] from [`Coroutine`], and is found by itself.
pub trait IntoAnswer<Kind> {
    /// The answer.
    fn into_answer(self) -> Answer;
}

/// The result of a closure that answers at once.
#[derive(Debug)]
pub enum Ready {}

/// The result of a closure that gives a coroutine.
#[derive(Debug)]
pub enum Coroutine {}

impl IntoAnswer<Ready> for Answer {
    fn into_answer(self) -> Answer {
        self
    }
}

impl IntoAnswer<Ready> for Response<Body> {
    fn into_answer(self) -> Answer {
        Answer::Now(self)
    }
}

impl<F: Future<Output = Result<Response<Body>>> + 'static> IntoAnswer<Coroutine> for F {
    fn into_answer(self) -> Answer {
        Answer::later(self)
    }
}

/// A closure as a handler.
pub(crate) struct Closure<F, Kind>(F, PhantomData<fn() -> Kind>);

impl<F, Kind> Closure<F, Kind> {
    pub(crate) fn new(f: F) -> Self {
        Self(f, PhantomData)
    }
}

impl<F, R, Kind: 'static> Handler for Closure<F, Kind>
where
    F: Fn(Request<Body>) -> R + 'static,
    R: IntoAnswer<Kind>,
{
    fn handle(&self, request: Request<Body>) -> Answer {
        (self.0)(request).into_answer()
    }
}
