//! [`Protection`]: the options of TLS.

use crate::{complaint::Complaint, endpoint::without_tls, terminal::warn};
use std::path::{Path, PathBuf};
use trenza::{
    Endpoint, IntoEndpoint, Result,
    ftp::FtpServer,
    tls::{Folder, Identity, ServerTls, Side, TlsError},
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct Protection {
    /// The certificate and its chain, in PEM; the key may be in it. Offers AUTH TLS, and TLS on data connections
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The key, if it is not in the file of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Many certificates instead: NAME.pem, or folders as certbot lays them
    #[arg(long, value_name = "DIR", conflicts_with = "tls_cert")]
    tls_certs: Option<PathBuf>,

    /// Refuse passwords and files that are not protected
    #[arg(long)]
    require_tls: bool,

    /// Refuse data connections that do not continue the TLS session of the control connection; some older clients
    /// cannot
    #[arg(long)]
    require_tls_reuse: bool,

    /// Let clients leave TLS on the control connection again (CCC), for firewalls that must read it; whoever is between
    /// can read and send commands then
    #[arg(long, conflicts_with = "require_tls")]
    allow_ccc: bool,

    /// Take uploads for whole whose TLS ends without a goodbye (close_notify), as some old devices send them; whoever is
    /// between can cut them short then
    #[arg(long)]
    allow_truncation: bool,
}

/// A server's own side of TLS, made once for all loops: clients continue sessions on any of them.
#[derive(Debug)]
pub(super) struct Protected {
    pub(super) server: FtpServer,
    tls: Option<ServerTls>,
}

impl Protection {
    pub(super) fn protect(&self, server: FtpServer) -> Result<Protected> {
        let tls = self.tls()?;
        let mut server = server
            .require_tls(self.require_tls)
            .require_tls_reuse(self.require_tls_reuse)
            .allow_truncation(self.allow_truncation)
            .allow_ccc(self.allow_ccc);
        match &tls {
            Some(tls) => server = server.tls(tls.clone()),
            None if self.require_tls || self.require_tls_reuse => {
                return Err(no_certificate("TLS is required, and there is no certificate for it").into());
            }
            None => {}
        }
        Ok(Protected { server, tls })
    }

    fn tls(&self) -> Result<Option<ServerTls>> {
        let builder = match (&self.tls_cert, &self.tls_certs) {
            (Some(cert), _) => {
                let key = self.tls_key.as_ref().unwrap_or(cert);
                ServerTls::new(Identity::from_files(cert, key).map_err(|error| unusable(&error))?)
            }
            (None, Some(certs)) => ServerTls::of(Folder::open(certs).map_err(|error| unusable(&error))?),
            (None, None) => return Ok(None),
        };
        Ok(Some(builder.build().map_err(|error| unusable(&error))?))
    }

    /// The files that nobody may fetch.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Path> {
        let key = self.tls_key.as_ref().or(self.tls_cert.as_ref());
        key.into_iter().chain(&self.tls_certs).map(PathBuf::as_path)
    }

    /// Names and passwords may be sent in clear.
    pub(super) fn warn(&self) {
        if self.require_tls {
            return;
        }
        let remedy = match self.offers() {
            true => "--require-tls refuses that",
            false => "--tls-cert offers TLS, and --require-tls refuses all else",
        };
        warn(&format!("whoever is between can read passwords and files: {remedy}"));
    }

    fn offers(&self) -> bool {
        self.tls_cert.is_some() || self.tls_certs.is_some()
    }

    /// How clients are told of a port, and what is over it.
    pub(super) fn shown(&self, secured: bool) -> (&'static str, &'static str) {
        match (secured, self.require_tls, self.offers()) {
            (true, ..) => ("ftps://", " (TLS from the start)"),
            (false, true, _) => ("ftp://", " (TLS by AUTH TLS, ftpes://, only)"),
            (false, false, true) => ("ftp://", " (TLS by AUTH TLS, ftpes://, if wished)"),
            (false, false, false) => ("ftp://", ""),
        }
    }
}

impl Protected {
    /// Where to listen, and whether there is TLS from the start.
    pub(super) fn endpoint(&self, text: &str) -> Result<(Endpoint, bool)> {
        let Some(below) = without_tls(text) else { return Ok((parsed(text)?, false)) };
        let endpoint = parsed(text)?;
        let own = |name| endpoint.parsed().is_some_and(|parsed| parsed.option(name).is_some());
        if ["cert", "key", "certs"].into_iter().any(own) {
            // Clients want to continue on data connections what they have begun here.
            return Err(no_certificate(&format!("{text} has a certificate of its own")).into());
        }
        match &self.tls {
            Some(tls) => Ok((tls.over(parsed(&below)?), true)),
            None => Err(no_certificate(&format!("there is no certificate for {text}")).into()),
        }
    }
}

fn parsed(text: &str) -> Result<Endpoint> {
    text.into_endpoint().map_err(|error| Complaint::listen(text, &*error).into())
}

fn no_certificate(what: &str) -> Complaint {
    Complaint::new(what).code(2).remedy(
        "--tls-cert FILE has the one for all ports and data connections; `trenza cert self` makes one to try",
    )
}

fn unusable(error: &TlsError) -> Complaint {
    Complaint::new(error).remedy(
        "`trenza cert self` makes a certificate with its key to develop with: --tls-cert localhost.pem",
    )
}
