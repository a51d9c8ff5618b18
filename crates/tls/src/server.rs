//! [`ServerTls`]: how a server speaks TLS.

use crate::{
    Folder, Identity, MinVersion, TlsError, TlsLayer,
    certificates::Certificates,
    clock::Clock,
    pem::Pem,
    provider::{classic, provider},
    session::Session,
};
use rustls::{
    KeyLogFile, RootCertStore, ServerConfig, ServerConnection,
    crypto::aws_lc_rs::Ticketer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use std::{fmt, sync::Arc};
use trenza_core::Reactor;

/// How many session tickets a client of TLS 1.3 gets, each good for one resumption.
const TICKETS: usize = 2;

/// How a server speaks TLS: its certificates, whom it wants to know, what it offers. Cheap to clone; it may be shared
/// by threads and loops.
///
/// ```
/// use trenza_core::IntoEndpoint;
/// use trenza_tls::{Identity, ServerTls, Side};
///
/// # let made = rcgen::generate_simple_self_signed(["srv".to_owned()])?;
/// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
/// let tls = ServerTls::new(Identity::from_pem(pem.as_bytes())?).alpn(["http/1.1"]).build()?;
/// let on = tls.over("tcp:443".into_endpoint()?);
/// # drop(on);
/// # Ok::<(), trenza_core::Error>(())
/// ```
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    clock: Arc<Clock>,
    certificates: Certificates,
    folder: Option<Folder>,
}

/// What a [`ServerTls`] is made of.
#[derive(Debug)]
#[must_use = "call build()"]
pub struct ServerTlsBuilder {
    certificates: Certificates,
    folder: Option<Folder>,
    clients: Clients,
    alpn: Vec<Vec<u8>>,
    min: MinVersion,
    post_quantum: bool,
    resumption: bool,
    key_log: bool,
}

/// Which clients may come.
#[derive(Debug, Clone)]
enum Clients {
    Anybody,
    Signed { ca: Vec<u8>, required: bool },
}

impl ServerTls {
    /// A server of one certificate, which every client is shown.
    #[expect(clippy::new_ret_no_self, reason = "the builder reads as the thing itself")]
    pub fn new(identity: Identity) -> ServerTlsBuilder {
        Self::with(Certificates::one(identity))
    }

    /// A server of many certificates: each client is shown the one for the name that it asks for.
    pub fn with(certificates: Certificates) -> ServerTlsBuilder {
        ServerTlsBuilder {
            certificates,
            folder: None,
            clients: Clients::Anybody,
            alpn: Vec::new(),
            min: MinVersion::default(),
            post_quantum: true,
            resumption: true,
            key_log: false,
        }
    }

    /// A server of the certificates in a folder, which may change.
    pub fn of(folder: Folder) -> ServerTlsBuilder {
        let builder = Self::with(folder.certificates().clone());
        ServerTlsBuilder { folder: Some(folder), ..builder }
    }

    /// The certificates, to replace them while connections go on.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The same server, which gives clients of TLS 1.3 no tickets; they resume with those of its other connections. For
    /// connections on which clients only send: who does not read the tickets and closes sends a reset, and what is under
    /// way then is lost.
    #[must_use]
    pub fn without_tickets(&self) -> Self {
        let mut config = (*self.config).clone();
        config.send_tls13_tickets = 0;
        Self { config: Arc::new(config), ..self.clone() }
    }

    pub(crate) fn layer(&self) -> Result<TlsLayer, TlsError> {
        if let (Some(folder), Some(reactor)) = (&self.folder, Reactor::try_current()) {
            folder.look(&reactor);
        }
        let connection = ServerConnection::new(self.config.clone())?;
        Ok(TlsLayer::new(Session::server(connection), self.clock.clone()))
    }
}

impl ServerTlsBuilder {
    /// Asks clients for a certificate that a CA of this PEM has signed, and refuses those without one.
    pub fn require_clients_of(mut self, ca: impl Into<Vec<u8>>) -> Self {
        self.clients = Clients::Signed { ca: ca.into(), required: true };
        self
    }

    /// Asks clients for a certificate that a CA of this PEM has signed; those that have none may come all the same.
    pub fn ask_clients_of(mut self, ca: impl Into<Vec<u8>>) -> Self {
        self.clients = Clients::Signed { ca: ca.into(), required: false };
        self
    }

    /// The protocols that are spoken inside, the best first (RFC 7301). A client that knows none of them is refused.
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
    /// the client can. Default: true.
    pub fn post_quantum(mut self, on: bool) -> Self {
        self.post_quantum = on;
        self
    }

    /// Whether clients may continue former sessions. Default: true.
    pub fn resumption(mut self, on: bool) -> Self {
        self.resumption = on;
        self
    }

    /// Writes the secrets of connections to the file that the environment's `SSLKEYLOGFILE` names, for who looks at
    /// the traffic with Wireshark. Default: false, whatever the environment says.
    pub fn allow_key_log(mut self) -> Self {
        self.key_log = true;
        self
    }

    /// Puts it together.
    ///
    /// # Errors
    /// There is no certificate, or what was given as a CA is none.
    pub fn build(self) -> Result<ServerTls, TlsError> {
        if self.certificates.is_empty() {
            return Err(TlsError::Configuration("there is no certificate".into()));
        }
        let clock = Arc::new(Clock::default());
        let provider = if self.post_quantum { provider() } else { classic() };
        let builder = ServerConfig::builder_with_details(provider, clock.clone())
            .with_protocol_versions(self.min.versions())?;
        let builder = match &self.clients {
            Clients::Anybody => builder.with_no_client_auth(),
            Clients::Signed { ca, required } => builder.with_client_cert_verifier(verifier(ca, *required)?),
        };
        let mut config = builder.with_cert_resolver(Arc::new(self.certificates.clone()));
        config.alpn_protocols = self.alpn;
        // The order of the cipher suites is ours: 256 bits first, whatever an old client puts first.
        config.ignore_client_order = true;
        config.send_tls13_tickets = if self.resumption { TICKETS } else { 0 };
        if self.resumption {
            config.ticketer = Ticketer::new()?;
        } else {
            config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        }
        if self.key_log {
            config.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(ServerTls {
            config: Arc::new(config),
            clock,
            certificates: self.certificates,
            folder: self.folder,
        })
    }
}

fn verifier(ca: &[u8], required: bool) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let builder = WebPkiClientVerifier::builder_with_provider(roots(ca)?.into(), provider());
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| TlsError::unusable("the clients' CA", error.to_string()))
}

/// The certificates of a PEM text as those that are trusted.
pub(crate) fn roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in Pem::new("the CA", pem).certificates()? {
        roots.add(certificate).map_err(|error| TlsError::unusable("the CA", error.to_string()))?;
    }
    Ok(roots)
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}
