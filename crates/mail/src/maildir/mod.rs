//! Maildir: a mailbox as folders, a message as a file.
//!
//! ```text
//!   ann/tmp ── write, sync ──▶ ann/new ── seen ──▶ ann/cur
//! ```

mod delivery;
mod name;
mod store;

pub use delivery::Maildirs;
