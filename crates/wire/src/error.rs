//! Errors of codecs: whose fault, what.

use thiserror::Error;

/// What can be wrong with received bytes before any protocol looks at their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InputError {
    /// No line end within the limit.
    #[error("line is longer than {max} bytes")]
    LineTooLong {
        /// The limit that the caller set, line end not counted.
        max: usize,
    },
    /// A CR that no LF follows.
    #[error("CR without LF in a line")]
    BareCr,
    /// A LF that no CR precedes.
    #[error("LF without CR before it")]
    BareLf,
    /// More bytes were asked for at once than a connection may hold unread.
    #[error("a message of {wanted} bytes is over the unread limit of {max}")]
    TooLarge {
        /// The size that was asked for.
        wanted: usize,
        /// The unread limit.
        max: usize,
    },
}

/// An error of a codec, by whose fault it is.
///
/// `R` says what to do about the peer's fault: the reply to send, a code, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError<R: std::fmt::Debug> {
    /// Our caller asked for something that the protocol does not allow in its present state.
    #[error("misuse of the codec: {0}")]
    Local(&'static str),
    /// The peer broke the protocol.
    #[error("the peer broke the protocol: {what}")]
    Remote {
        /// What was wrong.
        what: &'static str,
        /// How to answer.
        reply: R,
    },
}

impl<R: std::fmt::Debug> ProtocolError<R> {
    /// True when our caller is to blame, false when the peer is.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// What was wrong, without whose fault it is.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Local(what) | Self::Remote { what, .. } => what,
        }
    }
}
