//! [`Client`]: an FTP client for coroutines.
//!
//! ```text
//!  Client ── Control: commands, one after another, each with its final reply
//!     └───── Data: PASV, EPSV │ PORT, EPRT ─▶ Stream ─▶ what is retrieved, stored, listed
//! ```

mod control;
mod data;
mod dial;
mod error;
mod listing;
mod options;
mod transfer;

pub use dial::Dial;
pub use error::ClientError;
pub use options::{ClientLimits, ClientOptions};

use crate::{
    Code, Command, Entry, Reply,
    command::{Mechanism, Opts, Protection, Secret, Site, TransferType},
    listing::{Fact, FactSet, mlsx},
    reply::{Features, unquote},
    time,
};
use control::{Control, shown};
use options::Security;
use std::time::{Duration, SystemTime};
use trenza_core::{Endpoint, IntoEndpoint, Reactor, SocketOption, timeout};
use trenza_tls::{Side, StartTls};

/// How often a control connection is probed by the system while a transfer leaves it silent.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// The most replies to ABOR, the transfer's own and that to NOOP included.
const REPLIES_TO_ABORT_MAX: usize = 4;

/// A client, connected to a server.
///
/// It does one thing at a time. Dropping the future of a transfer gives it up; the client goes on: the reply that is still
/// to come is read before the next command. Dropping the client drops the connection.
///
/// ```
/// use trenza_core::Result;
/// use trenza_ftp::{Client, ClientOptions};
///
/// async fn fetch(server: &str) -> Result<Vec<u8>> {
///     let mut client = Client::connect(server, ClientOptions::new()).await?;
///     client.login("anonymous", "ann@example.org").await?;
///     let mut text = Vec::new();
///     client.retrieve("motd.txt", 0, async |piece| Ok(text.extend_from_slice(&piece))).await?;
///     client.quit().await?;
///     Ok(text)
/// }
/// # let net = trenza_sim::Net::new(1);
/// # let fetched = net.block_on(&net.host("cli"), fetch("tcp:srv:21"));
/// # assert!(fetched.is_err()); // there is no such server
/// ```
pub struct Client {
    control: Control,
    options: ClientOptions,
    features: Option<Features>,
    greeting: Reply,
    /// How data are to be represented.
    wanted: TransferType,
    /// How the server represents them; None: nobody knows.
    set: Option<TransferType>,
    /// Data connections are.
    protected: bool,
    /// The server knows EPSV, as far as is known.
    epsv: bool,
    /// The server was told an offset that no transfer has used.
    restarted: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({:?})", self.control.stream().transport())
    }
}

impl Client {
    /// Connects, and begins TLS if that is wished. Nobody is logged in yet.
    ///
    /// # Errors
    /// The connection cannot be made; the server does not greet, does not have TLS, or cannot be trusted.
    ///
    /// # Panics
    /// Outside of a coroutine or callback of a reactor.
    pub async fn connect(to: impl IntoEndpoint, options: ClientOptions) -> Result<Self, ClientError> {
        const ASKED: &str = "connecting";
        let mut options = options;
        let mut endpoint: Endpoint = to.into_endpoint().map_err(|error| ClientError::local(ASKED, error))?;
        match &mut options.security {
            Security::None => {}
            Security::Explicit(to) => *to = to.apart(),
            Security::Implicit(to) => {
                *to = to.apart();
                endpoint = to.over(endpoint);
            }
        }
        let open = timeout(options.limits.connect, Reactor::current().open(endpoint)).await;
        let stream = open.map_err(|error| ClientError::connection(ASKED, error))?;
        stream.transport().set_option(SocketOption::KeepAlive(Some(KEEP_ALIVE))).detach();
        let mut control = Control::new(stream, &options.limits);
        let greeting = control.greeting().await?;
        if !greeting.code().is_completion() {
            return Err(ClientError::Refused { asked: ASKED.into(), reply: greeting });
        }
        let mut client = Self {
            control,
            options,
            features: None,
            greeting,
            wanted: TransferType::Image,
            set: None,
            protected: false,
            epsv: true,
            restarted: false,
        };
        client.secure().await?;
        Ok(client)
    }

    /// TLS, as RFC 4217 section 12 has it.
    async fn secure(&mut self) -> Result<(), ClientError> {
        match self.options.security.clone() {
            Security::None => return Ok(()),
            Security::Implicit(_) => {}
            Security::Explicit(to) => {
                let command = Command::Auth(Mechanism::Tls);
                self.ask(&command).await?;
                let begun = self.control.stream().transport().start_tls(&to);
                begun.map_err(|error| ClientError::connection(shown(&command), error))?;
            }
        }
        self.ask(&Command::Pbsz(0)).await?;
        let level = if self.options.clear_data { Protection::Clear } else { Protection::Private };
        self.ask(&Command::Prot(level)).await?;
        self.protected = !self.options.clear_data;
        Ok(())
    }

