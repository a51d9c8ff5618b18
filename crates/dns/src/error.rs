//! [`Error`]: why a lookup has no answer, and whose fault it is.

use crate::{RecordType, ResponseCode};
use std::{fmt, net::SocketAddr};

/// The result of a lookup.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a lookup has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What was looked up.
    pub name: String,
    /// Of which type; None where it was of several.
    pub record_type: Option<RecordType>,
    /// Which server said so, or failed last.
    pub server: Option<SocketAddr>,
    /// What it is.
    pub kind: ErrorKind,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It is no name that DNS could know.
    #[error("that is not a name: {0}")]
    BadName(String),
    /// There is no such name (NXDOMAIN).
    #[error("there is no such name")]
    NoName,
    /// The name exists, and has no record of this type.
    #[error("the name has no such record")]
    NoData,
    /// All servers failed or refused; the last one said this.
    #[error("the server says {0}")]
    Failed(ResponseCode),
    /// No server has answered in time.
    #[error("no answer in time")]
    TimedOut,
    /// The answer of the last server cannot be read.
    #[error("the answer cannot be read: {0}")]
    Malformed(String),
    /// The last server does not look up what it does not have itself.
    #[error("the server does not ask others")]
    NotRecursive,
    /// The alias (CNAME) of the name leads on and on, or round in circles.
    #[error("there are too many aliases")]
    Aliases,
    /// The last server cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// There are more lookups under way than are permitted.
    #[error("too many lookups are under way")]
    Busy,
    /// The program is stopping.
    #[error("the lookup was abandoned")]
    Abandoned,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nobody's: it is an answer. What was asked for does not exist.
    Nobody,
    /// Of who asked: another question may have an answer.
    Caller,
    /// Of those who keep the name: it is set up wrongly.
    Zone,
    /// Of the name servers that we ask, or of the way to them.
    Server,
    /// Ours: limits, a stop.
    Here,
}

impl Error {
    pub(crate) fn new(name: impl fmt::Display, record_type: Option<RecordType>, kind: ErrorKind) -> Self {
        Self { name: name.to_string(), record_type, server: None, kind }
    }

    pub(crate) fn at(mut self, server: SocketAddr) -> Self {
        self.server = Some(server);
        self
    }

    /// True when there is no such name or record, as a server has said: it is the same tomorrow.
    pub fn is_negative(&self) -> bool {
        matches!(self.kind, ErrorKind::NoName | ErrorKind::NoData)
    }

    /// True when it may go well another time.
    pub fn is_temporary(&self) -> bool {
        matches!(self.fault(), Fault::Zone | Fault::Server | Fault::Here)
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self.kind {
            ErrorKind::NoName | ErrorKind::NoData => Fault::Nobody,
            ErrorKind::BadName(_) => Fault::Caller,
            ErrorKind::Aliases => Fault::Zone,
            ErrorKind::Busy | ErrorKind::Abandoned => Fault::Here,
            ErrorKind::Failed(_)
            | ErrorKind::TimedOut
            | ErrorKind::Malformed(_)
            | ErrorKind::NotRecursive
            | ErrorKind::Unreachable(_) => Fault::Server,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot look up {:?}", self.name)?;
        if let Some(record_type) = self.record_type {
            write!(f, " {record_type}")?;
        }
        if let Some(server) = self.server {
            write!(f, " at {server}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl std::error::Error for Error {}
