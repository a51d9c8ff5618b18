//! [`Trouble`]: why a Maildir does not take a message.

use trenza_storage::Error;

/// Why a Maildir does not take a message.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It holds as much as it may.
    Full,
    /// The message alone is more than it may hold.
    TooLarge,
    /// The disk.
    Storage(Error),
}

impl Trouble {
    /// The same for another one.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::TooLarge => Self::TooLarge,
            Self::Storage(error) => Self::Storage(error.kind().into()),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}
