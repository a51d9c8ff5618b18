//! Proxies for Trenza. [`socks`] and [`http`] are codecs: bytes in, bytes out.

pub mod http;
pub mod socks;
mod target;

pub use target::{Host, NAME_MAX, NameError, Target};
