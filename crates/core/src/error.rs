//! [`Error`] and [`Result`]: what callbacks return.

/// Any error. Callbacks return it with `?`; the loop wraps it into a [`Reason`](crate::Reason).
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of a callback or an operation of the engine.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;
