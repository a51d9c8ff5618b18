//! A simulated network: the third driver of the engine, and the place where programs are tested.
//!
//! Hosts, names, connections, time and chance all live in one thread and follow from one seed, so a run can be
//! repeated exactly. The network does to a program what real ones do seldom, and as often as the seed says:
//! any split of the bytes, resets at odd moments, short sends, starved connections, other hosts' turns between.
//!
//! A test is a program whose peers are probes:
//!
//! ```
//! use std::time::Duration;
//! use trenza_core::{Input, Protocol, Result, Transport};
//! use trenza_sim::{Net, Verdict, for_seeds};
//!
//! struct Greeter;
//! impl Protocol for Greeter {
//!     fn connection_made(&mut self, transport: &Transport) -> Result {
//!         transport.set_timeout(Some(Duration::from_secs(300)));
//!         Ok(())
//!     }
//!     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
//!         while let Some(line) = input.line(512)? {
//!             write!(transport, "hello, {}\r\n", String::from_utf8_lossy(line))?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! for_seeds(0..20, |seed| {
//!     let net = Net::new(seed);
//!     net.host("srv").listen("tcp:7007", |_| Greeter);
//!     let cli = net.host("cli").probe("tcp:srv:7007");
//!     cli.send("wor");
//!     cli.send("ld\r\n");
//!     net.run(); // until only timers are left
//!     assert_eq!(cli.received(), b"hello, world\r\n");
//!
//!     let _partition = net.rule(|p| if p.to("srv") { Verdict::Drop } else { Verdict::Pass });
//!     cli.send("never arrives");
//!     net.advance(Duration::from_secs(300));
//!     assert!(cli.lost());
//! });
//! ```
//!
//! Faults are of two kinds. [`Net::rule`] decides about single segments; [`Net::partition`], [`Net::bandwidth`],
//! [`Net::job_rule`] and [`HostHandle::crash`] are what machines and networks go through:
//!
//! ```
//! # use std::time::Duration;
//! # use trenza_core::{Input, Protocol, Result, Transport};
//! # use trenza_sim::Net;
//! # struct Echo;
//! # impl Protocol for Echo {
//! #     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
//! #         transport.write(input.rest());
//! #         Ok(())
//! #     }
//! # }
//! let net = Net::new(1);
//! let (srv, cli) = (net.host("srv"), net.host("cli"));
//! srv.listen("tcp:7", |_| Echo);
//! let probe = cli.probe("tcp:srv:7");
//! let partition = net.partition(&[&srv], &[&cli]);
//! probe.send("hello");
//! net.advance(Duration::from_secs(9));
//! assert!(!probe.connected());
//! drop(partition);
//! net.advance(Duration::from_secs(1));
//! assert_eq!(probe.received(), b"hello"); // it was sent again
//!
//! srv.crash();
//! srv.restart(|reactor| reactor.listen("tcp:7", |_| Echo).map(drop))?;
//! probe.send("are you there?");
//! net.run();
//! assert!(probe.was_reset()); // the new engine knows nothing of it
//! # Ok::<(), trenza_core::Error>(())
//! ```
//!
//! [`Fault`] lists all of it, for suites that are to stand everything.
//!
//! Each host has a [`Disk`], and a crash leaves of it what was synced, and of the rest what the seed chooses.
//!
//! The program `soak` runs random programs in such networks: `cargo run --release -p trenza-sim --bin soak -- --help`.
//!
//! ```text
//!   Net ── steps ──▶ engine of a host ── Driver ──▶ SimDriver ──┐
//!    │                                  └─ Host ──▶ SimHost ────┤
//!    ├── clock, order of steps                                  ▼
//!    └──────────────────────────────────────────▶ World: links, UDP, listeners, names, rules, trace
//!                                    Probe ─────────────────────▲
//! ```

mod activation;
mod canary;
mod datagram;
mod dice;
mod disk;
mod driver;
mod fault;
mod host;
mod hostility;
mod jobs;
mod line;
mod link;
mod machine;
mod names;
mod net;
mod outage;
mod panics;
mod port;
mod probe;
mod process;
mod rule;
mod seeds;
mod stdio;
mod stream;
mod trace;
mod watch;
mod world;

pub use datagram::{DATAGRAM_MAX, DatagramProbe, FLIGHTS_MAX, Received, UNIX_DATAGRAM_MAX};
pub use dice::Dice;
pub use disk::{
    DISK_CAPACITY, DISK_CHANGES_MAX, DISK_DIRTY_MAX, DISK_NAME_MAX, DISK_NODES_MAX, DISK_SECTOR, Disk,
    DiskAccess, DiskEntry, DiskFate, DiskFile, DiskMetadata, DiskOpen, DiskVerb, Folder,
};
pub use driver::{SLOTS_MAX, SimDriver};
pub use fault::Fault;
pub use host::SimHost;
pub use hostility::Hostility;
pub use jobs::Fate;
pub use link::ENDS_MAX;
pub use machine::HostHandle;
pub use net::{Net, SETTLING, STEPS_MAX};
pub use port::BACKLOG_MAX;
pub use probe::{Probe, ProbeListener, RECEIVED_MAX};
pub use process::{Fake, PROCESSES_MAX, Signals};
pub use rule::{Kind, Packet, RuleGuard, Verdict};
pub use seeds::for_seeds;
pub use stream::{FLIGHT_MAX, PIECE_MAX};
pub use trace::TRACE_LINES_MAX;
pub use watch::Watchable;
pub use world::{HOSTS_MAX, JOBS_MAX, LATENCY, WINDOW};

#[cfg(test)]
mod tests;
