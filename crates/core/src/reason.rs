//! [`Reason`]: why a connection ended.

use crate::{Error, Limit};
use std::{fmt, io};

/// Which time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timeout {
    /// [`Transport::set_timeout`](crate::Transport::set_timeout): no byte in either direction.
    Idle,
    /// [`Transport::set_deadline`](crate::Transport::set_deadline).
    Deadline,
    /// [`Limits::handshake`](crate::Limits::handshake): a layer was not ready in time.
    Handshake,
    /// [`Limits::drain`](crate::Limits::drain): the peer did not take what was written before `close()`.
    Drain,
}

/// Why a connection ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// We closed it, or both sides ended their direction; everything written was sent.
    Closed,
    /// The peer ended its side first, and we closed in answer.
    PeerClosed,
    /// The peer's stream ended where its layer says that more must come.
    Truncated,
    /// [`Transport::abort`](crate::Transport::abort).
    Aborted,
    /// Another protocol has taken over; the connection lives on.
    Switched,
    /// The reactor stopped before the protocol was done.
    Stopped,
    /// A time ran out.
    TimedOut(Timeout),
    /// A limit was exceeded.
    Overflow(Limit),
    /// The system reported an error (reset, unreachable, a file shorter than its range, ...).
    Io(io::Error),
    /// A callback or a layer returned an error.
    Failed(Error),
    /// A callback panicked.
    Panicked,
}

impl Reason {
    /// The same for somebody else. What cannot be copied becomes its text.
    pub(crate) fn copy(&self) -> Self {
        match self {
            Self::Closed => Self::Closed,
            Self::PeerClosed => Self::PeerClosed,
            Self::Truncated => Self::Truncated,
            Self::Aborted => Self::Aborted,
            Self::Switched => Self::Switched,
            Self::Stopped => Self::Stopped,
            Self::TimedOut(which) => Self::TimedOut(*which),
            Self::Overflow(limit) => Self::Overflow(*limit),
            Self::Io(error) => Self::Io(io::Error::new(error.kind(), error.to_string())),
            Self::Failed(error) => Self::Failed(error.to_string().into()),
            Self::Panicked => Self::Panicked,
        }
    }

    /// True when the connection ended as intended: closed by either side, switched or stopped.
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Closed | Self::PeerClosed | Self::Switched | Self::Stopped)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::PeerClosed => f.write_str("closed by the peer"),
            Self::Truncated => f.write_str("the peer's stream was cut short"),
            Self::Aborted => f.write_str("aborted"),
            Self::Switched => f.write_str("switched to another protocol"),
            Self::Stopped => f.write_str("the reactor stopped"),
            Self::TimedOut(Timeout::Idle) => f.write_str("no traffic for too long"),
            Self::TimedOut(Timeout::Deadline) => f.write_str("the deadline passed"),
            Self::TimedOut(Timeout::Handshake) => f.write_str("the handshake took too long"),
            Self::TimedOut(Timeout::Drain) => f.write_str("the peer did not take the last bytes"),
            Self::Overflow(limit) => limit.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Failed(error) => error.fmt(f),
            Self::Panicked => f.write_str("a callback panicked"),
        }
    }
}

impl std::error::Error for Reason {}
