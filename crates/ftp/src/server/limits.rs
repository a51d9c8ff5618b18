//! [`FtpLimits`] and [`FtpRates`]: how many, how long, how fast.

use std::time::Duration;

/// How many sessions a server has, and how long its clients may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FtpLimits {
    /// Sessions in all, over all loops. Default 1000. One more is told 421.
    pub sessions: usize,
    /// Sessions from one address, of IPv6 from one /64. Default 50. One more is told 421.
    pub per_address: usize,
    /// Sessions of one account. Default 100. One more is told 421 when it has logged in.
    pub per_account: usize,
    /// How long a session may be silent while nothing is transferred. Default 5 minutes; then it is told 421. What a
    /// command does to files, the end of an upload too, may take twice as long.
    pub idle: Duration,
    /// How long it may take to log in. Default 1 minute; then it is told 421.
    pub login: Duration,
    /// Wrong passwords of one connection. Default 3; then it is told 421.
    pub login_tries: u32,
    /// Commands before the login. Default 40; then it is told 421.
    pub commands_before_login: u32,
    /// Commands in a row that cannot be understood. Default 25; then it is told 421.
    pub errors: u32,
    /// How long to wait for a data connection. Default 30 s. After it a passive port is closed, or the transfer fails with
    /// 425.
    pub data_wait: Duration,
    /// How long a data connection may move nothing. Default 1 minute; then the transfer fails with 426.
    pub data_idle: Duration,
    /// Up to so many entries a listing is sorted; longer ones come in the order of the file system. Default 10,000. STAT
    /// lists 1000 at most.
    pub sorted: usize,
    /// How many entries LIST -R and NLST -R show, with those of all folders below. Default 100,000; then they break off
    /// with 451. 0: as without -R.
    pub recursive: usize,
    /// How large a file may be for SIZE in TYPE A, which has to read it, in bytes. Default 16 MiB; larger ones are
    /// refused with 550.
    pub ascii_size: u64,
}

impl Default for FtpLimits {
    fn default() -> Self {
        Self {
            sessions: 1000,
            per_address: 50,
            per_account: 100,
            idle: Duration::from_secs(300),
            login: Duration::from_secs(60),
            login_tries: 3,
            commands_before_login: 40,
            errors: 25,
            data_wait: Duration::from_secs(30),
            data_idle: Duration::from_secs(60),
            sorted: 10_000,
            recursive: 100_000,
            ascii_size: 16 * 1024 * 1024,
        }
    }
}

/// How fast data connections are on all loops together, in bytes per second as they are on the wire. Default: as fast as
/// they can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FtpRates {
    /// Downloads of each session.
    pub session_out: Option<u64>,
    /// Uploads of each session.
    pub session_in: Option<u64>,
    /// Downloads of all sessions of an account.
    pub account_out: Option<u64>,
    /// Uploads of all sessions of an account.
    pub account_in: Option<u64>,
    /// Downloads of all sessions.
    pub all_out: Option<u64>,
    /// Uploads of all sessions.
    pub all_in: Option<u64>,
}
