//! Messages as people write them (RFC 5322, MIME: RFC 2045 to 2047): [`Message`] takes one apart, [`Draft`] puts one
//! together.
//!
//! What a part is and where it ends is found here, in one pass, with limits and without recursion; header fields, charsets
//! and encodings are read by the crate `mail-parser`, and a draft is written by `mail-builder`.

mod draft;
mod message;
mod part;
mod structure;
#[cfg(test)]
mod tests;

pub use draft::{Draft, DraftError, Stamp};
pub use message::{Message, MimeLimits};
pub use part::Part;
