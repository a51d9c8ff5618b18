//! Maildir: a mailbox as folders, a message as a file. [`Maildirs`] delivers, [`Maildir`] has what was delivered.
//!
//! ```text
//!   ann/tmp ── write, sync ──▶ ann/new ── seen ──▶ ann/cur
//! ```

mod delivery;
mod flags;
mod mailbox;
mod name;
mod store;

pub use delivery::Maildirs;
pub(crate) use delivery::reply;
pub use flags::Flags;
pub use mailbox::{Entry, FOLDERS_MAX, MESSAGES_MAX, Maildir};
