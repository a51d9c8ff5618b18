//! [`Limits`]: the options that say how many, how long and how fast.

use crate::{passing::seconds, room::count};
use std::{num::NonZeroUsize, time::Duration};
use trenza::{
    auth::Size,
    ftp::{FtpLimits, FtpRates},
};

/// The lowest rate, in bytes per second: with less nothing would ever end.
const RATE_MIN: u64 = 1024;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// Sessions at once; one more is told to come later
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count)]
    max_sessions: NonZeroUsize,

    /// Sessions at once from one address
    #[arg(long, value_name = "N", default_value = "50", value_parser = count)]
    max_sessions_per_address: NonZeroUsize,

    /// Sessions at once of one account
    #[arg(long, value_name = "N", default_value = "100", value_parser = count)]
    max_sessions_per_account: NonZeroUsize,

    /// How long a session may be silent, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    idle_timeout: Duration,

    /// How long a login may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    login_timeout: Duration,

    /// How long a data connection may move nothing, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    data_timeout: Duration,

    /// How fast all downloads are together, in bytes a second, like 10M
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    rate_out: Option<Size>,

    /// How fast all uploads are together
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    rate_in: Option<Size>,

    /// How fast the downloads of each account are together
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    rate_out_per_account: Option<Size>,

    /// How fast the uploads of each account are together
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    rate_in_per_account: Option<Size>,
}

impl Limits {
    pub(super) fn sessions(&self) -> NonZeroUsize {
        self.max_sessions
    }

    pub(super) fn limits(&self) -> FtpLimits {
        FtpLimits {
            sessions: self.max_sessions.get(),
            per_address: self.max_sessions_per_address.get(),
            per_account: self.max_sessions_per_account.get(),
            idle: self.idle_timeout,
            login: self.login_timeout,
            data_idle: self.data_timeout,
            ..FtpLimits::default()
        }
    }

    pub(super) fn rates(&self) -> FtpRates {
        let bytes = |size: Option<Size>| size.map(|size| size.0);
        FtpRates {
            all_out: bytes(self.rate_out),
            all_in: bytes(self.rate_in),
            account_out: bytes(self.rate_out_per_account),
            account_in: bytes(self.rate_in_per_account),
            ..FtpRates::default()
        }
    }
}

fn rate(text: &str) -> Result<Size, String> {
    let size: Size = text.parse().map_err(|error: trenza::auth::SizeError| error.to_string())?;
    if size.0 < RATE_MIN { Err("less than 1K a second is too little".into()) } else { Ok(size) }
}
