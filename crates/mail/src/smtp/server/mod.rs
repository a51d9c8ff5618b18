//! The server: sessions as plain structs, and [`Delivery`], which takes what they receive.
//!
//! ```text
//!   SmtpServer ── on(delivery) ──▶ SmtpFactory ──▶ a session a connection
//!                                                   │ EHLO STARTTLS AUTH: Client
//!                     Delivery: session, sender, ◀──┤ MAIL RCPT
//!                               recipient           │
//!                     Message: push, room, finish ◀─┘ DATA BDAT, in pieces
//! ```

mod author;
mod client;
mod config;
mod delivery;
mod factory;
mod limits;
mod logged;
mod login;
mod message;
mod rates;
mod received;
mod record;
mod session;
mod transaction;

pub use client::Client;
pub use config::{Mode, SmtpServer};
pub use delivery::{Answer, Delivery, Envelope, Message, Outcome};
pub use factory::SmtpFactory;
pub use limits::SmtpLimits;
pub use logged::Logged;
pub(crate) use received::date;
pub use record::Record;
