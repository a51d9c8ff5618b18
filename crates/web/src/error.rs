//! [`StatusError`]: an error that says how to answer.

use http::StatusCode;
use std::fmt;

/// An error that says with which status to answer. A handler that returns it makes the server send a small page
/// with that status; any other error is answered with 500 and logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusError {
    status: StatusCode,
    what: &'static str,
}

impl StatusError {
    /// An error to be answered with `status`. `what` is for logs, not for the client.
    pub fn new(status: StatusCode, what: &'static str) -> Self {
        Self { status, what }
    }

    /// The status to answer with.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.status)
    }
}

impl std::error::Error for StatusError {}