    /// Logs in. A password may not be asked for.
    ///
    /// # Errors
    /// The server says no, or wants an account, too.
    pub async fn login(
        &mut self,
        user: impl AsRef<[u8]>,
        password: impl AsRef<[u8]>,
    ) -> Result<(), ClientError> {
        let command = Command::User(user.as_ref().into());
        let mut reply = self.control.ask(&command).await?;
        if reply.code() == Code::PASSWORD_NEEDED {
            reply = self.control.ask(&Command::Pass(Secret::new(password.as_ref()))).await?;
        }
        if !reply.code().is_completion() {
            return Err(ClientError::Refused { asked: "logging in".into(), reply });
        }
        // Some servers say what they can do only now.
        self.features = None;
        if self.features().await?.has("UTF8") {
            // Some want to be told, others do not know the command although their names are UTF-8.
            self.control.ask(&Command::Opts(Opts::Utf8(true))).await?;
        }
        let (shown, possible) = self.features().await?.facts();
        let wanted = FactSet::new([Fact::Type, Fact::Size, Fact::Modify, Fact::Mode]).and(possible);
        if shown.and(wanted) != wanted {
            self.control.ask(&Command::Opts(Opts::Mlst(wanted))).await?;
        }
        Ok(())
    }

    /// What the server can do beyond RFC 959; asked for once.
    ///
    /// # Errors
    /// The connection has ended. A server that does not know FEAT has no features.
    pub async fn features(&mut self) -> Result<&Features, ClientError> {
        let features = match self.features.take() {
            Some(features) => features,
            None => Features::of(&self.control.ask(&Command::Feat).await?),
        };
        Ok(self.features.insert(features))
    }

    /// What the server has greeted with.
    pub fn greeting(&self) -> &Reply {
        &self.greeting
    }

    /// Whether it can still be used: the connection stands, and the server has followed the protocol.
    pub fn is_open(&self) -> bool {
        self.control.is_open()
    }

    /// What is known of the connection: addresses, TLS.
    pub fn peer(&self) -> std::rc::Rc<trenza_core::Peer> {
        self.control.stream().peer()
    }

    /// How data are represented from now on. A client begins with [`TransferType::Image`]; with `Ascii`, line ends are
    /// LF at this end.
    pub fn set_type(&mut self, wanted: TransferType) {
        self.wanted = wanted;
    }

    /// Sends any command that begins no transfer, and gives its final reply if the server has done it, or wants more
    /// (3yz).
    ///
    /// # Errors
    /// The server says no.
    pub async fn ask(&mut self, command: &Command) -> Result<Reply, ClientError> {
        let reply = self.control.ask(command).await?;
        if reply.code().is_failure() {
            return Err(ClientError::Refused { asked: shown(command), reply });
        }
        Ok(reply)
    }

    /// Goes to a folder.
    ///
    /// # Errors
    /// The server says no.
    pub async fn cwd(&mut self, path: impl AsRef<[u8]>) -> Result<(), ClientError> {
        self.ask(&Command::Cwd(path.as_ref().into())).await.map(drop)
    }

    /// Goes to the parent folder.
    ///
    /// # Errors
    /// The server says no.
    pub async fn cdup(&mut self) -> Result<(), ClientError> {
        self.ask(&Command::Cdup).await.map(drop)
    }

