//! TLS for Trenza: a layer in front of any protocol, from the start or in mid-stream, on servers and clients.
//!
//! ```text
//!  protocol ─▶ plain ─▶ TlsLayer ─▶ records ─▶ TCP, UNIX, a proxy, TLS again
//!                          │
//!                       Session: rustls, which is handed bytes and does no I/O
//! ```
//!
//! TLS 1.2 and 1.3 are spoken, no older version, with keys that are agreed on by X25519 and ML-KEM-768 where the peer
//! can. Clients trust whom the system trusts unless told otherwise; sessions are continued.

mod certificates;
mod client;
mod clients;
mod clock;
mod error;
mod facts;
mod folder;
mod identity;
mod kind;
mod layer;
mod pem;
mod provider;
mod server;
mod session;
mod starttls;
mod subject;
mod trust;

pub use certificates::Certificates;
pub use client::{ClientTls, ClientTlsBuilder, ClientTlsTo};
pub use error::TlsError;
pub use facts::Facts;
pub use folder::Folder;
pub use identity::Identity;
pub use kind::register;
pub use layer::TlsLayer;
pub use provider::MinVersion;
pub use server::{ServerTls, ServerTlsBuilder};
pub use starttls::{Side, StartTls};
pub use trust::Trust;
