//! Mail for Trenza.
//!
//! [`smtp`] has the codec and a server for reception, submission and LMTP, which gives messages to a
//! [`Delivery`](smtp::server::Delivery); [`maildir`] is one that stores them, and [`local`] the one of a whole server, with
//! accounts and aliases. [`queue`] keeps what is to be carried on. [`pop3`] has the codec, a server from which messages are
//! fetched, and a client. [`mime`] takes messages apart and puts them together.
//! [`checks`] says who vouches for them.

pub mod checks;
mod command_line;
pub mod local;
pub mod maildir;
pub mod mime;
pub mod pop3;
pub mod queue;
mod sasl;
mod seats;
pub mod smtp;
