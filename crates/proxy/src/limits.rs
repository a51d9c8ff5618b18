//! [`ProxyLimits`]: what a client may cost.

use std::time::Duration;

/// What a client may cost a proxy. How many clients there may be, and how fast they are, are policies of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyLimits {
    /// How long a client may take to say what it wants. 10 s.
    pub handshake: Duration,
    /// How long a connect may take, the lookup of the name included. 30 s.
    pub connect: Duration,
    /// How long BIND waits for whom it was asked for. 60 s.
    pub bind: Duration,
    /// How long nothing may pass in either direction. 1 hour.
    pub idle: Duration,
    /// Bytes that a client may send before there is somebody to take them; then it is not read. 16 KiB.
    pub early: usize,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            connect: Duration::from_secs(30),
            bind: Duration::from_secs(60),
            idle: Duration::from_secs(3600),
            early: 16 * 1024,
        }
    }
}
