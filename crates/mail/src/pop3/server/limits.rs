//! [`Pop3Limits`]: how many, how long.

use std::time::Duration;

/// How many sessions and messages a server has, and how long its clients may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pop3Limits {
    /// Sessions in all, over all loops. Default 1000. One more is told `[SYS/TEMP]`.
    pub sessions: usize,
    /// Sessions from one address, of IPv6 from one /64. Default 50. One more is told `[SYS/TEMP]`.
    pub per_address: usize,
    /// Messages of one session. Default 100,000. Of a mailbox with more the oldest are shown; the others come when those
    /// are deleted.
    pub messages: usize,
    /// What may be refused in one session. Default 50; then it ends.
    pub errors: u32,
    /// Logins that are refused. Default 3; then the session ends.
    pub login_tries: u32,
    /// How long an account has to wait from one login to the next (RFC 2449 section 6.5). Default: not at all.
    pub login_delay: Duration,
    /// How long a client may take for a command, and be silent while it is sent something. Default 10 minutes, the least
    /// that RFC 1939 section 3 allows. Then the connection is closed, and nothing is deleted.
    pub idle: Duration,
    /// How long an answer of our own may take: a login, a mailbox, a piece of a message. Default 5 minutes.
    pub work: Duration,
}

impl Default for Pop3Limits {
    fn default() -> Self {
        Self {
            sessions: 1000,
            per_address: 50,
            messages: 100_000,
            errors: 50,
            login_tries: 3,
            login_delay: Duration::ZERO,
            idle: Duration::from_secs(600),
            work: Duration::from_secs(300),
        }
    }
}
