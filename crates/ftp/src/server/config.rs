//! [`FtpServer`]: what a server is set up with.

use super::{FtpFactory, FtpLimits, FtpRates, Home, TransferLog, home::Logins, pipes::Pipes, seats::Seats};
use std::{fmt, net::Ipv4Addr, ops::RangeInclusive, sync::Arc};
use trenza_auth::{Portal, Realm};
use trenza_core::Addresses;
use trenza_tls::ServerTls;

/// An FTP server, with or without TLS. Its clones are the same server, and all loops of a program share one.
///
/// ```
/// use std::sync::Arc;
/// use trenza_auth::{Account, Memory, Portal};
/// use trenza_ftp::{FtpServer, Homes};
///
/// let net = trenza_sim::Net::gentle(1);
/// let host = net.host("srv");
/// let users = Memory::new().with(Account::new("ann"), "secret");
/// let server = FtpServer::new(Portal::new("ftp", users, Homes::of_tree(Arc::new(host.disk()))))
///     .passive_ports(50000..=50099)
///     .banner("hello");
/// host.run(|reactor| reactor.listen_with("tcp:21", server.factory()).map(drop))?;
///
/// let cli = net.host("cli").probe("tcp:srv:21");
/// cli.send("USER ann\r\nPASS secret\r\nPWD\r\nQUIT\r\n");
/// net.run();
/// let replies = String::from_utf8(cli.received())?;
/// let codes: Vec<&str> = replies.lines().filter_map(|line| line.get(..3)).collect();
/// assert_eq!(codes, ["220", "331", "230", "257", "221"]);
/// # Ok::<(), trenza_core::Error>(())
/// ```
///
/// # Protection
///
/// With [`tls`](FtpServer::tls) clients may say AUTH TLS (RFC 4217). A port that has TLS from the start (implicit FTPS) is
/// an endpoint with a TLS layer of the same [`ServerTls`]: data connections are protected there unless the client says
/// PROT C. What was sent behind AUTH TLS in clear text goes to TLS and fails the handshake, so no command can be smuggled
/// in. CCC is refused with 534 unless [`allow_ccc`](FtpServer::allow_ccc) says otherwise; REIN over TLS forgets the user and
/// stays in TLS.
///
/// An upload over TLS that ends without close_notify (RFC 8446 section 6.1) was cut short, by whoever is on the way or by
/// a client that does not care: it is answered with 426, and what came is kept as of other uploads that broke off. For
/// devices that cannot do better there is [`allow_truncation`](FtpServer::allow_truncation).
///
/// # Uploads
///
/// A file that is stored has a temporary name until it is whole, so nobody sees half of it, and 226 means that it is there;
/// with [`sync`](FtpServer::sync), that it survives a loss of power. Of an upload that breaks off, what came is kept under
/// the file's name, so that the client can go on with REST or APPE, unless
/// [`keep_partial`](FtpServer::keep_partial) says otherwise; nothing came, or the disk was full: the file stays what it
/// was. Uploads from an offset on (REST, APPE) write into the file itself.
#[derive(Clone)]
pub struct FtpServer(pub(super) Arc<Config>);

/// What all sessions of a server share.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) logins: Arc<dyn Logins>,
    pub(super) banner: String,
    pub(super) tls: Option<ServerTls>,
    /// The same for uploads: most clients read nothing there, and would reset what they leave unread.
    pub(super) tls_uploads: Option<ServerTls>,
    pub(super) tls_required: bool,
    pub(super) tls_reuse_required: bool,
    pub(super) tls_truncated: bool,
    pub(super) tls_clearable: bool,
    pub(super) passive_ports: Option<RangeInclusive<u16>>,
    pub(super) public_address: Option<Ipv4Addr>,
    pub(super) hosts: Vec<String>,
    pub(super) keep_partial: bool,
    pub(super) sync: bool,
    pub(super) limits: FtpLimits,
    pub(super) rates: FtpRates,
    /// What all data connections share.
    pub(super) pipes: Pipes,
    pub(super) log: Option<Arc<dyn TransferLog>>,
    pub(super) seats: Arc<Seats>,
    pub(super) addresses: Addresses,
}

