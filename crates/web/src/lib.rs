//! HTTP for Trenza: a sans-I/O codec ([`h1`]), static files ([`Files`]) and a server ([`Server`]) whose
//! [`Handler`]s see requests and responses and nothing of the connection, so that every version of HTTP can call them.

mod body;
mod channel;
mod error;
mod exchange;
mod files;
pub mod h1;
mod handler;
mod limits;
pub mod log;
mod pace;
mod page;
mod server;
mod session;

pub use body::Body;
pub use channel::BodySender;
pub use error::StatusError;
pub use files::{FileOptions, Files};
pub use handler::{Answer, ClientAddr, Coroutine, Handler, IntoAnswer, Later, Ready};
pub use limits::ServerLimits;
pub use log::Record;
pub use page::status_page;
pub use server::Server;
