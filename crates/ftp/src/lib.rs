//! FTP for Trenza (RFC 959, 1123, 2228 and 4217, 2389, 2428, 2640, 3659, 7151).
//!
//! The codec knows neither sockets nor clocks: [`command`] and [`mod@reply`] are what goes over the control connection,
//! [`listing`] what listings are made of, [`ascii`] the text of TYPE A, [`time`] and [`address`] what stands in
//! arguments and replies.
//!
//! [`Client`] is the client, for coroutines; [`Mirror`] copies whole trees with several of them.
//! [`FtpServer`] is the server.

pub mod address;
pub mod ascii;
mod client;
mod code;
pub mod command;
mod glob;
pub mod listing;
mod mirror;
pub mod reply;
mod server;
pub mod time;

pub use address::Family;
pub use client::{Client, ClientError, ClientLimits, ClientOptions, Dial};
pub use code::{Code, Grade};
pub use command::Command;
pub use glob::{Glob, GlobError, PATTERN_MAX};
pub use listing::Entry;
pub use mirror::{Failure, Folder, Mirror, MirrorLimits, Outcome, PARALLEL_MAX, Progress, is_local_name};
pub use reply::Reply;
pub use server::{Direction, FtpFactory, FtpLimits, FtpRates, FtpServer, Home, Homes, Transfer, TransferLog};
