//! A simulated network: the third driver of the engine, and the place where programs are tested.
//!
//! Hosts, names, connections, time and chance all live in one thread and follow from one seed, so a run can be
//! repeated exactly. The network does to a program what real ones do seldom, and as often as the seed says:
//! any split of the bytes, resets at odd moments, short sends, starved connections, other hosts' turns between.
//!
//! ```
//! use std::time::Duration;
//! use trenza_sim::{Net, Verdict};
//!
//! let net = Net::new(1);
//! let listener = net.host("srv").probe_listen("tcp:7007");
//! let cli = net.host("cli").probe("tcp:srv:7007");
//! cli.send_split("HELO", &[1, 3]);
//! net.run();
//! let srv = listener.accept().expect("the connection was made");
//! assert_eq!(srv.received(), b"HELO");
//!
//! let partition = net.rule(|p| if p.to("srv") { Verdict::Drop } else { Verdict::Pass });
//! cli.send("lost");
//! net.advance(Duration::from_secs(300));
//! assert_eq!(srv.take_received(), b"HELO");
//! # drop(partition);
//! ```
//!
//! ```text
//!   Net ── steps ──▶ engine of a host ── Driver ──▶ SimDriver ──┐
//!    │                                  └─ Host ──▶ SimHost ────┤
//!    ├── clock, order of steps                                  ▼
//!    └──────────────────────────────────────────▶ World: links, listeners, names, rules, trace
//!                                    Probe ─────────────────────▲
//! ```

mod dice;
mod driver;
mod host;
mod hostility;
mod link;
mod machine;
mod names;
mod net;
mod port;
mod probe;
mod rule;
mod seeds;
mod stream;
mod trace;
mod world;

pub use driver::{SLOTS_MAX, SimDriver};
pub use host::SimHost;
pub use hostility::Hostility;
pub use link::ENDS_MAX;
pub use machine::HostHandle;
pub use net::{Net, SETTLING, STEPS_MAX};
pub use port::BACKLOG_MAX;
pub use probe::{Probe, ProbeListener, RECEIVED_MAX};
pub use rule::{Kind, Packet, RuleGuard, Verdict};
pub use seeds::for_seeds;
pub use stream::{FLIGHT_MAX, PIECE_MAX};
pub use trace::TRACE_LINES_MAX;
pub use world::{HOSTS_MAX, JOBS_MAX, LATENCY, WINDOW};

#[cfg(test)]
mod tests;
