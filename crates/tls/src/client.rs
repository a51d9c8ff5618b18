//! [`ClientTls`]: how a client speaks TLS.

use crate::{
    Identity, MinVersion, TlsError, TlsLayer, Trust,
    clock::Clock,
    provider::{classic, provider},
    session::Session,
};
use rustls::{
    ClientConfig, ClientConnection, KeyLogFile,
    client::{ResolvesClientCert, Resumption},
    pki_types::ServerName,
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{fmt, sync::Arc};

/// How many servers a client remembers, to continue sessions with them.
const SESSIONS_MAX: usize = 256;

/// How a client speaks TLS: whom it trusts, who it is, what it offers. Cheap to clone, and worth keeping: sessions are
/// continued with servers that one configuration has met.
///
/// [`ClientTls::to`] makes it one for a server of a name.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    clock: Arc<Clock>,
    /// It continues sessions.
    resumes: bool,
}

/// A [`ClientTls`] for one server.
#[derive(Debug, Clone)]
pub struct ClientTlsTo {
    client: ClientTls,
    name: ServerName<'static>,
}

/// What a [`ClientTls`] is made of.
#[derive(Debug, Default)]
#[must_use = "call build()"]
pub struct ClientTlsBuilder {
    trust: Trust,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    min: MinVersion,
    classic: bool,
    no_resumption: bool,
    key_log: bool,
}

impl ClientTls {
    /// A client that trusts whom the system trusts, unless told otherwise.
    #[expect(clippy::new_ret_no_self, reason = "the builder reads as the thing itself")]
    pub fn new() -> ClientTlsBuilder {
        ClientTlsBuilder::default()
    }

    /// For the server of this name or IP address: its certificate must be for it, and it is told the name (SNI).
    ///
    /// # Errors
    /// It is neither a DNS name nor an IP address.
    pub fn to(&self, name: &str) -> Result<ClientTlsTo, TlsError> {
        Ok(ClientTlsTo::new(self.clone(), server_name(name)?))
    }
}

/// Whom a certificate must be for.
pub(crate) fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned())
        .map_err(|_| TlsError::Configuration(format!("{name:?} is neither a DNS name nor an IP address")))
}

impl ClientTlsTo {
    pub(crate) fn new(client: ClientTls, name: ServerName<'static>) -> Self {
        Self { client, name }
    }

    /// The same with a memory of its own: it continues sessions that began with it, and no others, if any. Servers of FTP want
    /// a data connection to continue the session of its own control connection.
    #[must_use]
    pub fn apart(&self) -> Self {
        let mut config = (*self.client.config).clone();
        if self.client.resumes {
            config.resumption = Resumption::in_memory_sessions(1);
        }
        let client = ClientTls { config: Arc::new(config), ..self.client.clone() };
        Self { client, name: self.name.clone() }
    }

    pub(crate) fn layer(&self) -> Result<TlsLayer, TlsError> {
        let connection = ClientConnection::new(self.client.config.clone(), self.name.clone())?;
        Ok(TlsLayer::new(Session::client(connection), self.client.clock.clone()))
    }
}

impl ClientTlsBuilder {
    /// Whose certificates are believed. Default: [`Trust::Platform`].
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// The certificate to show to servers that ask for one.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The protocols that may be spoken inside, the best first (RFC 7301).
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// The oldest version that is spoken. Default: TLS 1.2.
    pub fn min(mut self, min: MinVersion) -> Self {
        self.min = min;
        self
    }

    /// Whether keys are agreed on in a way that no quantum computer breaks later, too (X25519 with ML-KEM-768), where
    /// the server can. Default: true.
    pub fn post_quantum(mut self, on: bool) -> Self {
        self.classic = !on;
        self
    }

    /// Whether former sessions are continued. Default: true.
    pub fn resumption(mut self, on: bool) -> Self {
        self.no_resumption = !on;
        self
    }

    /// Writes the secrets of connections to the file that the environment's `SSLKEYLOGFILE` names. Default: false.
    pub fn allow_key_log(mut self) -> Self {
        self.key_log = true;
        self
    }

    /// Puts it together.
    ///
    /// # Errors
    /// What was given as a CA is none; the system has no certificates that it trusts.
    pub fn build(self) -> Result<ClientTls, TlsError> {
        let clock = Arc::new(Clock::default());
        let provider = if self.classic { classic() } else { provider() };
        let builder = ClientConfig::builder_with_details(provider, clock.clone())
            .with_protocol_versions(self.min.versions())?
            .dangerous()
            .with_custom_certificate_verifier(self.trust.verifier()?);
        let mut config = match self.identity {
            Some(identity) => builder.with_client_cert_resolver(own(&identity.key)),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn;
        config.resumption = match self.no_resumption {
            true => Resumption::disabled(),
            false => Resumption::in_memory_sessions(SESSIONS_MAX),
        };
        if self.key_log {
            config.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(ClientTls { config: Arc::new(config), clock, resumes: !self.no_resumption })
    }
}

fn own(key: &Arc<CertifiedKey>) -> Arc<dyn ResolvesClientCert> {
    Arc::new(SingleCertAndKey::from((**key).clone()))
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}
