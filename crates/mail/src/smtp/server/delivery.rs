//! [`Delivery`]: who takes the messages that a server receives.

use super::super::{Mail, Rcpt, Reply};
use super::Client;
use std::rc::Rc;
use trenza_core::Deferred;

/// Who takes the messages that a server receives: says which sessions, senders and recipients are welcome, and gets each
/// message as a stream.
///
/// A loop has its own. Nothing here may block; what takes time answers [`Later`](Answer::Later).
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
/// use trenza_core::{Deferred, Reactor};
/// use trenza_mail::smtp::{
///     Code, Mail, Rcpt, Reply, SmtpServer, Status,
///     server::{Answer, Client, Delivery, Envelope, Message, Outcome},
/// };
///
/// #[derive(Clone, Default)]
/// struct Memory(Rc<RefCell<Vec<String>>>);
///
/// impl Delivery for Memory {
///     fn recipient(&self, _: &Client, _: &Mail, to: &Rcpt) -> Answer {
///         match to.to.mailbox() {
///             Some(mailbox) if mailbox.local() == "ann" => Answer::Accept,
///             _ => Answer::Refuse(Reply::new(Code::REFUSED, Status::NO_MAILBOX, "No such user here")),
///         }
///     }
///
///     fn message(&self, _: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
///         let message = Text { all: self.0.clone(), text: Vec::new() };
///         trenza_auth::at_once(&Reactor::current(), Ok(Box::new(message) as Box<dyn Message>))
///     }
/// }
///
/// struct Text {
///     all: Rc<RefCell<Vec<String>>>,
///     text: Vec<u8>,
/// }
///
/// impl Message for Text {
///     fn push(&mut self, bytes: &[u8]) {
///         self.text.extend_from_slice(bytes);
///     }
///     fn finish(self: Box<Self>) -> Deferred<Outcome> {
///         self.all.borrow_mut().push(String::from_utf8_lossy(&self.text).into_owned());
///         trenza_auth::at_once(&Reactor::current(), Ok(Outcome::Accepted))
///     }
/// }
///
/// let net = trenza_sim::Net::gentle(1);
/// let (host, memory) = (net.host("mx"), Memory::default());
/// let server = SmtpServer::reception("mx.example.org", ["example.org"]);
/// host.run(|reactor| reactor.listen_with("tcp:25", server.on(memory.clone())).map(drop))?;
///
/// let client = net.host("cli").probe("tcp:mx:25");
/// client.send("EHLO cli\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n");
/// client.send("Subject: hello\r\n\r\nHello!\r\n.\r\nQUIT\r\n");
/// net.run();
/// let replies = String::from_utf8(client.received())?;
/// assert!(replies.contains("250 2.1.5 ") && replies.contains("550 5.7.1 ") && replies.contains("221 2.0.0 "));
/// let all = memory.0.borrow();
/// assert!(all[0].starts_with("Received: from cli ") && all[0].ends_with("\r\n\r\nHello!\r\n"));
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub trait Delivery: 'static {
    /// Somebody has connected, and waits for the greeting. A refusal is what he is told instead, with 421 or 554.
    fn session(&self, client: &Client) -> Answer {
        let _ = client;
        Answer::Accept
    }

    /// A message is to be received from this sender.
    fn sender(&self, client: &Client, mail: &Mail) -> Answer {
        let _ = (client, mail);
        Answer::Accept
    }

    /// It is to be received for this recipient, too. At reception the domain is one of the server's, or the address by which
    /// the client has reached it, or it is the postmaster; at submission it may be anybody.
    fn recipient(&self, client: &Client, mail: &Mail, to: &Rcpt) -> Answer;

    /// The message comes. It fails with a [`Reply`], which the client is told; of any other error he learns nothing.
    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>>;
}

impl<D: Delivery + ?Sized> Delivery for Rc<D> {
    fn session(&self, client: &Client) -> Answer {
        (**self).session(client)
    }

    fn sender(&self, client: &Client, mail: &Mail) -> Answer {
        (**self).sender(client, mail)
    }

    fn recipient(&self, client: &Client, mail: &Mail, to: &Rcpt) -> Answer {
        (**self).recipient(client, mail, to)
    }

    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        (**self).message(envelope)
    }
}

/// A message on its way. It is pushed as it is to be stored: a Received field of this server first, then what the client
/// sends, in lines that end in CRLF, whatever their length.
///
/// What is dropped without [`finish`](Message::finish) was not received whole, and is to leave nothing.
pub trait Message {
    /// Takes all of `bytes`. The client is not read on while it [is full](Message::is_full).
    fn push(&mut self, bytes: &[u8]);

    /// True when nothing more should be pushed before there is [room](Message::room). Default: never.
    fn is_full(&self) -> bool {
        false
    }

    /// Fires when it is not full; asked only while it is. An error refuses the message, as that of
    /// [`finish`](Message::finish) does.
    fn room(&self) -> Option<Deferred<()>> {
        None
    }

    /// All was pushed. What is [`Accepted`](Outcome::Accepted) must not be lost: the client forgets it. An error that is a
    /// [`Reply`] is told to the client for all recipients; any other is told as 451.
    ///
    /// When the client hangs up meanwhile the result is dropped; then the message may be delivered or not.
    fn finish(self: Box<Self>) -> Deferred<Outcome>;
}

/// Whether something is welcome.
#[derive(Debug)]
pub enum Answer {
    /// It is.
    Accept,
    /// It is not, and the client is told this: a 4yz or 5yz.
    Refuse(Reply),
    /// It will turn out. An error that is a [`Reply`] is told to the client; any other is told as 451.
    Later(Deferred<()>),
}

impl Answer {
    /// Waits until it has turned out.
    ///
    /// # Errors
    /// Why it is not welcome, as [`Answer::Later`] has it.
    pub async fn wait(self) -> trenza_core::Result {
        match self {
            Self::Accept => Ok(()),
            Self::Refuse(reply) => Err(reply.into()),
            Self::Later(later) => later.await,
        }
    }
}

/// What came of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All recipients have it.
    Accepted,
    /// What came of each, in their order. In SMTP there is one answer for all: the worst; so a message that some have
    /// already may come again for them.
    Each(Vec<Result<(), Reply>>),
}

/// What is known of a message before it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// By what name this server knows it: in its Received field, in its answer, in logs. No other has it.
    pub id: String,
    /// Who sends it.
    pub client: Client,
    /// Who it is from.
    pub mail: Mail,
    /// Who it goes to: those that were accepted, at least one; each once, but in LMTP.
    pub recipients: Vec<Rcpt>,
}
