//! [`SocketOption`]: what can be set about a connection's socket.

use std::{fmt, time::Duration};

/// What [`Transport::set_option`](crate::Transport::set_option) sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketOption {
    /// TCP sends small pieces at once, rather than waiting for an acknowledgement of those before (RFC 9293, section
    /// 3.7.4). On unless it is turned off.
    NoDelay(bool),
    /// TCP asks a silent peer after so long whether it is there (RFC 9293, section 3.8.4), in whole seconds, at least
    /// one. None: it does not ask, which is the beginning.
    KeepAlive(Option<Duration>),
    /// How many bytes the system holds that the peer did not take. It may take more or less than it is told.
    SendBuffer(usize),
    /// How many bytes the system holds that were not read. It may take more or less than it is told.
    ReceiveBuffer(usize),
    /// Urgent data of TCP comes among the other bytes (RFC 9293, section 3.8.5), as FTP and Telnet need it. On unless it
    /// is turned off; then it is dropped.
    UrgentInline(bool),
    /// TCP acknowledges at once what has come, where the system can be told so (Linux); elsewhere nothing changes. This
    /// holds for the moment: who sends small pieces and waits for each to be acknowledged goes on now, not after 40 ms.
    /// While a layer shakes hands the engine does it by itself.
    QuickAck,
}

impl fmt::Display for SocketOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDelay(on) => write!(f, "NoDelay({on})"),
            Self::KeepAlive(Some(after)) => write!(f, "KeepAlive({after:?})"),
            Self::KeepAlive(None) => f.write_str("KeepAlive(None)"),
            Self::SendBuffer(bytes) => write!(f, "SendBuffer({bytes})"),
            Self::ReceiveBuffer(bytes) => write!(f, "ReceiveBuffer({bytes})"),
            Self::UrgentInline(on) => write!(f, "UrgentInline({on})"),
            Self::QuickAck => f.write_str("QuickAck"),
        }
    }
}
