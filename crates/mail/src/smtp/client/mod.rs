//! [`Client`]: an SMTP and LMTP client for coroutines.
//!
//! ```text
//!  send_mail ──▶ Client ──▶ Dialogue: commands, several at once, and a reply to each
//!                  │
//!                  └─ Letter: what came of a message for each recipient ◀── Source: its bytes
//! ```

mod dialogue;
mod error;
mod extensions;
mod letter;
mod login;
mod options;
mod remote;
mod send;
mod source;
mod transfer;

pub use error::{Cause, ClientError, Lack, Step};
pub use extensions::Extensions;
pub use options::{ClientLimits, ClientOptions};
pub use remote::{Looking, Mx, NameError, Names, Remote, RemoteLimits, Route, RouteError};
pub use send::{Refused, send_mail};
pub use source::Source;

use super::{Code, Command, Host, Reply};
use dialogue::Dialogue;
use options::Security;
use std::{rc::Rc, sync::Arc};
use trenza_core::{Addr, Endpoint, IntoEndpoint, Peer, Reactor, timeout};
use trenza_tls::StartTls;

/// A client, connected to a server that has said what it can do, protected and logged in as its options say.
///
/// It sends one message after the other. A future that is dropped in the middle of something leaves the client of no
/// more use: nobody could tell what the next reply answers. Dropping the client drops the connection.
///
/// ```
/// use trenza_core::Result;
/// use trenza_mail::smtp::{Mail, Mailbox, Rcpt, client::{Client, ClientOptions}};
///
/// async fn send(server: &str, text: &str) -> Result {
///     let mut client = Client::connect(server, ClientOptions::new()).await?;
///     let (from, to) = (Mailbox::parse("bob@example.org"), Mailbox::parse("ann@example.org").ok_or("no address")?);
///     for outcome in client.send(&Mail::new(from), &[Rcpt::new(to)], text.as_bytes()).await {
///         println!("{}", outcome?);
///     }
///     client.quit().await?;
///     Ok(())
/// }
/// # let net = trenza_sim::Net::new(1);
/// # let sent = net.block_on(&net.host("cli"), send("tcp:srv:25", ""));
/// # assert!(sent.is_err()); // there is no such server
/// ```
pub struct Client {
    dialogue: Dialogue,
    options: ClientOptions,
    greeting: Reply,
    extensions: Extensions,
    /// A message has begun, and is to be forgotten before the next one.
    begun: bool,
    logged_in: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({:?})", self.dialogue.stream().transport())
    }
}

impl Client {
    /// Connects, begins TLS and logs in, as the options say.
    ///
    /// # Errors
    /// The connection cannot be made; the server does not greet, lacks what is required, cannot be trusted, or does not
    /// let us in.
    ///
    /// # Panics
    /// Outside of a coroutine or callback of a reactor.
    pub async fn connect(to: impl IntoEndpoint, options: ClientOptions) -> Result<Self, ClientError> {
        let unnamed = |error| ClientError::new(&"client".into(), Step::Connect, Cause::local(error));
        let endpoint = to.into_endpoint().map_err(unnamed)?;
        let host: Arc<str> = endpoint.to_string().into();
        match Self::open(&endpoint, &host, options.clone()).await {
            // What was offered does not work: the next connection does without.
            Err(error) if error.step() == Step::StartTls && options.is_opportunistic() => {
                let options = ClientOptions { security: Security::None, ..options };
                Self::open(&endpoint, &host, options).await
            }
            opened => opened,
        }
    }

    async fn open(endpoint: &Endpoint, host: &Arc<str>, options: ClientOptions) -> Result<Self, ClientError> {
        let failed = |error| ClientError::new(host, Step::Connect, Cause::connection(error));
        let open = timeout(options.limits.connect, Reactor::current().open(endpoint)).await;
        let mut dialogue = Dialogue::new(open.map_err(failed)?, host.clone(), &options.limits);
        let greeting = dialogue.reply(Step::Greeting, options.limits.greeting).await?;
        let greeting = dialogue.done(Step::Greeting, greeting)?;
        let extensions = Extensions::default();
        let mut client = Self { dialogue, options, greeting, extensions, begun: false, logged_in: false };
        client.hello(Step::Hello).await?;
        client.protect().await?;
        client.log_in().await?;
        Ok(client)
    }

