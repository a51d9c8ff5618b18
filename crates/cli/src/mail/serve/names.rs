//! [`Dns`]: what the DNS knows of others, by a resolver that is made when something is asked for.

use std::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
    rc::Rc,
};
use trenza::{
    Reactor,
    dns::{Config, Resolver, server_address},
    mail::{
        checks::{self, Answer, NoAnswer},
        smtp::client::{Looking, Mx, NameError, Names},
    },
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "DNS")]
pub(super) struct Servers {
    /// A name server that is asked for other domains' servers, and for what checks want to know [default: those in
    /// /etc/resolv.conf]. May be repeated
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = server_address)]
    resolver: Vec<SocketAddr>,
}

impl Servers {
    /// The DNS of a loop.
    pub(super) fn dns(&self, reactor: &Reactor) -> Dns {
        let (reactor, servers) = (reactor.clone(), self.resolver.clone());
        Dns(Rc::new(Source { reactor, servers, made: RefCell::default() }))
    }
}

/// What the DNS knows of others. Clones are the same.
#[derive(Clone)]
pub(super) struct Dns(Rc<Source>);

struct Source {
    reactor: Reactor,
    /// None: those of the system.
    servers: Vec<SocketAddr>,
    /// The resolver, once something was asked for.
    made: RefCell<Option<Resolver>>,
}

impl Source {
    /// The resolver, or why there is none: the system's files cannot be read.
    async fn resolver(&self) -> Result<Resolver, String> {
        let made = self.made.borrow().clone();
        if let Some(made) = made {
            return Ok(made);
        }
        let made = if self.servers.is_empty() {
            Resolver::system(&self.reactor).await.map_err(|error| error.to_string())?
        } else {
            Resolver::new(&self.reactor, Config::asking(self.servers.clone()))
        };
        // Of two who have asked at once, the first one's is everybody's.
        Ok(self.made.borrow_mut().get_or_insert(made).clone())
    }
}

impl Names for Dns {
    fn mx(&self, domain: &str) -> Looking<Vec<Mx>> {
        let (source, domain) = (self.0.clone(), domain.to_owned());
        Box::pin(
            async move { Names::mx(&source.resolver().await.map_err(NameError::Failed)?, &domain).await },
        )
    }

    fn addresses(&self, host: &str) -> Looking<Vec<IpAddr>> {
        let (source, host) = (self.0.clone(), host.to_owned());
        Box::pin(async move {
            Names::addresses(&source.resolver().await.map_err(NameError::Failed)?, &host).await
        })
    }
}

impl checks::Names for Dns {
    fn txt<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            checks::Names::txt(&self.0.resolver().await.map_err(NoAnswer::Failed)?, name).await
        })
    }

    fn ips<'a>(&'a self, name: &'a str, like: IpAddr) -> Answer<'a, IpAddr> {
        Box::pin(async move {
            checks::Names::ips(&self.0.resolver().await.map_err(NoAnswer::Failed)?, name, like).await
        })
    }

    fn mx<'a>(&'a self, name: &'a str) -> Answer<'a, String> {
        Box::pin(
            async move { checks::Names::mx(&self.0.resolver().await.map_err(NoAnswer::Failed)?, name).await },
        )
    }

    fn ptr(&self, ip: IpAddr) -> Answer<'_, String> {
        Box::pin(
            async move { checks::Names::ptr(&self.0.resolver().await.map_err(NoAnswer::Failed)?, ip).await },
        )
    }
}
