//! TLS in the simulator: both ends are ours, and the network does what it likes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod ground;

mod clients;
mod faults;
mod handshake;
mod names;
mod resumption;
mod starttls;
mod strings;
