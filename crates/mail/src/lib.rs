//! Mail for Trenza.
//!
//! [`smtp`] has the codec and a server for reception, submission and LMTP, which gives messages to a
//! [`Delivery`](smtp::server::Delivery); [`maildir`] is one that stores them. [`queue`] keeps what is to be carried on.
//! [`checks`] says who vouches for them.

pub mod checks;
pub mod maildir;
pub mod queue;
pub mod smtp;
