//! SMTP (RFC 5321) and LMTP (RFC 2033).
//!
//! The codec knows neither sockets nor clocks: [`mod@command`] and [`mod@reply`] are what is said, [`data`] the message
//! behind DATA, [`xtext`] what stands in parameters. [`SmtpServer`] is the server, [`server`] what it is made of;
//! [`client::Client`] is the client.

mod address;
pub mod client;
pub mod command;
pub mod data;
pub mod reply;
pub mod server;
pub mod xtext;

pub use address::{DOMAIN_MAX, Host, LOCAL_MAX, Mailbox, Recipient};
pub use command::{Body, Command, Mail, Notify, OriginalRecipient, Rcpt, Return};
pub use reply::{Code, Reply, Status};
pub use server::{SmtpLimits, SmtpServer};
