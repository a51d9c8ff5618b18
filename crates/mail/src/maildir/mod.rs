//! Maildir: a mailbox as folders, a message as a file. [`Mailstore`] puts messages into Maildirs, [`Maildirs`] those that a
//! server receives; [`Maildir`] has what was delivered.
//!
//! ```text
//!   ann/tmp ── write, sync ──▶ ann/new ── seen ──▶ ann/cur
//! ```

mod delivery;
mod flags;
mod mailbox;
mod mailstore;
mod name;
mod quota;
mod store;

pub use delivery::Maildirs;
pub use flags::Flags;
pub use mailbox::{Entry, FOLDERS_MAX, MESSAGES_MAX, Maildir};
pub(crate) use mailstore::refusal;
pub use mailstore::{Mailstore, Place};
