//! [`ClientError`]: what can go wrong for a client, by whose fault it is.

use crate::{Code, Reply};
use std::{io, time::Duration};
use trenza_core::{Error, Lost, TimedOut};

/// Why something was not done, with what it was: `RETR a.txt: the server says 550 No such file`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server has said no. The connection goes on.
    #[error("{asked}: the server says {reply}")]
    Refused {
        /// What it was asked for.
        asked: String,
        /// What it said.
        reply: Reply,
    },
    /// The server broke the protocol: it does not speak FTP, or exceeds a limit.
    #[error("{asked}: the server breaks the protocol: {what}")]
    Protocol {
        /// What it was asked for.
        asked: String,
        /// What it did.
        what: &'static str,
    },
    /// A connection could not be made, or has ended too early.
    #[error("{asked}: {source}")]
    Connection {
        /// What it was made for.
        asked: String,
        /// Why.
        source: Error,
    },
    /// The server has not answered in time.
    #[error("{asked}: no answer after {after:?}")]
    TimedOut {
        /// What it was asked for.
        asked: String,
        /// How long was waited.
        after: Duration,
    },
    /// It failed at this end: where data came from or went to, or an argument that no command can say.
    #[error("{asked}: {source}")]
    Local {
        /// What it was done for.
        asked: String,
        /// What failed.
        source: Error,
    },
}

impl ClientError {
    /// True when this end is to blame.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local { .. })
    }

    /// The code of the reply, if the server has said no.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { reply, .. } => Some(reply.code()),
            _ => None,
        }
    }

    /// What was asked for.
    pub fn asked(&self) -> &str {
        match self {
            Self::Refused { asked, .. }
            | Self::Protocol { asked, .. }
            | Self::Connection { asked, .. }
            | Self::TimedOut { asked, .. }
            | Self::Local { asked, .. } => asked,
        }
    }

    /// Whether the same may go well later, over another connection: the server was not reached, was slow, or is busy.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { reply, .. } => reply.code().number() / 100 == 4,
            Self::Connection { .. } | Self::TimedOut { .. } => true,
            Self::Protocol { .. } | Self::Local { .. } => false,
        }
    }

    pub(crate) fn local(asked: impl Into<String>, source: impl Into<Error>) -> Self {
        Self::Local { asked: asked.into(), source: source.into() }
    }

    /// An error of a connection.
    pub(crate) fn connection(asked: impl Into<String>, source: Error) -> Self {
        let asked = asked.into();
        match source.downcast::<TimedOut>() {
            Ok(late) => Self::TimedOut { asked, after: late.0 },
            Err(source) => Self::Connection { asked, source },
        }
    }

    /// The server has closed the connection instead of answering.
    pub(crate) fn closed(asked: impl Into<String>) -> Self {
        let source = io::Error::new(io::ErrorKind::UnexpectedEof, "the server has closed the connection");
        Self::Connection { asked: asked.into(), source: source.into() }
    }

    /// What kind of I/O error ended a connection, if one did.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        let (Self::Connection { source, .. } | Self::Local { source, .. }) = self else { return None };
        let lost = source.downcast_ref::<Lost>().map(Lost::kind);
        lost.or_else(|| source.downcast_ref::<io::Error>().map(io::Error::kind))
    }
}
