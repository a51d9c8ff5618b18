//! Checks of mail on reception: may this host send it ([`spf`]), who has signed it ([`dkim`]), and what says the domain of
//! its author to that ([`dmarc`])? [`Checks`] does all of them, and writes down what it found.
//!
//! ```text
//!   a message ──▶ Examination ──▶ SPF ───┐
//!                    │                   ├──▶ DMARC ──▶ Report: Authentication-Results, what is to become of it
//!                    └──────────▶ DKIM ──┘
//! ```

mod cleaner;
mod delivery;
pub mod dkim;
pub mod dmarc;
mod examination;
mod header;
mod names;
mod results;
pub mod spf;
mod spool;
#[cfg(test)]
mod tests;
mod within;

pub use delivery::{Checked, Signed};
pub use dkim::{Dkim, DkimResult, DkimSigner, Signing, SigningError, SigningKey, SigningKeyError};
pub use dmarc::{Dmarc, DmarcResult, Policy};
pub use examination::{CHECK_TIME, Checks, Examination, Report};
pub use header::HEADER_MAX;
pub(crate) use header::Header;
pub use names::{Answer, Names, NoAnswer};
pub use spf::{Spf, SpfQuery, SpfResult};
pub use spool::Spool;
