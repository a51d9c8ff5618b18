//! [`QueueId`]: by what name a queue knows a message.

use std::{fmt, str::FromStr, sync::Arc};
use trenza_core::Reactor;

/// The most characters of an id.
pub const ID_MAX: usize = 48;

/// By what name a queue knows a message: letters, digits and hyphens, and the first is no hyphen. It is in the Received
/// field of what a server has received, in its answer to the client, and in logs.
///
/// ```
/// use trenza_mail::queue::QueueId;
///
/// let id: QueueId = "3c1f00d2a7b94e58".parse()?;
/// assert_eq!(id.as_str(), "3c1f00d2a7b94e58");
/// assert!("../passwd".parse::<QueueId>().is_err() && "".parse::<QueueId>().is_err());
/// # Ok::<(), trenza_mail::queue::QueueIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(Arc<str>);

/// This is no id of a message in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to {ID_MAX} letters, digits and hyphens")]
pub struct QueueIdError;

impl QueueId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One that no other message has: 64 random bits.
    pub(super) fn random(reactor: &Reactor) -> Self {
        let mut random = [0; 8];
        reactor.random(&mut random);
        Self(format!("{:016x}", u64::from_be_bytes(random)).into())
    }

    /// That of a report about this message, which is the same whenever it is made. Reports are not reported on, so it
    /// does not grow.
    pub(super) fn of_report(&self, number: u32) -> Self {
        let most = ID_MAX - 11;
        Self(format!("{}-{number}", self.0.get(..most).unwrap_or(&self.0)).into())
    }
}

impl FromStr for QueueId {
    type Err = QueueIdError;

    fn from_str(text: &str) -> Result<Self, QueueIdError> {
        let right = (1..=ID_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !text.starts_with('-');
        if right { Ok(Self(text.into())) } else { Err(QueueIdError) }
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
