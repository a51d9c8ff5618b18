//! [`ClientError`]: what can go wrong for a client, at what and by whose fault.

use crate::pop3::{Reply, ResponseCode};
use std::{io, sync::Arc, time::Duration};
use trenza_core::{Error, Lost, TimedOut};

/// Why something was not done, with whom, and what it was: `tcp:mx:110: RETR 7: the server says -ERR No such message`.
#[derive(Debug, thiserror::Error)]
#[error("{host}: {asked}: {cause}")]
pub struct ClientError {
    host: Arc<str>,
    asked: String,
    cause: Cause,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The server has said no. The connection goes on.
    #[error("the server says {0}")]
    Refused(Reply),
    /// The server breaks the protocol: it does not speak POP3, or exceeds a limit.
    #[error("the server breaks the protocol: {0}")]
    Protocol(&'static str),
    /// The connection could not be made, or has ended too early.
    #[error("{0}")]
    Connection(Error),
    /// The server has not answered in time.
    #[error("no answer after {0:?}")]
    TimedOut(Duration),
    /// The server does not have what the options need.
    #[error("{0}")]
    Lacks(Lack),
    /// It failed at this end: where a message goes to, or a word that no command can say.
    #[error("{0}")]
    Local(Error),
}

/// What a server does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lack {
    /// STLS, which is required; or a login is wanted over a connection that anybody can read.
    #[error("the connection is not protected")]
    Tls,
    /// A way to log in that both ends know.
    #[error("the server offers no login by SCRAM-SHA-256, PLAIN or a password")]
    Login,
}

impl ClientError {
    pub(super) fn new(host: &Arc<str>, asked: impl Into<String>, cause: Cause) -> Self {
        Self { host: host.clone(), asked: asked.into(), cause }
    }

    /// With whom: the endpoint.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What was asked for: a command without its secrets.
    pub fn asked(&self) -> &str {
        &self.asked
    }

    /// Why it was not done.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What the server has said, if it has said no.
    pub fn reply(&self) -> Option<&Reply> {
        if let Cause::Refused(reply) = &self.cause { Some(reply) } else { None }
    }

    /// True when this end is to blame.
    pub fn is_local(&self) -> bool {
        matches!(self.cause, Cause::Local(_))
    }

    /// Whether the same may go well later: the server was not reached, was slow, or says that it is for now only.
    pub fn is_transient(&self) -> bool {
        match &self.cause {
            Cause::Refused(reply) => matches!(
                reply.response_code(),
                Some(ResponseCode::InUse | ResponseCode::LoginDelay | ResponseCode::SysTemp)
            ),
            Cause::Connection(_) | Cause::TimedOut(_) => true,
            Cause::Protocol(_) | Cause::Lacks(_) | Cause::Local(_) => false,
        }
    }

    /// What kind of I/O error ended the connection, if one did.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        let (Cause::Connection(error) | Cause::Local(error)) = &self.cause else { return None };
        let lost = error.downcast_ref::<Lost>().map(Lost::kind);
        lost.or_else(|| error.downcast_ref::<io::Error>().map(io::Error::kind))
    }
}

impl Cause {
    /// An error of a connection.
    pub(super) fn connection(error: Error) -> Self {
        let error = match error.downcast::<TimedOut>() {
            Ok(late) => return Self::TimedOut(late.0),
            Err(error) => error,
        };
        match error.downcast::<crate::pop3::reply::Error>() {
            Ok(broken) => Self::Protocol(broken.what()),
            Err(error) => Self::Connection(error),
        }
    }

    /// The server has closed the connection instead of answering.
    pub(super) fn closed() -> Self {
        let what = "the server has closed the connection";
        Self::Connection(io::Error::new(io::ErrorKind::UnexpectedEof, what).into())
    }

    pub(super) fn local(error: impl Into<Error>) -> Self {
        Self::Local(error.into())
    }
}
