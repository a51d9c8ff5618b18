//! The driver over io_uring under faults, with few buffers, and when it is dropped.
//!
//! Where the kernel lacks what a test needs, the test says so and is not run.

mod buffers;
mod connects;
mod datagrams;
mod drops;
mod echo;
mod engine;
mod passing;
mod peer;
mod program;

use super::{
    UringDriver,
    buffers::{Buffers, GROUP, Shape},
    faulty::{Fault, Faults, Ring},
    ring,
};
use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};
use trenza_core::{
    Addr,
    driver::{Bind, Driver, Open, Token},
};

/// Nothing here takes a second; a test that takes so long has failed.
const DEADLINE: Duration = Duration::from_secs(30);

/// How buffers are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One piece after the other (Linux 6.12).
    Incremental,
    /// Each for one piece.
    Whole,
}

/// What a driver is made of.
#[derive(Debug, Clone, Copy)]
struct Parts {
    shape: Shape,
    mode: Mode,
    /// Of both queues.
    queues: (u32, u32),
    faults: Faults,
    seed: u64,
}

impl Parts {
    fn new(shape: (u16, u32), mode: Mode) -> Self {
        let shape = Shape { count: shape.0, size: shape.1 };
        Self { shape, mode, queues: (512, 4096), faults: Faults::default(), seed: 0 }
    }

    fn with(self, fault: Fault, once_in: usize) -> Self {
        Self { faults: self.faults.with(fault, once_in), ..self }
    }

    /// None where the kernel has no io_uring, or not that mode, which is said.
    fn driver(self, test: &str) -> Option<UringDriver> {
        let make = || {
            let mut ring = Ring::with(ring::Ring::of(self.queues.0, self.queues.1)?, self.faults, self.seed);
            ring.whole_buffers = self.mode == Mode::Whole;
            let buffers = Buffers::of(&ring.submitter(), GROUP, self.shape, self.mode == Mode::Incremental)?;
            UringDriver::of(ring, buffers, crate::PollDriver::new()?)
        };
        make().inspect_err(|error| not_run(test, &format!("{:?} buffers: {error}", self.mode))).ok()
    }
}

/// Says so past the test runner, which would keep it to itself.
fn not_run(test: &str, why: &str) {
    let _ = writeln!(io::stderr(), "not run: {test}, {why}");
}

/// A listener that accepts, and where it is.
fn listen(driver: &mut UringDriver) -> (Token, SocketAddr) {
    let addr: SocketAddr = ([127, 0, 0, 1], 0).into();
    let bind = Bind { addr: addr.into(), dual_stack: false, mode: None, backlog: 1024 };
    let bound = driver.host().bind(&bind).unwrap();
    let addr = ip(&bound.addr);
    let token = driver.open(Open::Listen(bound)).unwrap();
    driver.read(token, true);
    (token, addr)
}

fn ip(addr: &Addr) -> SocketAddr {
    SocketAddr::new(addr.ip().unwrap(), addr.port().unwrap())
}

/// Nothing is left of what the driver once had: no place, no bytes on their way, no request but that which watches the
/// driver beside; and the kernel has all buffers.
fn assert_nothing_is_left(driver: &mut UringDriver) {
    assert_eq!(driver.streams.values_mut().count(), 0, "places are left");
    assert!(driver.flights.is_empty(), "flights are left");
    assert_eq!(driver.ring.in_flight(), usize::from(driver.watch.armed), "requests are left");
    assert!(driver.failures.is_empty() && driver.room.is_empty());
    let given = driver.buffers.count() + driver.ring.counts.buffers;
    assert_eq!(driver.buffers.given(), given as u16, "not every buffer was given back once");
    if let Some(inbox) = &driver.inbox {
        let given = inbox.buffers.count() + driver.ring.counts.datagrams;
        assert_eq!(inbox.buffers.given(), given as u16, "not every buffer of a datagram was given back once");
    }
}
