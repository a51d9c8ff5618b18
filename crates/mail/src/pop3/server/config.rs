//! [`Pop3Server`]: what a server is set up with.

use super::{Pop3Factory, Pop3Limits, locks::Locks};
use crate::{maildir::Maildir, pop3::Reply, seats::Seats};
use std::{fmt, sync::Arc};
use trenza_auth::{Account, Portal};
use trenza_core::Addresses;
use trenza_tls::ServerTls;

/// A POP3 server, with or without TLS. Its clones are the same server, and all loops of a program share one.
///
/// # Mailboxes
///
/// A session sees the messages that are in the Maildir when it begins. One mailbox has one session at a time, over all
/// loops; another one is told `[IN-USE]`. Other programs may deliver to the Maildir, read it and change it meanwhile:
/// each message is a file of its own, and one that is gone is refused when it is asked for. To whom retrieves one message
/// after the other, small ones are read ahead: up to 64 KiB and 64 messages a session, and of 128 sessions at a time.
///
/// Messages are deleted at QUIT, and then all that are marked, on the medium, before the client is told; a client that is
/// gone without it deletes nothing. A message's unique id is the name of its file, so it stays the same as long as it is there;
/// one that is too long for the protocol is named by its SHA-256.
///
/// Without the right to [read](trenza_auth::Rights::READ) an account has no session, and without that to
/// [delete](trenza_auth::Rights::DELETE) its messages stay.
///
/// Sizes are those of the files, or what `,W=` in their names says. Where other programs have stored messages with bare LFs
/// clients get them with CRLF, and so some bytes more than they were told.
///
/// # Protection
///
/// With [`tls`](Pop3Server::tls) clients may say STLS; what was sent behind it in clear text goes to TLS and fails the
/// handshake, so nothing can be smuggled in. A port that has TLS from the start is an endpoint with a TLS layer. Logins are
/// offered over TLS only, unless [`allow_plain_auth`](Pop3Server::allow_plain_auth) says otherwise.
///
/// ```
/// use trenza_auth::{Account, Memory, Portal};
/// use trenza_mail::{maildir::Maildir, pop3::Pop3Server};
/// use trenza_storage::{Path, Storage, Write};
///
/// let net = trenza_sim::Net::gentle(1);
/// let host = net.host("srv");
/// let storage = host.run({
///     let disk = host.disk();
///     move |reactor| Storage::new(reactor, disk)
/// });
/// let ann = Maildir::new(&storage, Path::new("ann")?);
/// net.block_on(&host, {
///     let (ann, storage) = (ann.clone(), storage.clone());
///     async move {
///         ann.make().await?;
///         let upload = storage.upload(&Path::new("ann/new/1.a.srv")?, Write::New).await?;
///         upload.push(b"Subject: hello\r\n\r\nHello!\r\n");
///         upload.finish(false).await?;
///         Ok(())
///     }
/// })?;
/// let users = Memory::new().with(Account::new("ann"), "secret");
/// let server = Pop3Server::new("srv", Portal::accounts("pop3", users)).allow_plain_auth(true);
/// host.run(|reactor| reactor.listen_with("tcp:110", server.on(move |_| Ok(ann.clone()))).map(drop))?;
///
/// let client = net.host("cli").probe("tcp:srv:110");
/// client.send("USER ann\r\nPASS secret\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n");
/// net.advance(std::time::Duration::from_secs(10));
/// let said = String::from_utf8(client.received())?;
/// assert!(said.contains("+OK 1 message (26 octets)\r\n") && said.contains("\r\nHello!\r\n.\r\n"), "{said}");
/// assert!(host.disk().folder("ann/new")?.list()?.is_empty());
/// # Ok::<(), trenza_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Pop3Server(pub(super) Arc<Config>);

/// What all sessions of a server share.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) host: String,
    pub(super) portal: Portal,
    pub(super) tls: Option<ServerTls>,
    pub(super) plain_auth: bool,
    pub(super) limits: Pop3Limits,
    pub(super) seats: Arc<Seats>,
    /// How many sessions have messages that were read ahead.
    pub(super) aheads: Arc<Seats>,
    pub(super) addresses: Addresses,
    pub(super) locks: Arc<Locks>,
}

impl Pop3Server {
    /// A server called `host` for those who log in to `portal`.
    pub fn new(host: impl Into<String>, portal: Portal) -> Self {
        let limits = Pop3Limits::default();
        Self(Arc::new(Config {
            host: host.into(),
            portal,
            tls: None,
            plain_auth: false,
            addresses: Addresses::new(limits.per_address),
            limits,
            seats: Arc::default(),
            aheads: Arc::default(),
            locks: Arc::default(),
        }))
    }

    /// Offers STLS.
    #[must_use]
    pub fn tls(self, tls: ServerTls) -> Self {
        self.change(|config| config.tls = Some(tls))
    }

    /// Offers logins over connections that are not protected, too. Who listens learns the passwords.
    #[must_use]
    pub fn allow_plain_auth(self, on: bool) -> Self {
        self.change(|config| config.plain_auth = on)
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(self, limits: Pop3Limits) -> Self {
        self.change(|config| {
            config.addresses = Addresses::new(limits.per_address);
            config.limits = limits;
        })
    }

    /// What listens on a loop: give it to [`Reactor::listen_with`](trenza_core::Reactor::listen_with). Several ports of a
    /// loop can have clones of one. `find` says which Maildir is an account's, by a storage of this loop; one that is not
    /// there has no messages. An error is what the client is told.
    ///
    /// Which mailbox is locked is told by [`Maildir::path`]: those of one server lie in one tree.
    pub fn on(&self, find: impl Fn(&Account) -> Result<Maildir, Reply> + 'static) -> Pop3Factory {
        Pop3Factory::new(self.0.clone(), find)
    }

    /// A clone that was set up before goes on as it was, and counts its sessions together with this one.
    fn change(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Debug for Pop3Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pop3Server")
            .field("host", &self.0.host)
            .field("tls", &self.0.tls)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}
