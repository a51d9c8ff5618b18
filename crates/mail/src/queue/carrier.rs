//! [`Carrier`]: who brings messages on.

use crate::smtp::{Mail, Rcpt, Recipient, Reply};
use std::{fmt, pin::Pin, sync::Arc};
use trenza_storage::{File, Reader, Storage};

/// Who brings messages on: to another server, or into mailboxes. A queue asks it, again and again until all recipients
/// have an answer that is for good.
///
/// ```
/// use trenza_mail::{
///     queue::{Carried, Carrier, Carrying, Fate, Parcel},
///     smtp::{Code, Recipient, Reply, Status},
/// };
///
/// /// Has somebody for every domain.
/// struct Nowhere;
///
/// impl Carrier for Nowhere {
///     fn destination(&self, to: &Recipient) -> String {
///         to.mailbox().map(|mailbox| mailbox.host().to_string()).unwrap_or_default()
///     }
///
///     fn carry(&self, parcel: Parcel) -> Carrying {
///         Box::pin(async move {
///             let mut message = parcel.message.read();
///             while let Ok(Some(piece)) = message.next().await {
///                 drop(piece);
///             }
///             let reply = Reply::new(Code::OK, Status::OK, "It is gone");
///             parcel.recipients.iter().map(|_| Carried::new(Fate::Delivered(reply.clone()))).collect()
///         })
///     }
/// }
/// # let _ = Nowhere;
/// ```
pub trait Carrier: 'static {
    /// By what name the messages for a recipient are counted together: a domain, a smarthost, `local`. What happens to one
    /// destination does not delay the messages for another. It is asked often, must not block, and its answer should be
    /// the same for the same recipient while it runs. If it panics the recipient's domain is the name.
    fn destination(&self, to: &Recipient) -> String;

    /// Carries a message to recipients of one destination: what came of each, in their order. It never fails as a whole:
    /// what concerns all (nobody can be connected to, there is no MX) is told for each. Of whom nothing is told, by a
    /// panic too, the queue tries again later.
    ///
    /// A result is believed at once, so [`Fate::Delivered`] and [`Fate::Relayed`] are for what is on the other side's
    /// medium, as far as one can know. When the future is dropped, because the loop stops or it takes longer than
    /// [`QueueLimits::carry`](super::QueueLimits::carry), the recipients are tried again.
    fn carry(&self, parcel: Parcel) -> Carrying;
}

/// What a [`Carrier`] is doing.
pub type Carrying = Pin<Box<dyn Future<Output = Vec<Carried>>>>;

/// What is carried at once: a message for recipients of one destination.
#[derive(Debug)]
pub struct Parcel {
    /// By what name the queue knows the message; no other has it. For logs.
    pub id: String,
    /// As [`Carrier::destination`] has named it.
    pub destination: String,
    /// Who it is from, with the parameters that it came with. [`Mail::size`] is that of the message.
    pub mail: Mail,
    /// Who it is for: at least one, at most [`QueueLimits::parcel`](super::QueueLimits::parcel).
    pub recipients: Vec<Rcpt>,
    /// The message.
    pub message: Content,
}

/// The bytes of a message, which can be read more than once and are never all in memory. Lines end in CRLF, the last one
/// too if its sender ended it; nothing is dot-stuffed.
#[derive(Debug, Clone)]
pub struct Content {
    storage: Storage,
    file: Arc<dyn File>,
    size: u64,
}

impl Content {
    /// The first `size` bytes of a file, which does not change any more.
    pub fn new(storage: Storage, file: Arc<dyn File>, size: u64) -> Self {
        Self { storage, file, size }
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from the start on, in pieces.
    pub fn read(&self) -> Reader {
        self.storage.read(self.file.clone(), 0..self.size)
    }
}

/// What came of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// What came of it.
    pub fate: Fate,
    /// Which host has said so, by its name; None: this one.
    pub host: Option<String>,
}

impl Carried {
    /// As this host says.
    pub fn new(fate: Fate) -> Self {
        Self { fate, host: None }
    }

    /// As another host says.
    pub fn by(host: impl Into<String>, fate: Fate) -> Self {
        Self { fate, host: Some(host.into()) }
    }
}

/// What came of a message for one recipient, with the reply that says so: another server's, or one of our own for what
/// went wrong before it said anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is in his mailbox. Who wanted to know so (RFC 3461, NOTIFY=SUCCESS) is told "delivered".
    Delivered(Reply),
    /// Another server has taken it.
    Relayed {
        /// How it said so.
        reply: Reply,
        /// It has DSN, and got NOTIFY: it tells the sender, and nobody else does. If it has not, who wanted to know of
        /// success is told "relayed".
        notifies: bool,
    },
    /// It will never have it. The sender is told.
    Refused(Reply),
    /// Not this time: it is tried again later.
    Later(Reply),
    /// The same, and it is about the destination, which could not be reached: all that is for it waits.
    Unreachable(Reply),
}

impl Fate {
    /// The reply that says so.
    pub fn reply(&self) -> &Reply {
        match self {
            Self::Delivered(reply)
            | Self::Relayed { reply, .. }
            | Self::Refused(reply)
            | Self::Later(reply)
            | Self::Unreachable(reply) => reply,
        }
    }

    /// It has come to a good end.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Delivered(_) | Self::Relayed { .. })
    }

    /// It is to be tried again.
    pub fn is_later(&self) -> bool {
        matches!(self, Self::Later(_) | Self::Unreachable(_))
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Delivered(_) => "delivered",
            Self::Relayed { .. } => "relayed",
            Self::Refused(_) => "refused",
            Self::Later(_) => "later",
            Self::Unreachable(_) => "unreachable",
        };
        write!(f, "{what}: {}", self.reply())
    }
}
