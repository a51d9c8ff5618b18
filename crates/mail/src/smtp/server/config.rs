//! [`SmtpServer`]: what a server is set up with.

use super::{Delivery, SmtpFactory, SmtpLimits, rates::Rates};
use crate::{seats::Seats, smtp::Mailbox};
use std::{collections::BTreeSet, fmt, sync::Arc};
use trenza_auth::{Account, Portal};
use trenza_core::Addresses;
use trenza_tls::ServerTls;

/// What a server is for. What one of them does another never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Takes messages for its own domains from anybody (port 25).
    Reception,
    /// Takes messages to anybody from those who have logged in (RFC 6409; ports 587 and 465).
    Submission,
    /// Takes messages from a server that has received them, with an answer for each recipient (RFC 2033).
    Lmtp,
}

/// An SMTP or LMTP server, with or without TLS. Its clones are the same server, and all loops of a program share one.
///
/// See [`Delivery`] for an example.
///
/// # Who may do what
///
/// At reception a recipient in another domain is refused with 550, whatever the [`Delivery`] would say: nobody can make
/// it an open relay. At submission nothing is taken before a login (530) or from an account without the right to
/// [send](trenza_auth::Rights::SEND) (550), senders must be the account's (553), and so must be all in the field From (550).
///
/// # Protection
///
/// With [`tls`](SmtpServer::tls) clients may say STARTTLS; what was sent behind it in clear text goes to TLS and fails the
/// handshake, so nothing can be smuggled in. A port that has TLS from the start is an endpoint with a TLS layer. Logins are
/// offered over TLS only, unless [`allow_plain_auth`](SmtpServer::allow_plain_auth) says otherwise.
///
/// A CR or LF that stands alone ends a session (500), or refuses a message (550), and DATA ends with CRLF, dot and CRLF
/// only: there is no byte of a message that another server could take for its end.
#[derive(Clone)]
pub struct SmtpServer(pub(super) Arc<Config>);

/// Whether a sender is an account's.
type Senders = Arc<dyn Fn(&Account, &Mailbox) -> bool + Send + Sync>;

/// What all sessions of a server share.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) mode: Mode,
    pub(super) host: String,
    pub(super) domains: BTreeSet<String>,
    pub(super) portal: Option<Portal>,
    senders: Option<Senders>,
    pub(super) tls: Option<ServerTls>,
    pub(super) tls_required: bool,
    pub(super) plain_auth: bool,
    pub(super) any_author: bool,
    pub(super) notifies: bool,
    pub(super) limits: SmtpLimits,
    pub(super) seats: Arc<Seats>,
    pub(super) addresses: Addresses,
    pub(super) rates: Arc<Rates>,
}

impl SmtpServer {
    fn new(mode: Mode, host: impl Into<String>) -> Self {
        let limits = SmtpLimits::default();
        Self(Arc::new(Config {
            mode,
            host: host.into(),
            domains: BTreeSet::new(),
            portal: None,
            senders: None,
            tls: None,
            tls_required: false,
            plain_auth: false,
            any_author: false,
            notifies: true,
            addresses: Addresses::new(limits.per_address),
            limits,
            seats: Arc::default(),
            rates: Arc::default(),
        }))
    }

    /// A server called `host` that takes messages for these domains from anybody.
    pub fn reception<D: Into<String>>(host: impl Into<String>, domains: impl IntoIterator<Item = D>) -> Self {
        Self::new(Mode::Reception, host).domains(domains)
    }

    /// A server called `host` that takes messages to anybody from those who log in to `portal`.
    pub fn submission(host: impl Into<String>, portal: Portal) -> Self {
        Self::new(Mode::Submission, host).change(|config| config.portal = Some(portal))
    }

    /// A server called `host` that speaks LMTP. Who reaches it may send to anybody that its [`Delivery`] knows.
    pub fn lmtp(host: impl Into<String>) -> Self {
        Self::new(Mode::Lmtp, host)
    }

    /// The server's own domains: at reception those that it takes messages for; at submission those in which an account
    /// may send as its own name.
    #[must_use]
    pub fn domains<D: Into<String>>(self, domains: impl IntoIterator<Item = D>) -> Self {
        let domains = domains.into_iter().map(|domain| domain.into().to_ascii_lowercase());
        self.change(|config| config.domains = domains.collect())
    }

    /// At submission: whether a sender, or an author, is an account's. Default: the address that the account is called by; and, in one
    /// of the [`domains`](SmtpServer::domains), its name, with or without `+` and something behind it.
    #[must_use]
    pub fn senders(self, own: impl Fn(&Account, &Mailbox) -> bool + Send + Sync + 'static) -> Self {
        self.change(|config| config.senders = Some(Arc::new(own)))
    }

    /// Offers STARTTLS.
    #[must_use]
    pub fn tls(self, tls: ServerTls) -> Self {
        self.change(|config| config.tls = Some(tls))
    }

    /// Takes no message over a connection that is not protected (530). Not for reception from the Internet (RFC 3207
    /// section 4).
    #[must_use]
    pub fn require_tls(self, on: bool) -> Self {
        self.change(|config| config.tls_required = on)
    }

    /// At submission: offers logins over connections that are not protected, too. Who listens learns the passwords.
    #[must_use]
    pub fn allow_plain_auth(self, on: bool) -> Self {
        self.change(|config| config.plain_auth = on)
    }

    /// At submission: lets accounts send what says that it is from others, in its field From; senders must be theirs all the
    /// same. For those who pass on what others have written, as lists do. Default: it is refused with 550.
    #[must_use]
    pub fn any_author(self, on: bool) -> Self {
        self.change(|config| config.any_author = on)
    }

    /// Offers DSN (RFC 3461): that senders are told what becomes of a message, as they wish. Default: true. Not for a
    /// [`Delivery`] that does nothing of the kind: whoever passes a message on tells nobody then, since this server does.
    #[must_use]
    pub fn notifies(self, on: bool) -> Self {
        self.change(|config| config.notifies = on)
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(self, limits: SmtpLimits) -> Self {
        self.change(|config| {
            config.addresses = Addresses::new(limits.per_address);
            config.limits = limits;
        })
    }

    /// What listens on a loop, with what takes messages there: give it to
    /// [`Reactor::listen_with`](trenza_core::Reactor::listen_with). Several ports of a loop can have clones of one.
    pub fn on(&self, delivery: impl Delivery) -> SmtpFactory {
        SmtpFactory::new(self.0.clone(), delivery)
    }

    /// A clone that was set up before goes on as it was, and counts its sessions together with this one.
    fn change(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Config {
    /// Whether this account may send as this.
    pub(super) fn owns(&self, account: &Account, sender: &Mailbox) -> bool {
        if let Some(own) = &self.senders {
            return own(account, sender);
        }
        let name = &account.name;
        if Mailbox::parse(name).is_some_and(|own| own == *sender) {
            return true;
        }
        let local = sender.local().split('+').next().unwrap_or_default();
        local == name && sender.host().domain().is_some_and(|domain| self.domains.contains(domain))
    }
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpServer")
            .field("mode", &self.0.mode)
            .field("host", &self.0.host)
            .field("domains", &self.0.domains)
            .field("tls", &self.0.tls)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}
