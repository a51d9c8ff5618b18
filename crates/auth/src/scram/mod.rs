//! SCRAM-SHA-256 (RFC 5802, RFC 7677): the keys that are stored, and the exchange, from both sides.

mod client;
mod exchange;
mod keys;

pub use client::{ITERATIONS_MIN, ScramChallenge, ScramClient, ScramProof};
pub use exchange::{NONCE_LEN, SCRAM_MESSAGE_MAX, ScramError, ScramServer};
pub use keys::{ITERATIONS, ITERATIONS_MAX, SALT_MAX, ScramKeys};
pub(crate) use keys::{hash, hmac, prepared};
