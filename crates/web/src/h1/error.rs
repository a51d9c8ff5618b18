//! [`Error`]: whose fault, and with which status to answer it.

use http::StatusCode;
use trenza_wire::{InputError, ProtocolError};

/// An error of the codec. The peer's faults carry the status to answer with; the connection cannot be used
/// for another message afterwards.
pub type Error = ProtocolError<StatusCode>;

/// The peer's fault, to be answered with 400.
pub(super) fn bad(what: &'static str) -> Error {
    refuse(StatusCode::BAD_REQUEST, what)
}

/// The peer's fault, to be answered with `reply`.
pub(super) fn refuse(reply: StatusCode, what: &'static str) -> Error {
    Error::Remote { what, reply }
}

/// What is wrong with a line, as an answer to it.
pub(super) fn bad_line(error: InputError) -> Error {
    bad(match error {
        // Which of the two it is may depend on how the bytes came.
        InputError::BareCr | InputError::BareLf => "CR or LF alone",
        _ => "line too long",
    })
}
