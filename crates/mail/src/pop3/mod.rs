//! POP3 (RFC 1939).
//!
//! The codec knows neither sockets nor clocks: [`mod@command`] and [`mod@reply`] are what is said, [`text`] the lines behind a
//! reply. [`Pop3Server`] is the server, [`server`] what it is made of; [`client`] is the other end.

pub mod client;
pub mod command;
pub mod reply;
pub mod server;
pub mod text;

pub use command::Command;
pub use reply::{Reply, ResponseCode, Status};
pub use server::{Pop3Limits, Pop3Server};
