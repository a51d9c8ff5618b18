//! Proxies for Trenza: a SOCKS server ([`SocksServer`]) and a forwarder ([`Forward`]), and the codecs that they and
//! clients share ([`socks`], [`http`]).

mod account;
mod errand;
mod forward;
pub mod http;
mod limits;
pub mod log;
mod pipe;
mod rules;
mod server;
mod session;
pub mod socks;
mod target;
mod users;

pub use account::Record;
pub use forward::Forward;
pub use limits::ProxyLimits;
pub use rules::{Pattern, PatternError, Rules};
pub use server::SocksServer;
pub use target::{Host, NAME_MAX, NameError, Target};
pub use users::{USERS_MAX, Users, UsersError};
