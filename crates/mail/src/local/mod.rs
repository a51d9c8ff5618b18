//! What becomes of messages at their destination: who has a mailbox here, and what else addresses stand for.
//!
//! ```text
//!   RCPT TO ──▶ Local: Aliases, Directory, +detail, catch-all ──▶ Expansion
//!
//!   message ──▶ Exchange ── all of them here ─────────────▶ Maildirs
//!                  └── some elsewhere ──▶ queue ──▶ Courier ───┴──▶ others
//! ```
//!
//! [`Local`] knows what an address stands for, [`Exchange`] is the [`Delivery`](crate::smtp::server::Delivery) of a server,
//! and [`Courier`] the [`Carrier`](crate::queue::Carrier) of its queue.

mod aliases;
mod courier;
mod delivered;
mod directory;
mod exchange;
mod expansion;
mod file;

pub use aliases::{Aliases, LINE_MAX, TARGETS_MAX, Target, Wrong};
pub use courier::Courier;
pub use directory::Directory;
pub use exchange::Exchange;
pub use expansion::{DEPTH_MAX, Expansion, Local, STEPS_MAX};
pub use file::{AliasError, AliasesFile, FILE_MAX};
