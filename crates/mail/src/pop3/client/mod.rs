//! [`Client`]: a POP3 client for coroutines.
//!
//! ```text
//!  Client ──▶ Dialogue: commands, several at once, and a reply to each ──▶ listings, messages in pieces
//! ```

mod capabilities;
mod dialogue;
mod error;
mod fetch;
mod login;
mod options;

pub use capabilities::Capabilities;
pub use error::{Cause, ClientError, Lack};
pub use fetch::Part;
pub use options::{ClientLimits, ClientOptions};

use super::{Command, Reply, Status};
use dialogue::Dialogue;
use std::{rc::Rc, sync::Arc};
use trenza_core::{IntoEndpoint, Peer, Reactor, timeout};
use trenza_tls::StartTls;

/// A client, connected to a server and logged in as its options say.
///
/// It does one thing at a time; where it does it for several messages, and the server has PIPELINING, it sends the next
/// commands before the answers to the first have come. A future that is dropped in the middle of something leaves the client
/// of no more use: nobody could tell what the next reply answers. Dropping the client drops the connection, and what was to
/// be deleted is not.
///
/// ```
/// use trenza_core::Result;
/// use trenza_mail::pop3::client::{Client, ClientOptions};
///
/// async fn first(server: &str) -> Result<Vec<u8>> {
///     let options = ClientOptions::new().login("ann", "secret").allow_plain_auth(true);
///     let mut client = Client::connect(server, options).await?;
///     let mut text = Vec::new();
///     if let Some((number, _size)) = client.list().await?.first() {
///         client.retrieve(*number, async |piece| { text.extend_from_slice(&piece); Ok(()) }).await?;
///         client.delete(*number).await?;
///     }
///     client.quit().await?;
///     Ok(text)
/// }
/// # let net = trenza_sim::Net::new(1);
/// # let fetched = net.block_on(&net.host("cli"), first("tcp:srv:110"));
/// # assert!(fetched.is_err()); // there is no such server
/// ```
pub struct Client {
    dialogue: Dialogue,
    options: ClientOptions,
    greeting: Reply,
    capabilities: Capabilities,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({:?})", self.dialogue.stream().transport())
    }
}

impl Client {
    /// Connects, begins TLS and logs in, as the options say. TLS from the start is of the endpoint, like `tls:`.
    ///
    /// # Errors
    /// The connection cannot be made; the server does not greet, lacks what is required, cannot be trusted, or does not
    /// let us in.
    ///
    /// # Panics
    /// Outside of a coroutine or callback of a reactor.
    pub async fn connect(to: impl IntoEndpoint, options: ClientOptions) -> Result<Self, ClientError> {
        const ASKED: &str = "connecting";
        let unnamed = |error| ClientError::new(&"client".into(), ASKED, Cause::local(error));
        let endpoint = to.into_endpoint().map_err(unnamed)?;
        let host: Arc<str> = endpoint.to_string().into();
        let open = timeout(options.limits.connect, Reactor::current().open(&endpoint)).await;
        let stream = open.map_err(|error| ClientError::new(&host, ASKED, Cause::connection(error)))?;
        let mut dialogue = Dialogue::new(stream, host, &options.limits);
        let greeting = dialogue.reply("the greeting").await?;
        let greeting = dialogue.done("the greeting", greeting)?;
        let capabilities = Capabilities::default();
        let mut client = Self { dialogue, options, greeting, capabilities };
        client.ask_capabilities().await?;
        client.protect().await?;
        if client.options.login.is_some() {
            client.log_in().await?;
            client.ask_capabilities().await?;
        }
        Ok(client)
    }

    /// What the server can do; one that does not know CAPA can do what RFC 1939 says.
    async fn ask_capabilities(&mut self) -> Result<(), ClientError> {
        let reply = self.dialogue.ask(&Command::Capa).await?;
        let mut lines = Vec::new();
        if reply.status() == Status::Ok {
            self.dialogue.lines("CAPA", Capabilities::MAX, |line| lines.push(line.to_owned())).await?;
        }
        self.capabilities = Capabilities::of(lines);
        Ok(())
    }