impl FtpServer {
    /// A server whose users log in to `portal`. Who is let in as nobody in particular is its checker's
    /// ([`Anonymous`](trenza_auth::Anonymous)): `anonymous` and `ftp` are such names then, with any password.
    pub fn new<R: Realm<Avatar = Home> + Send + Sync + 'static>(portal: Portal<R>) -> Self {
        let limits = FtpLimits::default();
        Self(Arc::new(Config {
            logins: Arc::new(portal),
            banner: "FTP server ready".into(),
            tls: None,
            tls_uploads: None,
            tls_required: false,
            tls_reuse_required: false,
            tls_truncated: false,
            tls_clearable: false,
            passive_ports: None,
            public_address: None,
            hosts: Vec::new(),
            keep_partial: true,
            sync: false,
            addresses: Addresses::new(limits.per_address),
            limits,
            rates: FtpRates::default(),
            pipes: Pipes::default(),
            log: None,
            seats: Arc::default(),
        }))
    }

    /// What new clients are greeted with.
    #[must_use]
    pub fn banner(self, text: impl Into<String>) -> Self {
        self.change(|config| config.banner = text.into())
    }

    /// Offers AUTH TLS, and protects data connections. The configuration should be that of the control connections
    /// where those have TLS from the start, so that clients can continue their sessions.
    #[must_use]
    pub fn tls(self, tls: ServerTls) -> Self {
        self.change(|config| {
            config.tls_uploads = Some(tls.without_tickets());
            config.tls = Some(tls);
        })
    }

    /// Refuses names and passwords (530) and transfers (521) that are not protected.
    #[must_use]
    pub fn require_tls(self, on: bool) -> Self {
        self.change(|config| config.tls_required = on)
    }

    /// Refuses protected data connections (522) that do not continue a TLS session, which the client could only have
    /// had from a connection to this server. Some older clients cannot. Default: false.
    #[must_use]
    pub fn require_tls_reuse(self, on: bool) -> Self {
        self.change(|config| config.tls_reuse_required = on)
    }

    /// Takes an upload over TLS for whole that ends without close_notify, as the clients of some old devices end all of
    /// theirs. Then whoever is on the way can cut one short, and nobody hears of it. Default: false, unlike vsftpd's
    /// `strict_ssl_read_eof`.
    #[must_use]
    pub fn allow_truncation(self, on: bool) -> Self {
        self.change(|config| config.tls_truncated = on)
    }

    /// Lets clients leave TLS on the control connection again, with CCC (RFC 2228 section 3), once they have logged in: for
    /// firewalls that must read which ports data go to. From there on whoever is on the way can read commands, and send
    /// some as the client. Where TLS is required, or was there from the start, CCC is refused all the same. Default: false.
    #[must_use]
    pub fn allow_ccc(self, on: bool) -> Self {
        self.change(|config| config.tls_clearable = on)
    }

    /// The ports that passive data connections come to: what a firewall must let in. Default: any
    /// from 32768 on.
    ///
    /// # Panics
    /// The range is empty or has port 0.
    #[must_use]
    pub fn passive_ports(self, ports: RangeInclusive<u16>) -> Self {
        assert!(!ports.is_empty() && *ports.start() > 0, "a range of ports from 1 on");
        self.change(|config| config.passive_ports = Some(ports))
    }

    /// The address that PASV gives to clients: that of the NAT in front of the server. Clients with private addresses,
    /// which are behind it too, get the address that they came to.
    #[must_use]
    pub fn public_address(self, ip: Ipv4Addr) -> Self {
        self.change(|config| config.public_address = Some(ip))
    }

    /// The names by which HOST may call this server (RFC 7151), in lower case; others are refused with 504. Default: any.
    #[must_use]
    pub fn hosts<H: Into<String>>(self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.change(|config| config.hosts = hosts.into_iter().map(Into::into).collect())
    }

    /// Whether what came of an upload that broke off is kept under the file's name. Default: true.
    #[must_use]
    pub fn keep_partial(self, on: bool) -> Self {
        self.change(|config| config.keep_partial = on)
    }

    /// Whether an upload is on the medium before the client is told 226. Default: false.
    #[must_use]
    pub fn sync(self, on: bool) -> Self {
        self.change(|config| config.sync = on)
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(self, limits: FtpLimits) -> Self {
        self.change(|config| {
            config.addresses = Addresses::new(limits.per_address);
            config.limits = limits;
        })
    }

    /// Sets how fast data connections are.
    #[must_use]
    pub fn rates(self, rates: FtpRates) -> Self {
        self.change(|config| {
            config.pipes = Pipes::default().within(rates.all_in, rates.all_out);
            config.rates = rates;
        })
    }

    /// Has `log` told of every transfer of a file when it is over. Closures are logs.
    #[must_use]
    pub fn log(self, log: impl TransferLog) -> Self {
        self.change(|config| config.log = Some(Arc::new(log)))
    }

    /// What listens: give it to [`Reactor::listen_with`](trenza_core::Reactor::listen_with), on each loop. All ports and
    /// loops count together.
    pub fn factory(&self) -> FtpFactory {
        FtpFactory(self.0.clone())
    }

    /// A clone that was set up before goes on as it was, and counts its sessions together with this one.
    fn change(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Debug for FtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FtpServer")
            .field("tls", &self.0.tls)
            .field("passive_ports", &self.0.passive_ports)
            .field("public_address", &self.0.public_address)
            .field("limits", &self.0.limits)
            .field("rates", &self.0.rates)
            .finish_non_exhaustive()
    }
}
