//! [`Denied`]: why somebody was not let in.

use crate::Mechanism;
use trenza_core::Error;

/// Why somebody was not let in. Logins fail with it; protocols choose their answer by it, and tell the client no more.
///
/// ```
/// use trenza_auth::Denied;
///
/// fn reply(error: &trenza_core::Error) -> &'static str {
///     match Denied::of(error) {
///         Denied::Refused | Denied::Mechanism(_) => "530 Wrong name or password",
///         Denied::Busy => "421 Too many logins, try again later",
///         _ => "421 Logins do not work just now",
///     }
/// }
/// assert!(reply(&Denied::Busy.into()).starts_with("421"));
/// assert!(reply(&"a bug".into()).ends_with("just now"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// No such account, or not its password. Which of the two is not said.
    #[error("wrong name or password")]
    Refused,
    /// Nobody here can be let in that way.
    #[error("nobody can log in by {0} here")]
    Mechanism(Mechanism),
    /// More log in at once than may: later it may work.
    #[error("too many logins at once: try again later")]
    Busy,
    /// Something of ours does not work; the log says what.
    #[error("logins do not work just now")]
    Unavailable,
}

impl Denied {
    /// What an error of a login is. One that is nothing of the sort is [`Denied::Unavailable`].
    pub fn of(error: &Error) -> Self {
        error.downcast_ref().copied().unwrap_or(Self::Unavailable)
    }
}
