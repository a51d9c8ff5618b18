//! [`PortService`]: a port as a service.

use crate::{
    Deferred, Endpoint, Factory, IntoEndpoint, Port, Protocol, Reactor, Result, Service, Transport,
    protocol::Build,
};
use std::{fmt, panic::Location};

/// A port as a service: it listens from its start on. When it stops, protocols hear
/// [`Protocol::stopping`], and it is over when the last connection is gone; an abort resets what is left.
///
/// For an example see [`Services`](crate::Services).
pub struct PortService {
    on: Option<Result<Endpoint>>,
    factory: Option<Box<dyn Factory>>,
    made: &'static Location<'static>,
    port: Option<Port>,
}

impl PortService {
    /// Listens on `on`, and builds a protocol for each connection. A wrong endpoint is an error of the start.
    #[track_caller]
    pub fn new<P: Protocol>(on: impl IntoEndpoint, build: impl FnMut(&Transport) -> P + 'static) -> Self {
        Self::with(on, Build(build))
    }

    /// Listens with a factory.
    #[track_caller]
    pub fn with(on: impl IntoEndpoint, factory: impl Factory) -> Self {
        let (on, factory) = (Some(on.into_endpoint()), Some(Box::new(factory) as Box<dyn Factory>));
        Self { on, factory, made: Location::caller(), port: None }
    }

    /// The port, while it is there: between start and stop.
    pub fn port(&self) -> Option<&Port> {
        self.port.as_ref()
    }
}

impl Service for PortService {
    fn start(&mut self, reactor: &Reactor) -> Result {
        let (Some(on), Some(factory)) = (self.on.take(), self.factory.take()) else {
            return Err("a port is started once".into());
        };
        self.port = Some(reactor.listen_from(self.made, &on?, factory)?);
        Ok(())
    }

    fn stop(&mut self) -> Deferred<()> {
        match &self.port {
            Some(port) => port.stop(),
            None => Reactor::current().fired(Ok(())),
        }
    }

    fn abort(&mut self) {
        if let Some(port) = self.port.take() {
            port.abort();
        }
    }
}

impl fmt::Debug for PortService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortService").field("port", &self.port).finish_non_exhaustive()
    }
}
