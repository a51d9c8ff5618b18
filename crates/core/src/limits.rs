//! [`Limits`]: how much a connection may hold, and [`Counts`]: how much it does.

use std::time::Duration;

/// How much of a connection's data may wait in memory, and for how long its end may be put off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Over so many unsent bytes a connection is full ([`Transport::is_full`](crate::Transport::is_full)).
    /// Default 64 KiB.
    pub high: usize,
    /// Down to so many unsent bytes a full connection is writable again. Default 16 KiB.
    pub low: usize,
    /// Most bytes that a protocol may leave unread. Default 64 KiB. Beyond, reading stops while it has paused,
    /// and the connection is lost with [`Limit::Unread`] when it was offered all and took nothing.
    pub unread: usize,
    /// Most bytes in memory that wait to be sent. Default 16 MiB. Beyond, the connection is lost with
    /// [`Limit::Unsent`]. File ranges do not count, since they are read when they are sent.
    pub unsent: usize,
    /// Most layers under one protocol. Default 8.
    pub layers: usize,
    /// Keep reading while the out-buffer is over its high mark. Default false, so that request-response
    /// protocols need no backpressure code. Two ends that both write unprompted beyond their marks wait for each
    /// other then: one of them must set this.
    pub read_while_full: bool,
    /// How long to wait for the peer's FIN after our own. Default 5 s; zero closes at once.
    pub linger: Duration,
    /// Most descriptors that wait to be sent, and to be received: they come while the protocol has paused. Default 16.
    /// Beyond, sending is refused, and the connection is lost with [`Limit::Descriptors`] where too many come.
    pub descriptors: usize,
    /// How many bytes to read and discard meanwhile; then the peer has to stop by itself. Default 1 MiB.
    pub linger_bytes: u64,
    /// How long the peer may take none of the bytes written before `close()`. Default 30 s.
    pub drain: Duration,
    /// How long layers may take until they are ready. Default 10 s.
    pub handshake: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            high: 64 * 1024,
            low: 16 * 1024,
            unread: 64 * 1024,
            unsent: 16 * 1024 * 1024,
            layers: 8,
            read_while_full: false,
            linger: Duration::from_secs(5),
            descriptors: 16,
            linger_bytes: 1024 * 1024,
            drain: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
        }
    }
}

/// What a connection has moved and what it holds, in plain bytes (before layers encode and after they decode).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes that came from the driver since the connection began, as they were on the wire.
    pub received: u64,
    /// Bytes that the protocol wrote and that have left.
    pub sent: u64,
    /// Bytes that wait for the protocol.
    pub unread: usize,
    /// Bytes that wait for the peer, in layers too.
    pub unsent: usize,
    /// Bytes that have left but wait in the system, because the peer did not take them. The loop looks only where a
    /// time limit could run out over it: on connections with a timeout, a deadline or a `close()`, when a send leaves
    /// bytes behind, and before [`timed_out`](crate::Protocol::timed_out). None: it has not looked since bytes left.
    pub held: Option<usize>,
}

/// A limit that was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::unread`].
    #[error("too many unread bytes")]
    Unread,
    /// [`Limits::unsent`].
    #[error("too many unsent bytes")]
    Unsent,
    /// [`Limits::layers`].
    #[error("too many layers")]
    Layers,
    /// [`Limits::descriptors`].
    #[error("too many descriptors")]
    Descriptors,
    /// [`Reactor::set_connections_max`](crate::Reactor::set_connections_max) or
    /// [`Policy::connections`](crate::Policy::connections).
    #[error("too many connections")]
    Connections,
    /// [`Policy::per_address`](crate::Policy::per_address), or a table of [`Addresses`](crate::Addresses).
    #[error("too many connections from one address")]
    PerAddress,
}