    /// The current folder.
    ///
    /// # Errors
    /// The server says no, or no path.
    pub async fn pwd(&mut self) -> Result<Vec<u8>, ClientError> {
        let reply = self.ask(&Command::Pwd).await?;
        unquote(reply.last())
            .ok_or_else(|| ClientError::Protocol { asked: "PWD".into(), what: "a 257 without a path" })
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// The server says no.
    pub async fn mkdir(&mut self, path: impl AsRef<[u8]>) -> Result<(), ClientError> {
        self.ask(&Command::Mkd(path.as_ref().into())).await.map(drop)
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// The server says no.
    pub async fn rmdir(&mut self, path: impl AsRef<[u8]>) -> Result<(), ClientError> {
        self.ask(&Command::Rmd(path.as_ref().into())).await.map(drop)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// The server says no.
    pub async fn delete(&mut self, path: impl AsRef<[u8]>) -> Result<(), ClientError> {
        self.ask(&Command::Dele(path.as_ref().into())).await.map(drop)
    }

    /// Gives a file or folder another name.
    ///
    /// # Errors
    /// The server says no.
    pub async fn rename(&mut self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Result<(), ClientError> {
        self.ask(&Command::Rnfr(from.as_ref().into())).await?;
        self.ask(&Command::Rnto(to.as_ref().into())).await.map(drop)
    }

    /// How many bytes a transfer would have, in the type that is set (RFC 3659 section 4).
    ///
    /// # Errors
    /// The server says no, or no number.
    pub async fn size(&mut self, path: impl AsRef<[u8]>) -> Result<u64, ClientError> {
        self.apply_type(self.wanted).await?;
        let command = Command::Size(path.as_ref().into());
        let reply = self.ask(&command).await?;
        let size = time::number(reply.last().trim_ascii());
        size.ok_or_else(|| ClientError::Protocol { asked: shown(&command), what: "a 213 without a size" })
    }

    /// When a file was changed (RFC 3659 section 3).
    ///
    /// # Errors
    /// The server says no, or no time.
    pub async fn mdtm(&mut self, path: impl AsRef<[u8]>) -> Result<SystemTime, ClientError> {
        let command = Command::Mdtm(path.as_ref().into());
        let reply = self.ask(&command).await?;
        let at = time::parse(reply.last().trim_ascii());
        at.ok_or_else(|| ClientError::Protocol { asked: shown(&command), what: "a 213 without a time" })
    }

    /// Sets when a file was changed: by MFMT, or by SITE UTIME where that is known instead.
    ///
    /// # Errors
    /// The server says no.
    pub async fn mfmt(&mut self, path: impl AsRef<[u8]>, at: SystemTime) -> Result<(), ClientError> {
        let path = path.as_ref();
        let features = self.features().await?;
        let command = match features.has("MFMT") || !features.has_parameter("SITE", "UTIME") {
            true => Command::Mfmt(at, path.into()),
            false => Command::Site(Site::Utime(at, path.into())),
        };
        self.ask(&command).await.map(drop)
    }

    /// What the server knows of a file or folder (MLST, RFC 3659 section 7).
    ///
    /// # Errors
    /// The server says no, or no facts.
    pub async fn facts(&mut self, path: impl AsRef<[u8]>) -> Result<Entry, ClientError> {
        let command = Command::Mlst(Some(path.as_ref().into()));
        let reply = self.ask(&command).await?;
        let entry = reply.middle().find_map(mlsx::parse);
        entry.ok_or_else(|| ClientError::Protocol { asked: shown(&command), what: "a 250 without facts" })
    }

    /// Has the server do what is not in the protocol: `site("CHMOD 644 a.txt")`.
    ///
    /// # Errors
    /// The server says no.
    pub async fn site(&mut self, command: impl AsRef<[u8]>) -> Result<Reply, ClientError> {
        self.ask(&Command::Site(Site::Other(command.as_ref().into()))).await
    }

    /// Does nothing, which keeps the connection alive.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn noop(&mut self) -> Result<(), ClientError> {
        self.ask(&Command::Noop).await.map(drop)
    }

    /// Tells the server to end a transfer that was given up (ABOR), and waits until it has. Who does not call it waits
    /// before the next command for the server to see by itself that nobody takes or sends its data.
    ///
    /// Servers answer with one reply or with two; a NOOP behind them tells which one is the last.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn abort(&mut self) -> Result<(), ClientError> {
        if self.control.owed() == 0 {
            return Ok(());
        }
        self.control.send_now(&Command::Abor).await?;
        self.control.finish("ABOR").await?;
        self.control.send_now(&Command::Noop).await?;
        for _ in 0..REPLIES_TO_ABORT_MAX {
            if self.control.finish("ABOR").await?.code() == Code::OK {
                self.control.forgive();
                return Ok(());
            }
        }
        Err(ClientError::Protocol { asked: "ABOR".into(), what: "it never comes to an end" })
    }

    /// Says goodbye and closes.
    ///
    /// # Errors
    /// The server was gone already.
    pub async fn quit(mut self) -> Result<(), ClientError> {
        let said = self.control.ask(&Command::Quit).await;
        self.control.close().await;
        said.map(drop)
    }

    /// Tells the server how data are to be represented, if it does not know.
    async fn apply_type(&mut self, wanted: TransferType) -> Result<(), ClientError> {
        if self.set != Some(wanted) {
            // Given up half-way, nobody knows.
            self.set = None;
            self.ask(&Command::Type(wanted)).await?;
            self.set = Some(wanted);
        }
        Ok(())
    }
}
