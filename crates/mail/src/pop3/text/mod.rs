//! The lines behind a reply: up to one with a dot (RFC 1939 section 3), which is doubled where it begins another line.

mod encoder;
mod lines;
#[cfg(test)]
mod tests;

/// Takes them apart again, at the client's end: the same as behind DATA of SMTP. What stands alone of CR and LF is reported,
/// and passed on if it is read on.
pub use crate::smtp::data::{Bare, Decoder, Piece};
pub use encoder::Encoder;
pub use lines::{Line, line};
