//! [`ClientOptions`]: how a client talks to its server.

use crate::smtp::{
    Host,
    reply::{LIMITS, ReplyLimits},
};
use std::{sync::Arc, time::Duration};
use trenza_auth::Secret;
use trenza_tls::ClientTlsTo;

/// How a client talks to its server.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct ClientOptions {
    pub(super) name: Option<Host>,
    pub(super) security: Security,
    pub(super) login: Option<Login>,
    pub(super) plain_auth: bool,
    pub(super) lmtp: bool,
    pub(super) limits: ClientLimits,
}

/// Whether TLS begins by STARTTLS.
#[derive(Debug, Clone, Default)]
pub(super) enum Security {
    #[default]
    None,
    Opportunistic(ClientTlsTo),
    Required(ClientTlsTo),
}

/// Who logs in.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) password: Arc<Secret>,
}

/// What a client waits for, reads and keeps at most. The times are those of RFC 5321 section 4.5.3.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    /// How long a connection may take to be made, with the TLS of its endpoint. 30 s.
    pub connect: Duration,
    /// How long the server may take to greet. 5 minutes.
    pub greeting: Duration,
    /// How long it may take for EHLO, STARTTLS, each step of AUTH, RSET and NOOP. 5 minutes.
    pub command: Duration,
    /// How long it may take for MAIL. 5 minutes.
    pub mail: Duration,
    /// How long it may take for a RCPT. 5 minutes.
    pub rcpt: Duration,
    /// How long it may take for DATA, until the message may begin. 2 minutes.
    pub data: Duration,
    /// How long it may take for a block of the message, of 48 KiB and more. 3 minutes.
    pub block: Duration,
    /// How long a message may take to be sent in all. 1 hour.
    pub message: Duration,
    /// How long the server may take at the end of a message, when it is not to be in doubt whether it has it. 10 minutes.
    pub end: Duration,
    /// How long it may take to say goodbye. 5 s: nothing depends on it.
    pub quit: Duration,
    /// What a reply may have. [`LIMITS`], with 16 KiB in all: one is kept for each recipient.
    pub replies: ReplyLimits,
    /// From how many bytes on a message goes by BDAT, where the server has it (RFC 3030), and not by DATA. 1 MiB. One whose
    /// size is not known goes by DATA.
    pub chunking: u64,
}

impl Default for ClientLimits {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            connect: Duration::from_secs(30),
            greeting: minutes(5),
            command: minutes(5),
            mail: minutes(5),
            rcpt: minutes(5),
            data: minutes(2),
            block: minutes(3),
            message: minutes(60),
            end: minutes(10),
            quit: Duration::from_secs(5),
            replies: ReplyLimits { bytes: 16 * 1024, ..LIMITS },
            chunking: 1024 * 1024,
        }
    }
}

impl ClientOptions {
    /// SMTP without TLS of its own (an endpoint may have it), without a login, with the limits of
    /// [`ClientLimits::default`].
    pub fn new() -> Self {
        Self::default()
    }

    /// What the client calls itself. Default: the address of its end of the connection (RFC 5321 section 4.1.4).
    pub fn name(mut self, name: Host) -> Self {
        self.name = Some(name);
        self
    }

    /// Begins TLS by STARTTLS (RFC 3207) before anything of worth is said. A server that does not have it, or that cannot
    /// be trusted, gets no message.
    pub fn starttls(mut self, to: ClientTlsTo) -> Self {
        self.security = Security::Required(to);
        self
    }

    /// Begins TLS by STARTTLS where the server has it, and goes on in clear text where it does not, or where that
    /// fails: between servers, whose certificates nobody can verify, it is better than nothing (RFC 7435). Give it a `to`
    /// that trusts anybody. Such a connection does not count as protected: nobody logs in over it.
    pub fn opportunistic_tls(mut self, to: ClientTlsTo) -> Self {
        self.security = Security::Opportunistic(to);
        self
    }

    /// Logs in (RFC 4954), by the best of SCRAM-SHA-256, PLAIN and LOGIN that the server offers; only over TLS or a UNIX
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

    /// Speaks LMTP (RFC 2033). Default: false.
    pub fn lmtp(mut self, on: bool) -> Self {
        self.lmtp = on;
        self
    }

    /// Sets limits.
    pub fn limits(mut self, limits: ClientLimits) -> Self {
        self.limits = limits;
        self
    }
}
