//! [`Author`]: whether what an account sends says that it is from that account.

use super::config::Config;
use crate::{
    checks::Header,
    smtp::{Code, Mailbox, Reply, Status},
};
use std::sync::Arc;
use trenza_auth::Account;

/// Looks whether the fields called From of a message that is pushed name nobody but the account that sends it: readers
/// see them, and not what was said to MAIL.
pub(super) struct Author {
    account: Arc<Account>,
    header: Header,
    is_judged: bool,
}

impl Author {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self { account, header: Header::default(), is_judged: false }
    }

    /// Looks at more of the message. An error is what the client is told.
    pub(super) fn push(&mut self, bytes: &[u8], config: &Config) -> Result<(), Reply> {
        if self.is_judged {
            return Ok(());
        }
        self.header.push(bytes);
        if self.header.is_over() {
            return Err(Reply::new(
                Code::TOO_LARGE,
                Status::TOO_LARGE,
                "The header of this message is too long",
            ));
        }
        if self.header.is_whole() { self.finish(config) } else { Ok(()) }
    }

    /// The header is whole: a message may be nothing else.
    pub(super) fn finish(&mut self, config: &Config) -> Result<(), Reply> {
        if std::mem::replace(&mut self.is_judged, true) {
            return Ok(());
        }
        let denied = |text: String| Err(Reply::new(Code::REFUSED, Status::DENIED, text));
        for field in self.header.fields().iter().filter(|field| field.is("From")) {
            let value = String::from_utf8_lossy(field.value()).replace(['\r', '\n'], "");
            let Ok(all) = Mailbox::list(&value) else {
                return denied("The field From of this message cannot be read".into());
            };
            if let Some(other) = all.iter().find(|one| !config.owns(&self.account, one)) {
                return denied(format!("This message says that it is from {other}, who is not you"));
            }
        }
        Ok(())
    }
}
