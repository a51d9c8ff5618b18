//! [`ClientError`]: what can go wrong for a client, at which step and by whose fault.

use crate::smtp::{Code, Reply, Status};
use std::{fmt, io, sync::Arc, time::Duration};
use trenza_core::{EndpointError, Error, Lost, TimedOut};

/// Why something was not done, with whom and at which step: `mx.example.org: RCPT: the server says 550 5.1.1 No such user`.
///
/// It can be cloned, since what goes wrong with a connection goes wrong for each recipient.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{host}: {step}: {cause}")]
pub struct ClientError {
    host: Arc<str>,
    step: Step,
    cause: Cause,
}

/// What a client was at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The connection is made, with TLS if its endpoint has it.
    Connect,
    /// The server is to greet.
    Greeting,
    /// EHLO, HELO or LHLO.
    Hello,
    /// STARTTLS, the handshake, and the EHLO after it.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL: a message begins.
    Mail,
    /// RCPT: a recipient is named.
    Rcpt,
    /// DATA.
    Data,
    /// The message itself, and what the server says when it has it.
    Message,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Greeting => "greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Message => "message",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
        })
    }
}

/// Why a step failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The server has said no.
    #[error("the server says {0}")]
    Refused(Reply),
    /// The server breaks the protocol: it does not speak SMTP, or exceeds a limit.
    #[error("the server breaks the protocol: {0}")]
    Protocol(&'static str),
    /// The connection could not be made, or has ended too early.
    #[error("{0}")]
    Connection(Arc<dyn std::error::Error + Send + Sync>),
    /// The server has not answered, or taken bytes, in time.
    #[error("no answer after {0:?}")]
    TimedOut(Duration),
    /// The server does not have what the message or the options need.
    #[error("{0}")]
    Lacks(Lack),
    /// It failed at this end: where the message comes from, or an argument that no command can say.
    #[error("{0}")]
    Local(Arc<dyn std::error::Error + Send + Sync>),
}

/// What a server does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lack {
    /// STARTTLS, which is required; or logins are wanted over a connection that anybody can read.
    #[error("the connection is not protected, and the server does not offer STARTTLS")]
    Tls,
    /// A way to log in that both ends know.
    #[error("the server offers no login by SCRAM-SHA-256, PLAIN or LOGIN")]
    Auth,
    /// SMTPUTF8, for an address or a header that is not ASCII (RFC 6531).
    #[error("the server knows no addresses or headers that are not ASCII")]
    Utf8,
    /// 8BITMIME, for a message that is not ASCII (RFC 6152).
    #[error("the server takes no messages that are not ASCII")]
    EightBit,
    /// BINARYMIME, for a message that has no lines (RFC 3030).
    #[error("the server takes no binary messages")]
    Binary,
    /// Room for a message of this size: it takes none over so many bytes (RFC 1870).
    #[error("the server takes no messages over {0} bytes")]
    Size(u64),
}

impl ClientError {
    pub(super) fn new(host: &Arc<str>, step: Step, cause: Cause) -> Self {
        Self { host: host.clone(), step, cause }
    }

    /// With whom: the endpoint.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// At which step.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Why.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Whether the same may go well later: all but what the server refuses for good, and messages that it never can take.
    pub fn is_transient(&self) -> bool {
        self.reply().code().is_transient()
    }

    /// True when this end is to blame.
    pub fn is_local(&self) -> bool {
        matches!(self.cause, Cause::Local(_))
    }

    /// What kind of I/O error ended the connection, if one did.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        let Cause::Connection(error) = &self.cause else { return None };
        let lost = error.downcast_ref::<Lost>().map(Lost::kind);
        lost.or_else(|| error.downcast_ref::<io::Error>().map(io::Error::kind))
    }

    /// It as a reply, with a status for reports: the server's own if it has said one.
    pub fn reply(&self) -> Reply {
        let text = |code, status| Reply::new(code, status, self.cause.to_string());
        match &self.cause {
            Cause::Refused(reply) => reply.clone(),
            Cause::Protocol(_) => text(Code::LOCAL_ERROR, Status::REMOTE_PROTOCOL),
            Cause::Connection(_) if self.step == Step::Connect => text(Code::LOCAL_ERROR, Status::NO_ANSWER),
            Cause::Connection(_) | Cause::TimedOut(_) => text(Code::LOCAL_ERROR, Status::TOO_SLOW),
            Cause::Local(_) => text(Code::LOCAL_ERROR, Status::LOCAL_ERROR),
            Cause::Lacks(Lack::Tls | Lack::Auth) => text(Code::NOT_NOW, Status::NOT_NOW),
            Cause::Lacks(Lack::Utf8) => text(Code::BAD_MAILBOX, Status::NOT_ASCII),
            Cause::Lacks(Lack::EightBit | Lack::Binary) => text(Code::FAILED, Status::CONVERSION),
            Cause::Lacks(Lack::Size(_)) => text(Code::TOO_LARGE, Status::TOO_LARGE),
        }
    }
}

impl Cause {
    /// An error of a connection.
    pub(super) fn connection(error: Error) -> Self {
        let error = match error.downcast::<TimedOut>() {
            Ok(late) => return Self::TimedOut(late.0),
            Err(error) => error,
        };
        if error.is::<EndpointError>() {
            // Nobody was connected to: the endpoint cannot be one, or names a file that cannot be used.
            return Self::local(error);
        }
        match error.downcast::<crate::smtp::reply::Error>() {
            Ok(broken) => Self::Protocol(broken.what()),
            Err(error) => Self::Connection(error.into()),
        }
    }

    /// The server has closed the connection instead of answering.
    pub(super) fn closed() -> Self {
        let what = "the server has closed the connection";
        Self::Connection(Arc::new(io::Error::new(io::ErrorKind::UnexpectedEof, what)))
    }

    pub(super) fn local(error: impl Into<Error>) -> Self {
        Self::Local(error.into().into())
    }
}
