//! Maildir: a mailbox as folders, a message as a file. [`Mailstore`] puts messages into Maildirs, [`Maildirs`] those that a
//! server receives; [`Maildir`] has what was delivered.
//!
//! ```text
//!   ann/tmp ── write, sync ──▶ ann/new ── seen ──▶ ann/cur
//! ```

mod entry;
mod flags;
mod mailbox;
mod maildirs;
mod mailstore;
mod name;
mod quota;
mod store;
mod trouble;
mod walk;

pub use entry::Entry;
pub use flags::Flags;
pub use mailbox::{FOLDERS_MAX, MESSAGES_MAX, Maildir};
pub use maildirs::Maildirs;
pub(crate) use mailstore::refusal;
pub use mailstore::{Mailstore, Place};
