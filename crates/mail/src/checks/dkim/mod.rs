//! DKIM: who has signed a message (RFC 6376), with RSA or Ed25519 over SHA-256 (RFC 8301, RFC 8463).
//!
//! ```text
//!  message ──▶ fields ── DKIM-Signature: which fields, which way, whose key ──▶ key from DNS ──▶ does it verify?
//!         └──▶ body ──▶ canonical ──▶ hash ─────────────────────────────────────────▲
//! ```

mod canonical;
mod key;
mod signature;
mod signer;
mod tags;
pub(in crate::checks) use tags::Tags;
#[cfg(test)]
mod tests;
mod verifier;

pub use key::{KEY_RECORD_MAX, SigningKey, SigningKeyError};
pub use signature::Algorithm;
pub use signer::{DkimSigner, Signing, SigningError};
pub use verifier::{Dkim, DkimResult, SIGNATURES_MAX, Verifier};
