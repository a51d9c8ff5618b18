//! [`ClientOptions`]: how a client talks to its server.

use crate::reply::{self, ReplyLimits};
use std::{fmt, net::IpAddr, rc::Rc, time::Duration};
use trenza_tls::ClientTlsTo;

/// How a client talks to its server.
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientOptions {
    pub(crate) security: Security,
    pub(crate) clear_data: bool,
    pub(crate) active: bool,
    pub(crate) active_address: Option<IpAddr>,
    pub(crate) trust_passive_host: bool,
    pub(crate) route: Option<Route>,
    pub(crate) limits: ClientLimits,
}

/// Whether and when TLS begins.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    None,
    Explicit(ClientTlsTo),
    Implicit(ClientTlsTo),
}

/// Which endpoint a port of the server is reached by.
#[derive(Clone)]
pub(crate) struct Route(pub(crate) Rc<dyn Fn(u16) -> String>);

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Route")
    }
}

/// What a client waits for, reads and keeps at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    /// How long a connection may take to be made, its TLS handshake included. 30 s.
    pub connect: Duration,
    /// How long the server may take for a reply. 60 s.
    pub reply: Duration,
    /// How long a data connection may move no byte. 60 s.
    pub idle: Duration,
    /// What a reply may have.
    pub replies: ReplyLimits,
    /// The most bytes of a listing. 64 MiB.
    pub listing: usize,
    /// The most entries of a listing. 1,000,000.
    pub entries: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            reply: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            replies: reply::LIMITS,
            listing: 64 * 1024 * 1024,
            entries: 1_000_000,
        }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            security: Security::None,
            clear_data: false,
            active: false,
            active_address: None,
            trust_passive_host: false,
            route: None,
            limits: ClientLimits::default(),
        }
    }
}

impl ClientOptions {
    /// No TLS, passive data connections, the limits of [`ClientLimits::default`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins TLS by AUTH TLS before anything else is said (RFC 4217), and protects data connections, too. A server that
    /// does not have it is not logged in to.
    pub fn explicit_tls(mut self, to: ClientTlsTo) -> Self {
        self.security = Security::Explicit(to);
        self
    }

    /// Begins with TLS, on a port of its own, usually 990.
    pub fn implicit_tls(mut self, to: ClientTlsTo) -> Self {
        self.security = Security::Implicit(to);
        self
    }

    /// Leaves data connections unprotected although there is TLS: PROT C. Default: false.
    pub fn clear_data(mut self, on: bool) -> Self {
        self.clear_data = on;
        self
    }

    /// Has the server connect to this end for data, by EPRT or PORT. Default: false.
    pub fn active(mut self, on: bool) -> Self {
        self.active = on;
        self
    }

    /// The address that the server is told to connect to, where this end is behind a NAT. Default: the control
    /// connection's.
    pub fn active_address(mut self, ip: IpAddr) -> Self {
        self.active_address = Some(ip);
        self
    }

    /// Connects to whatever address a reply to PASV names. By default it does not count, and data connections go where
    /// the control connection goes: a server could have its clients connect to anybody.
    pub fn trust_passive_host(mut self, on: bool) -> Self {
        self.trust_passive_host = on;
        self
    }

    /// Connects for data to the endpoint that `to` gives for a port of the server, instead of straight to its address:
    /// where the control connection goes through a proxy, as in `socks5:gate:1080:tcp:example.org:21`, data connections
    /// have to go through it, too.
    pub fn data_endpoint(mut self, to: impl Fn(u16) -> String + 'static) -> Self {
        self.route = Some(Route(Rc::new(to)));
        self
    }

    /// Sets limits.
    pub fn limits(mut self, limits: ClientLimits) -> Self {
        self.limits = limits;
        self
    }
}
