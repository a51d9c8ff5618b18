//! [`Sending`]: the options that say how mail gets to others.

use super::{logins::Logins, names::Dns, routes::Way};
use crate::{complaint::Complaint, terminal::warn};
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
        smtp::client::Remote,
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

    /// The server that brings on all that is for others: tcp:HOST:25, with TLS where the server has it; starttls:HOST:587 or
    /// tls:HOST:465, with TLS to whom the system trusts, or ca=FILE; unix:PATH [default: those that the DNS says]
    #[arg(long, value_name = "ENDPOINT", requires = "queue")]
    relay: Option<String>,

    /// The server that gets what is for a domain, as in example.net=tcp:10.0.0.1:25; `*` for all domains. May be repeated
    #[arg(long, value_name = "DOMAIN=ENDPOINT", requires = "queue")]
    route: Vec<String>,

    /// Who logs in at servers of --relay and --route, and with which password, over TLS that is verified
    #[arg(long, value_name = "FILE", requires = "queue")]
    logins: Option<PathBuf>,
}

/// A queue that is this process's.
pub(super) struct Opened {
    pub(super) queue: Queue,
    logins: Logins,
    _lock: QueueLock,
}

impl Sending {
    /// Opens the queue; None: there is none. It blocks.
    pub(super) fn open(&self, hostname: &str) -> Result<Option<Opened>> {
        let Some(folder) = &self.queue else { return Ok(None) };
        let logins = self.logins.as_deref().map(Logins::read).transpose()?.unwrap_or_default();
        self.check(&logins)?;
        let lock = QueueLock::take(folder).map_err(|error| unusable(folder, &error))?;
        let _lock = lock.ok_or_else(|| {
            Complaint::new(format!("another server has the queue {}", folder.display()))
                .remedy("stop it, or name another folder with --queue")
        })?;
        let tree = Arc::new(Folder::new(folder)?);
        let queue = Queue::open(tree, QueueOptions::new(hostname), Timestamp::now().into())?;
        Ok(Some(Opened { queue, logins, _lock }))
    }

    fn ways(&self) -> Result<Vec<Way<'_>>> {
        let routes = self.route.iter().map(|text| Way::of_route(text));
        routes.chain(self.relay.iter().map(|text| Ok(Way::of_relay(text)))).collect()
    }

    /// Whether all routes can be gone; a login that no server asks for is warned of.
    fn check(&self, logins: &Logins) -> Result {
        let (ways, anybody) = (self.ways()?, anybody()?);
        for way in &ways {
            way.route(logins, &anybody)?;
        }
        let used: Vec<_> = ways.iter().filter_map(|way| way.login(logins)).collect();
        for server in logins.without(&used) {
            warn(&format!("there is a login for {server}, where neither --relay nor --route leads"));
        }
        Ok(())
    }

    /// Who brings messages to other servers, on a loop.
    pub(super) fn remote(
        &self,
        reactor: &Reactor,
        opened: &Opened,
        dns: Dns,
        hostname: &str,
    ) -> Result<Remote> {
        let anybody = anybody()?;
        let mut remote = Remote::new(hostname).tls(anybody.clone());
        for way in self.ways()? {
            let route = way.route(&opened.logins, &anybody)?;
            // What makes no sense is told now, and not when somebody waits for a message.
            route.check(reactor).map_err(|error| way.wrong(&error))?;
            remote = remote.route(route);
        }
        Ok(remote.names(dns))
    }
}

/// TLS with whoever it is that a domain names: there is nothing else to know him by.
fn anybody() -> Result<ClientTls> {
    Ok(ClientTls::new().trust(Trust::DangerouslyAnybody).build()?)
}

fn unusable(folder: &Path, error: &io::Error) -> Complaint {
    Complaint::new(format!("{} cannot be the queue's folder: {error}", folder.display()))
        .remedy("--queue names a folder that may be made and written to")
}
