//! [`ServerLimits`]: what a client may cost.

use crate::h1;
use std::time::Duration;

/// What a client may cost a server. How many connections there may be in all is the reactor's
/// (`Reactor::set_connections_max`); beyond, new ones wait in the system's backlog.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// The sizes of a message.
    pub message: h1::Limits,
    /// How long a request's head may take, from its first byte on (for the first request: from the connection's
    /// beginning); bytes that trickle do not move it. Then 408, or a silent close if no byte came. 10 s.
    pub head_time: Duration,
    /// How long a connection may be without traffic between requests. 60 s.
    pub idle_time: Duration,
    /// The least rate at which a client must send a body (else 408) and take a response (else the connection is
    /// aborted), in bytes per second. 240.
    pub rate: u64,
    /// Over how long the rate is measured, again and again. 10 s.
    pub rate_time: Duration,
    /// Connections from one address, of IPv6 from one /64. Beyond, new ones are closed at once. 10,000.
    pub per_address: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            message: h1::Limits::default(),
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            rate: 240,
            rate_time: Duration::from_secs(10),
            per_address: 10_000,
        }
    }
}
