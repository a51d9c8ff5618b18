//! [`Certificates`]: the options that say what servers show of themselves over TLS.

use crate::{complaint::Complaint, endpoint::without_tls};
use std::path::{Path, PathBuf};
use trenza::{
    Endpoint, IntoEndpoint, Result,
    tls::{Folder, Identity, ServerTls, Side, TlsError},
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct Certificates {
    /// The certificate and its chain, in PEM; the key may be in it. Without one TLS is not offered
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The key, if it is not in the file of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Many certificates instead: NAME.pem, or folders as certbot lays them
    #[arg(long, value_name = "DIR", conflicts_with = "tls_cert")]
    tls_certs: Option<PathBuf>,
}

impl Certificates {
    /// The server's side of TLS; None: there is none. Made once it serves all loops, so that clients continue sessions on
    /// any of them.
    pub(crate) fn tls(&self) -> Result<Option<ServerTls>> {
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
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Path> {
        let key = self.tls_key.as_ref().or(self.tls_cert.as_ref());
        key.into_iter().chain(&self.tls_certs).map(PathBuf::as_path)
    }

    /// There are some.
    pub(crate) fn offers(&self) -> bool {
        self.tls_cert.is_some() || self.tls_certs.is_some()
    }
}

/// Where an option of this name says to listen, and whether there is TLS from the start: with `tls`, if the endpoint has no
/// certificate of its own.
pub(crate) fn endpoint(option: &str, text: &str, tls: Option<&ServerTls>) -> Result<(Endpoint, bool)> {
    let parsed = |text: &str| -> Result<Endpoint> {
        text.into_endpoint().map_err(|error| Complaint::listen_by(option, text, &*error).into())
    };
    let Some(below) = without_tls(text) else { return Ok((parsed(text)?, false)) };
    let endpoint = parsed(text)?;
    if has_certificate(&endpoint) {
        return Ok((endpoint, true));
    }
    match tls {
        Some(tls) => Ok((tls.over(parsed(&below)?), true)),
        None => Err(no_certificate(&format!("there is no certificate for {text}")).into()),
    }
}

/// It names a certificate itself.
pub(crate) fn has_certificate(endpoint: &Endpoint) -> bool {
    let own = |name| endpoint.parsed().is_some_and(|parsed| parsed.option(name).is_some());
    ["cert", "key", "certs"].into_iter().any(own)
}

pub(crate) fn no_certificate(what: &str) -> Complaint {
    Complaint::new(what)
        .code(2)
        .remedy("--tls-cert FILE has the one for all ports; `trenza cert self` makes one to try")
}

fn unusable(error: &TlsError) -> Complaint {
    Complaint::new(error).remedy(
        "`trenza cert self` makes a certificate with its key to develop with: --tls-cert localhost.pem",
    )
}
