//! Trenza: web.

mod body;
mod files;
mod handler;

pub use body::Body;
pub use files::{FileOptions, Files};
pub use handler::{Answer, Later};
