//! TLS in the simulator: both ends are ours, and the network does what it likes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod ground;
mod relay;
mod talk;

mod clients;
mod cut;
mod faults;
mod handshake;
mod names;
mod network;
mod resumption;
mod starttls;
mod strings;
