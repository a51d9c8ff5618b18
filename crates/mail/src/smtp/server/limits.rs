//! [`SmtpLimits`]: how many, how large, how long.

use std::time::Duration;

/// How much a server takes, and how long its clients may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpLimits {
    /// Sessions in all, over all loops. Default 1000. One more is told 421.
    pub sessions: usize,
    /// Sessions from one address, of IPv6 from one /64. Default 50. One more is told 421.
    pub per_address: usize,
    /// The largest message in bytes. Default 50 MiB. A larger one is refused with 552; who goes on sending after as much
    /// again is hung up on.
    pub size: u64,
    /// Recipients of one message. Default 1000; RFC 5321 section 4.5.3.1.8 asks for 100 at least. More are told 452.
    pub recipients: usize,
    /// Messages of one session. Default 1000; then it is told 421.
    pub messages: u32,
    /// Messages a minute, from one address at reception, of one account at submission, over all loops; LMTP is not
    /// counted. Default 600. More are told 450.
    pub messages_per_minute: u32,
    /// What may be refused in one session: commands, recipients, messages. Default 20; then it is told 421.
    pub errors: u32,
    /// Commands that are not known. Default 5; then it is told 421.
    pub unknown_commands: u32,
    /// Commands that lead nowhere (NOOP, RSET, VRFY, HELP, EHLO again, BDAT of nothing) since the last message. Default 100;
    /// then it is told 421.
    pub idle_commands: u32,
    /// Logins that are refused. Default 3; then it is told 421.
    pub login_tries: u32,
    /// Servers that a message has come through, by its Received fields. Default 100 (RFC 5321 section 6.3). One that has
    /// come through more goes in circles, and is refused with 554.
    pub hops: u32,
    /// How long a client may take for a command. Default 5 minutes (RFC 5321 section 4.5.3.2.7). Then it is told 421, as
    /// for all that follow.
    pub command: Duration,
    /// How long it may be silent within a message. Default 3 minutes (RFC 5321 section 4.5.3.2.5).
    pub data: Duration,
    /// How long it may take for a message, or a chunk of BDAT, in all. Default 1 hour.
    pub message: Duration,
    /// How long an answer of our own may take: a login, a recipient, the end of a message. Default 9 minutes; clients wait
    /// 10 for the last of them (RFC 5321 section 4.5.3.2.6).
    pub work: Duration,
}

impl Default for SmtpLimits {
    fn default() -> Self {
        Self {
            sessions: 1000,
            per_address: 50,
            size: 50 * 1024 * 1024,
            recipients: 1000,
            messages: 1000,
            messages_per_minute: 600,
            errors: 20,
            unknown_commands: 5,
            idle_commands: 100,
            login_tries: 3,
            hops: 100,
            command: Duration::from_secs(300),
            data: Duration::from_secs(180),
            message: Duration::from_secs(3600),
            work: Duration::from_secs(540),
        }
    }
}
