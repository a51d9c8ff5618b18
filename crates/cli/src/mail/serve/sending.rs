//! [`Sending`]: the options that say how mail gets to others.

use super::names::Dns;
use crate::complaint::Complaint;
use jiff::Timestamp;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use trenza::{
    Reactor, Result,
    mail::{
        queue::{Queue, QueueLock, QueueOptions},
        smtp::client::{ClientOptions, Remote, Route},
    },
    storage::Folder,
    tls::{ClientTls, Trust},
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sending")]
pub(super) struct Sending {
    /// The folder of the queue, which keeps what is for others until they have it. Without it nothing is sent
    #[arg(long, value_name = "DIR")]
    queue: Option<PathBuf>,

    /// The server that brings on all that is for others, as in tcp:relay.example.net:25 [default: those that the DNS
    /// says]
    #[arg(long, value_name = "ENDPOINT", requires = "queue")]
    relay: Option<String>,

    /// The server that gets what is for a domain, as in example.net=tcp:10.0.0.1:25; `*` for all domains. May be repeated
    #[arg(long, value_name = "DOMAIN=ENDPOINT", requires = "queue")]
    route: Vec<String>,
}

/// A queue that is this process's.
pub(super) struct Opened {
    pub(super) queue: Queue,
    _lock: QueueLock,
}

impl Sending {
    /// Opens the queue; None: there is none. It blocks.
    pub(super) fn open(&self, hostname: &str) -> Result<Option<Opened>> {
        let Some(folder) = &self.queue else { return Ok(None) };
        self.routes()?;
        let lock = QueueLock::take(folder).map_err(|error| unusable(folder, &error))?;
        let _lock = lock.ok_or_else(|| {
            Complaint::new(format!("another server has the queue {}", folder.display()))
                .remedy("stop it, or name another folder with --queue")
        })?;
        let tree = Arc::new(Folder::new(folder)?);
        let queue = Queue::open(tree, QueueOptions::new(hostname), Timestamp::now().into())?;
        Ok(Some(Opened { queue, _lock }))
    }

    fn routes(&self) -> Result<Vec<Route>> {
        let relay = self.relay.iter().map(|relay| ("--relay", relay, format!("*={relay}")));
        let routes = self.route.iter().map(|route| ("--route", route, route.clone()));
        let parsed = routes.chain(relay).map(|(option, said, text)| {
            let wrong = |error| Complaint::new(format!("{option} {said}: {error}")).code(2);
            Ok(Route::parse(&text, ClientOptions::new()).map_err(wrong)?)
        });
        parsed.collect()
    }

    /// Who brings messages to other servers, on a loop.
    pub(super) fn remote(&self, reactor: &Reactor, dns: Dns, hostname: &str) -> Result<Remote> {
        // Whoever it is that a domain names: there is nothing else to know him by.
        let mut remote =
            Remote::new(hostname).tls(ClientTls::new().trust(Trust::DangerouslyAnybody).build()?);
        for route in self.routes()? {
            // What makes no sense is told now, and not when somebody waits for a message.
            route.check(reactor).map_err(|error| Complaint::new(error).code(2))?;
            remote = remote.route(route);
        }
        Ok(remote.names(dns))
    }
}

fn unusable(folder: &Path, error: &io::Error) -> Complaint {
    Complaint::new(format!("{} cannot be the queue's folder: {error}", folder.display()))
        .remedy("--queue names a folder that may be made and written to")
}