    /// Says who we are, and hears what the server can do.
    async fn hello(&mut self, step: Step) -> Result<(), ClientError> {
        let limit = self.options.limits.command;
        let name = self.name();
        let command = if self.options.lmtp { Command::Lhlo(name) } else { Command::Ehlo(name) };
        let reply = self.dialogue.ask(&command, step, limit).await?;
        if reply.code().is_permanent() && !self.options.lmtp && self.dialogue.is_open() {
            // A server of before 1993 (RFC 5321 section 3.2).
            self.extensions = Extensions::default();
            return self.dialogue.demand(&Command::Helo(self.name()), step, limit).await.map(drop);
        }
        self.extensions = Extensions::of(&self.dialogue.done(step, reply)?);
        Ok(())
    }

    /// What we call ourselves.
    fn name(&self) -> Host {
        match (&self.options.name, &self.peer().local) {
            (Some(name), _) => name.clone(),
            (None, Addr::Ip(local)) => Host::Address(local.ip().to_canonical()),
            (None, _) => Host::Domain("localhost".into()),
        }
    }

    /// TLS (RFC 3207).
    async fn protect(&mut self) -> Result<(), ClientError> {
        let (to, required) = match self.options.security.clone() {
            Security::None => return Ok(()),
            Security::Opportunistic(to) => (to, false),
            Security::Required(to) => (to, true),
        };
        if !self.extensions.has("STARTTLS") {
            let lacks = || self.dialogue.error(Step::StartTls, Cause::Lacks(Lack::Tls));
            return if required { Err(lacks()) } else { Ok(()) };
        }
        let reply =
            self.dialogue.ask(&Command::StartTls, Step::StartTls, self.options.limits.command).await?;
        if !required && reply.code() != Code::READY && self.dialogue.is_open() {
            return Ok(());
        }
        self.dialogue.done(Step::StartTls, reply)?;
        // What was received behind the reply in clear text goes to TLS, and fails the handshake.
        let begun = self.dialogue.stream().transport().start_tls(&to);
        begun.map_err(|error| self.dialogue.error(Step::StartTls, Cause::local(error)))?;
        self.hello(Step::StartTls).await
    }

    /// Whether nobody else can read what is said: TLS to a server that was verified, as the endpoint or the options say, or
    /// a UNIX socket.
    pub fn is_protected(&self) -> bool {
        let peer = self.peer();
        let verified = peer.secured.is_some() && !self.options.is_opportunistic();
        verified || peer.remote.unix().is_some() || peer.local.unix().is_some()
    }

    /// What the server has greeted with.
    pub fn greeting(&self) -> &Reply {
        &self.greeting
    }

    /// What the server says it can do.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Whether it can still be used: the connection stands, and the server has followed the protocol.
    pub fn is_open(&self) -> bool {
        self.dialogue.is_open()
    }

    /// What is known of the connection: addresses, TLS.
    pub fn peer(&self) -> Rc<Peer> {
        self.dialogue.stream().peer()
    }

    /// Waits until the reactor is stopping.
    async fn stopping(&self) {
        self.dialogue.stream().stopping().await;
    }

    /// Has the server forget a message that has begun. [`send`](Client::send) does it by itself where it is needed.
    ///
    /// # Errors
    /// The connection has ended, or the server says no.
    pub async fn reset(&mut self) -> Result<(), ClientError> {
        self.dialogue.demand(&Command::Rset, Step::Rset, self.options.limits.command).await?;
        self.begun = false;
        Ok(())
    }

    /// Does nothing, which shows whether the server is there, and keeps it so.
    ///
    /// # Errors
    /// The connection has ended, or the server says no.
    pub async fn noop(&mut self) -> Result<(), ClientError> {
        self.dialogue.demand(&Command::Noop, Step::Noop, self.options.limits.command).await.map(drop)
    }

    /// Says goodbye and closes.
    ///
    /// # Errors
    /// The server was gone already. All messages that were answered before are in its hands all the same.
    pub async fn quit(mut self) -> Result<(), ClientError> {
        let limit = self.options.limits.quit;
        let said = self.dialogue.ask(&Command::Quit, Step::Quit, limit).await;
        self.dialogue.close(limit).await;
        said.map(drop)
    }
}

impl ClientOptions {
    fn is_opportunistic(&self) -> bool {
        matches!(self.security, Security::Opportunistic(_))
    }
}
