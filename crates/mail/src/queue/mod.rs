//! The queue: what is to be carried on, and is not lost before it was.
//!
//! [`Carrier`] is who carries it: to another server, into mailboxes.

mod carrier;
mod limits;

pub use carrier::{Carried, Carrier, Carrying, Content, Fate, Parcel};
pub use limits::QueueLimits;
