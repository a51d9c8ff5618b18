//! TLS in the simulator: both ends are ours, and the network does what it likes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod ground;
mod insider;
mod relay;
mod scene;
mod talk;

mod before;
mod bulk;
mod clients;
mod crowd;
mod cut;
mod faults;
mod floods;
mod handshake;
mod key_log;
mod names;
mod network;
mod records;
mod resumption;
mod starttls;
mod strings;
