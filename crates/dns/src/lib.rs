//! DNS for Trenza: [`Resolver`], which asks the name servers that the system or you name, and keeps what they say.
//!
//! ```text
//!  addresses mx txt ptr lookup          names of the hosts file, addresses, localhost: answered at once
//!        │
//!        ▼            ┌── the cache has it ──▶ the answer
//!   one lookup ───────┤
//!   for all who ask   └── servers in turn, each by UDP from a port of its own, by TCP where that does not do
//!                              │                                  │
//!                          Question ── is it an answer to it? ── Answer: records, aliases followed, how long it holds
//! ```
//!
//! It trusts its servers, as stub resolvers do: it does not validate DNSSEC. It does not trust those who answer in their
//! place: see [`Resolver`].
//!
//! The wire format is that of `hickory-proto`, whose names and records it shows.

mod address;
mod answer;
mod cache;
mod config;
mod error;
mod exchange;
mod files;
mod hosts;
mod lookup;
mod mx;
mod question;
mod resolv_conf;
mod resolver;
mod server;

pub use address::{AddressError, PORT, server_address};
pub use answer::{ALIASES_MAX, Answer, Negative, Verdict};
pub use cache::CacheLimits;
pub use config::{Config, SERVERS_MAX};
pub use error::{Error, ErrorKind, Fault, Result};
pub use exchange::{SPOOFS_MAX, UDP_BYTES};
pub use files::{Files, LOOK_AGAIN};
pub use hickory_proto::op::{Message, ResponseCode};
pub use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, rdata};
pub use hosts::{HOSTS_BYTES_MAX, Hosts};
pub use mx::Mx;
pub use question::{Likeness, Question};
pub use resolv_conf::{ResolvConf, SEARCH_MAX};
pub use resolver::Resolver;

#[cfg(test)]
mod tests;
