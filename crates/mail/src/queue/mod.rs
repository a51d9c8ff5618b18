//! The queue: what is to be carried on, and is not lost before it was.
//!
//! ```text
//!   server ──▶ Inlet ──▶ disk ──▶ QueueRunner ──▶ Carrier ──▶ other servers, mailboxes
//!                          ▲          │
//!                          └──────────┴── what came of each recipient; reports to senders
//! ```
//!
//! [`Queue`] is what all loops share; [`Inlet`] takes messages in, on any loop; one loop runs a [`QueueRunner`], which has
//! a [`Carrier`] carry them, by a [`Schedule`]. [`Spool`] is the queue on the disk, for those that look at it.

mod carrier;
mod dsn;
mod id;
mod index;
mod inlet;
mod ledger;
mod limits;
mod lock;
mod record;
mod runner;
mod schedule;
mod shared;
mod spool;
mod text;

pub use carrier::{Carried, Carrier, Carrying, Content, Fate, Parcel};
pub use id::{ID_MAX, QueueId, QueueIdError};
pub use inlet::Inlet;
pub use limits::QueueLimits;
pub use lock::QueueLock;
pub use record::{Addressee, Record, SAID_MAX, Said, State};
pub use runner::QueueRunner;
pub use schedule::Schedule;
pub use shared::{Queue, QueueOptions};
pub use spool::{Request, Spool, Spooled};
pub use text::{RECORD_MAX, RecordError};
