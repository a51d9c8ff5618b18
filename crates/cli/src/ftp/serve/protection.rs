//! [`Protection`]: the options of TLS.

use crate::{
    certificates::{self, Certificates, has_certificate, no_certificate},
    complaint::Complaint,
    endpoint::is_secured,
    terminal::warn,
};
use std::path::Path;
use trenza::{Endpoint, IntoEndpoint, Result, ftp::FtpServer, tls::ServerTls};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct Protection {
    #[command(flatten)]
    certificates: Certificates,

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
        let tls = self.certificates.tls()?;
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

    /// The files that nobody may fetch.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Path> {
        self.certificates.secrets()
    }

    /// Names and passwords may be sent in clear.
    pub(super) fn warn(&self) {
        if self.require_tls {
            return;
        }
        let remedy = match self.certificates.offers() {
            true => "--require-tls refuses that",
            false => "--tls-cert offers TLS, and --require-tls refuses all else",
        };
        warn(&format!("whoever is between can read passwords and files: {remedy}"));
    }

    /// How clients are told of a port, and what is over it.
    pub(super) fn shown(&self, secured: bool) -> (&'static str, &'static str) {
        match (secured, self.require_tls, self.certificates.offers()) {
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
        if is_secured(text) {
            let own = text.into_endpoint().map_err(|error| Complaint::listen(text, &*error))?;
            if has_certificate(&own) {
                // Clients want to continue on data connections what they have begun here.
                return Err(no_certificate(&format!("{text} has a certificate of its own")).into());
            }
        }
        certificates::endpoint("--listen", text, self.tls.as_ref())
    }
}
