//! The engine of Trenza.

mod addr;
pub mod driver;

pub use addr::Addr;