    /// TLS (RFC 2595 section 4).
    async fn protect(&mut self) -> Result<(), ClientError> {
        let Some(to) = self.options.starttls.clone() else { return Ok(()) };
        if !self.capabilities.has("STLS") {
            return Err(self.dialogue.error("STLS", Cause::Lacks(Lack::Tls)));
        }
        self.dialogue.demand(&Command::Stls).await?;
        let begun = self.dialogue.stream().transport().start_tls(&to);
        begun.map_err(|error| self.dialogue.give_up("STLS", Cause::connection(error)))?;
        // What was said before counts for nothing.
        self.ask_capabilities().await
    }

    /// What the server has greeted with.
    pub fn greeting(&self) -> &Reply {
        &self.greeting
    }

    /// What the server can do, as it has said last.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Whether it can still be used: the connection stands, and the server has followed the protocol.
    pub fn is_open(&self) -> bool {
        self.dialogue.is_open()
    }

    /// What is known of the connection: addresses, TLS.
    pub fn peer(&self) -> Rc<Peer> {
        self.dialogue.stream().peer()
    }

    /// How many messages there are, and how many bytes they have.
    ///
    /// # Errors
    /// The server says no, or what is no answer; the connection has ended.
    pub async fn stat(&mut self) -> Result<(u32, u64), ClientError> {
        let reply = self.dialogue.demand(&Command::Stat).await?;
        let mut words = reply.text().split(' ');
        let numbers = (
            words.next().and_then(|word| word.parse().ok()),
            words.next().and_then(|word| word.parse().ok()),
        );
        match numbers {
            (Some(count), Some(size)) => Ok((count, size)),
            _ => Err(self.dialogue.give_up("STAT", Cause::Protocol("an answer without two numbers"))),
        }
    }

    /// The messages: their numbers, and how many bytes they have.
    ///
    /// # Errors
    /// As [`Client::stat`]; there are more than [`ClientLimits::messages`].
    pub async fn list(&mut self) -> Result<Vec<(u32, u64)>, ClientError> {
        self.listing(&Command::List(None), |size| size.parse().ok()).await
    }

    /// The messages: their numbers, and the names by which they are always known (RFC 1939 section 7).
    ///
    /// # Errors
    /// As [`Client::list`].
    pub async fn uids(&mut self) -> Result<Vec<(u32, String)>, ClientError> {
        self.listing(&Command::Uidl(None), |uid| Some(uid.to_owned()).filter(|uid| !uid.is_empty())).await
    }

    async fn listing<T>(
        &mut self,
        command: &Command,
        of: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<(u32, T)>, ClientError> {
        let asked = dialogue::shown(command);
        let most = self.options.limits.messages;
        self.dialogue.demand(command).await?;
        let (mut all, mut wrong) = (Vec::new(), false);
        let line = |line: &str| {
            // More may stand behind it (RFC 1939 section 5).
            let mut words = line.split(' ');
            let number = words.next().and_then(|number| number.parse().ok());
            match (number, words.next().and_then(&of)) {
                (Some(number), Some(what)) => all.push((number, what)),
                _ => wrong = true,
            }
        };
        self.dialogue.lines(&asked, most, line).await?;
        if wrong {
            return Err(self.dialogue.give_up(&asked, Cause::Protocol("a line that tells of no message")));
        }
        Ok(all)
    }

    /// Marks a message, which is deleted at [`quit`](Client::quit).
    ///
    /// # Errors
    /// The server says no, or the connection has ended.
    pub async fn delete(&mut self, number: u32) -> Result<(), ClientError> {
        self.dialogue.demand(&Command::Dele(number)).await.map(drop)
    }

    /// Takes all marks away.
    ///
    /// # Errors
    /// As [`Client::delete`].
    pub async fn reset(&mut self) -> Result<(), ClientError> {
        self.dialogue.demand(&Command::Rset).await.map(drop)
    }

    /// Asks whether the server is there, which keeps it from ending an idle session.
    ///
    /// # Errors
    /// As [`Client::delete`].
    pub async fn noop(&mut self) -> Result<(), ClientError> {
        self.dialogue.demand(&Command::Noop).await.map(drop)
    }

    /// Says goodbye: what was marked is deleted if there is no error.
    ///
    /// # Errors
    /// The server could not delete all of it, or the connection has ended: nobody knows whether it has.
    pub async fn quit(mut self) -> Result<(), ClientError> {
        let said = self.dialogue.demand(&Command::Quit).await.map(drop);
        self.dialogue.close(self.options.limits.quit).await;
        said
    }
}
