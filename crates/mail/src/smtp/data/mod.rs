//! The message behind DATA: lines up to one with a dot (RFC 5321 section 4.5.2).

mod decoder;
mod encoder;
#[cfg(test)]
mod tests;

pub use decoder::{Bare, Decoder, Lines, Piece};
pub use encoder::Encoder;
