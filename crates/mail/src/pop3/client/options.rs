//! [`ClientOptions`]: how a client talks to its server.

use std::{sync::Arc, time::Duration};
use trenza_auth::Secret;
use trenza_tls::ClientTlsTo;

/// How a client talks to its server.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct ClientOptions {
    pub(super) starttls: Option<ClientTlsTo>,
    pub(super) login: Option<Login>,
    pub(super) plain_auth: bool,
    pub(super) limits: ClientLimits,
}

/// Who logs in.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) password: Arc<Secret>,
}

/// What a client waits for, reads and keeps at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    /// How long a connection may take to be made, with the TLS of its endpoint. 30 s.
    pub connect: Duration,
    /// How long the server may take for a reply, and for the next piece of what follows it. 2 minutes.
    pub reply: Duration,
    /// How long it may take to say goodbye once it has answered. 5 s: nothing depends on it.
    pub quit: Duration,
    /// The most messages that are listed. 1,000,000.
    pub messages: usize,
    /// The largest message, in bytes. 1 GiB.
    pub size: u64,
    /// How many commands are under way at once where the server has PIPELINING. 32.
    pub pipeline: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            reply: Duration::from_secs(120),
            quit: Duration::from_secs(5),
            messages: 1_000_000,
            size: 1024 * 1024 * 1024,
            pipeline: 32,
        }
    }
}

impl ClientOptions {
    /// Without STLS and without a login, with the limits of [`ClientLimits::default`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins TLS by STLS before anything of worth is said. A server that does not have it, or that cannot be trusted, is
    /// not logged in to.
    pub fn starttls(mut self, to: ClientTlsTo) -> Self {
        self.starttls = Some(to);
        self
    }

    /// Logs in, by the best of SCRAM-SHA-256, PLAIN, and USER and PASS that the server offers; only over TLS or a UNIX
    /// socket, unless [`allow_plain_auth`](Self::allow_plain_auth) says otherwise.
    pub fn login(mut self, name: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.login = Some(Login { name: name.into(), password: Arc::new(password.into()) });
        self
    }

    /// Logs in over connections that are not protected, too. Who listens learns the password. Default: false.
    pub fn allow_plain_auth(mut self, on: bool) -> Self {
        self.plain_auth = on;
        self
    }

    /// Sets limits.
    pub fn limits(mut self, limits: ClientLimits) -> Self {
        self.limits = limits;
        self
    }
}
