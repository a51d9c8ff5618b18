//! [`Limits`]: the options that say how many, how large and how long.

use crate::{passing::seconds, room::count};
use std::{num::NonZeroUsize, time::Duration};
use trenza::{
    auth::Size,
    mail::{pop3::Pop3Limits, smtp::SmtpLimits},
};

/// No message is smaller than what a server must be able to take (RFC 5321 section 4.5.3.1.7).
const SIZE_MIN: u64 = 64 * 1024;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// The largest message, in bytes, like 50M
    #[arg(long, value_name = "SIZE", default_value = "50M", value_parser = size)]
    max_message: Size,

    /// Recipients of one message
    #[arg(long, value_name = "N", default_value = "1000", value_parser = recipients)]
    max_recipients: usize,

    /// Messages a minute: from one address, or of one account
    #[arg(long, value_name = "N", default_value = "600", value_parser = clap::value_parser!(u32).range(1..))]
    max_messages_per_minute: u32,

    /// Sessions at once, for each of reception, submission, LMTP and POP3; one more is told to come later
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count)]
    max_sessions: NonZeroUsize,

    /// Sessions at once from one address
    #[arg(long, value_name = "N", default_value = "50", value_parser = count)]
    max_sessions_per_address: NonZeroUsize,

    /// How long a client may take for a command, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    command_timeout: Duration,
}

impl Limits {
    pub(super) fn sessions(&self) -> NonZeroUsize {
        self.max_sessions
    }

    pub(super) fn smtp(&self) -> SmtpLimits {
        SmtpLimits {
            size: self.max_message.0,
            recipients: self.max_recipients,
            messages_per_minute: self.max_messages_per_minute,
            sessions: self.max_sessions.get(),
            per_address: self.max_sessions_per_address.get(),
            command: self.command_timeout,
            ..SmtpLimits::default()
        }
    }

    pub(super) fn pop3(&self) -> Pop3Limits {
        Pop3Limits {
            sessions: self.max_sessions.get(),
            per_address: self.max_sessions_per_address.get(),
            ..Pop3Limits::default()
        }
    }
}

fn size(text: &str) -> Result<Size, String> {
    let size: Size = text.parse().map_err(|error: trenza::auth::SizeError| error.to_string())?;
    if size.0 < SIZE_MIN { Err("less than 64K is too little".into()) } else { Ok(size) }
}

/// Others send to 100 at once, and rely on it (RFC 5321 section 4.5.3.1.8).
fn recipients(text: &str) -> Result<usize, String> {
    let fits = text.parse().ok().filter(|number| *number >= 100);
    fits.ok_or_else(|| "a number from 100 on is wanted".into())
}
