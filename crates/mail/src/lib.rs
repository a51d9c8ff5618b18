//! Mail for Trenza.
//!
//! [`smtp`] has the codec and a server for reception, submission and LMTP, which gives messages to a
//! [`Delivery`](smtp::server::Delivery); [`maildir`] is one that stores them. [`pop3`] has the codec and a server from which
//! they are fetched.

mod line;
pub mod maildir;
pub mod pop3;
mod sasl;
mod seats;
pub mod smtp;
