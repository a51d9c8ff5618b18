//! [`Dns`]: what the DNS knows of others' mail, by a resolver that is made when something is asked for.

use std::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
    rc::Rc,
};
use trenza::{
    Reactor,
    dns::{Config, Resolver},
    mail::smtp::client::{Looking, Mx, NameError, Names},
};

/// What the DNS knows of others' mail.
pub(super) struct Dns(Rc<Source>);

struct Source {
    reactor: Reactor,
    /// None: those of the system.
    servers: Vec<SocketAddr>,
    /// The resolver, once something was asked for.
    made: RefCell<Option<Resolver>>,
}

impl Dns {
    /// Asks these servers; none: those that the system asks.
    pub(super) fn new(reactor: &Reactor, servers: Vec<SocketAddr>) -> Self {
        Self(Rc::new(Source { reactor: reactor.clone(), servers, made: RefCell::default() }))
    }
}

impl Source {
    async fn resolver(&self) -> Result<Resolver, NameError> {
        let made = self.made.borrow().clone();
        if let Some(made) = made {
            return Ok(made);
        }
        let made = if self.servers.is_empty() {
            let system = Resolver::system(&self.reactor).await;
            system.map_err(|error| NameError::Failed(error.to_string()))?
        } else {
            Resolver::new(&self.reactor, Config::asking(self.servers.clone()))
        };
        *self.made.borrow_mut() = Some(made.clone());
        Ok(made)
    }
}

impl Names for Dns {
    fn mx(&self, domain: &str) -> Looking<Vec<Mx>> {
        let (source, domain) = (self.0.clone(), domain.to_owned());
        Box::pin(async move { Names::mx(&source.resolver().await?, &domain).await })
    }

    fn addresses(&self, host: &str) -> Looking<Vec<IpAddr>> {
        let (source, host) = (self.0.clone(), host.to_owned());
        Box::pin(async move { Names::addresses(&source.resolver().await?, &host).await })
    }
}
