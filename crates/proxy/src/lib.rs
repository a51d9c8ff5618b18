//! Proxies for Trenza: a SOCKS server ([`SocksServer`]), a forwarder ([`Forward`]), client's endpoints that go through
//! proxies ([`register`]), and the codecs that these share ([`socks`], [`http`]). [`header`] is the PROXY protocol.

mod account;
mod errand;
mod forward;
pub mod header;
pub mod http;
mod kinds;
mod limits;
pub mod log;
mod pipe;
mod relay;
mod rules;
mod server;
mod session;
pub mod socks;
mod target;
mod through;
mod users;

pub use account::Record;
pub use forward::Forward;
pub use kinds::register;
pub use limits::ProxyLimits;
pub use relay::{RELAY_NAMES_MAX, RELAY_PEERS_MAX};
pub use rules::{Pattern, PatternError, Rules};
pub use server::SocksServer;
pub use target::{Host, NAME_MAX, NameError, Target};
pub use through::{ProxyCause, ProxyError};
pub use users::{USERS_MAX, Users, UsersError};
