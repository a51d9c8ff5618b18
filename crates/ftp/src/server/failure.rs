//! [`Failure`]: why a command was not done, and the reply that says so.

use super::listing::TooMuch;
use crate::Code;
use trenza_storage::{Error, ErrorKind};

/// Why a transfer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The tree says no, or its device failed.
    Storage(ErrorKind),
    /// The data connection never came.
    NoConnection,
    /// The data connection broke, or its stream was cut short.
    Broken,
    /// It moved nothing for too long.
    Idle,
    /// Its TLS handshake failed.
    Handshake,
    /// It was made by somebody else than the control connection, as far as TLS tells.
    Stranger,
    /// ABOR, or the end of the control connection.
    Aborted,
    /// LIST -R would not end.
    TooMuch,
}

impl Failure {
    /// Why sending failed.
    pub(super) fn of(error: trenza_core::Error) -> Self {
        if error.is::<TooMuch>() { Self::TooMuch } else { Self::Storage(Error::from(error).kind()) }
    }

    /// The reply.
    pub(super) fn reply(self) -> (Code, String) {
        let (code, text) = match self {
            Self::Storage(kind) => return (storing(kind), text(kind)),
            Self::NoConnection => (Code::NO_DATA_CONNECTION, "No data connection could be opened"),
            Self::Broken => (Code::TRANSFER_ABORTED, "The data connection broke, transfer aborted"),
            Self::Idle => {
                (Code::TRANSFER_ABORTED, "The data connection was silent too long, transfer aborted")
            }
            Self::Handshake => (Code::NETWORK_PROTOCOL, "The TLS handshake of the data connection failed"),
            Self::Stranger => {
                (Code::NETWORK_PROTOCOL, "The data connection does not belong to the TLS session of this one")
            }
            Self::Aborted => (Code::TRANSFER_ABORTED, "Transfer aborted"),
            Self::TooMuch => (Code::LOCAL_ERROR, "Too much for one listing: list its folders one by one"),
        };
        (code, text.into())
    }
}

/// The code for what a tree says, where nothing is stored.
pub(super) fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::NoSpace => Code::NO_SPACE,
        ErrorKind::Quota => Code::QUOTA_EXCEEDED,
        ErrorKind::Name => Code::NAME_NOT_ALLOWED,
        ErrorKind::Range => Code::INVALID_RESTART,
        ErrorKind::Busy => Code::FILE_BUSY,
        ErrorKind::Io => Code::LOCAL_ERROR,
        ErrorKind::Unsupported => Code::BAD_PARAMETER,
        _ => Code::FILE_UNAVAILABLE,
    }
}

/// The code where a file is stored or gets a name (RFC 959 section 5.4: STOR and RNTO answer 553, not 550).
pub(super) fn storing(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Denied | ErrorKind::Exists | ErrorKind::IsAFolder | ErrorKind::Special => {
            Code::NAME_NOT_ALLOWED
        }
        kind => code(kind),
    }
}

/// What people read: the kind alone, since what is behind it may name folders of the machine.
pub(super) fn text(kind: ErrorKind) -> String {
    let text = Error::from(kind).to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
