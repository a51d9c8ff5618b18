//! The server: sessions on control connections, and the data connections that they open.
//!
//! ```text
//!   control connection ── Session: one command after the other
//!        │                   │ Portal (login), Storage (files): on the pool, the next command waits
//!        │                   ▼
//!        │                Channel: PASV a port for one connection, PORT an address to connect to
//!        ▼                   │ 150
//!   replies ◀── Done ── data connection: Waiting, then Sender or Receiver
//! ```

mod channel;
mod cleared;
mod config;
mod done;
mod factory;
mod failure;
mod features;
mod files;
mod home;
mod limits;
mod listing;
mod log;
mod login;
mod pipes;
mod receiver;
mod seats;
mod secure;
mod sender;
mod session;
mod settings;
mod source;
mod status;
mod transfer;
mod waiting;

pub use config::FtpServer;
pub use factory::FtpFactory;
pub use home::{Home, Homes};
pub use limits::{FtpLimits, FtpRates};
pub use log::{Direction, Transfer, TransferLog};
