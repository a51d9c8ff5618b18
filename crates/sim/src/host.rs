//! [`SimHost`]: what handles may ask of a simulated machine.

use crate::world::{JOBS_MAX, Shared};
use std::{
    io,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Instant, SystemTime},
};
use trenza_core::driver::{Bind, Bound, Host, Job, PoolFull, Resolve, Socket};

/// A host of a simulated network: virtual time, seeded randomness, simulated sockets and names.
#[derive(Debug)]
pub struct SimHost {
    world: Shared,
    host: usize,
}

impl SimHost {
    pub(crate) fn new(world: Shared, host: usize) -> Self {
        Self { world, host }
    }
}

impl Host for SimHost {
    fn now(&self) -> Instant {
        self.world.borrow().now()
    }

    fn wall(&self) -> SystemTime {
        self.world.borrow().wall()
    }

    fn random(&self, into: &mut [u8]) {
        if let Some(machine) = self.world.borrow_mut().hosts.get_mut(self.host) {
            machine.random.fill(into);
        }
    }

    /// The listener stays bound until it is opened and closed again, also when the [`Bound`] is dropped.
    fn bind(&self, how: &Bind) -> io::Result<Bound> {
        let (id, addr) = self.world.borrow_mut().bind(self.host, how)?;
        Ok(Bound { addr: addr.into(), socket: Socket::Simulated(id) })
    }

    /// There are no descriptors here.
    fn adopt(&self, _socket: OwnedFd) -> io::Result<Bound> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The job runs on the loop's thread, at a later step that the seed chooses.
    fn run(&self, job: Job) -> io::Result<()> {
        let refused = self.world.borrow_mut().add_job(self.host, job);
        refused.map_err(|_| PoolFull { waiting: JOBS_MAX }.into())
    }

    fn resolver(&self) -> Resolve {
        let names = self.world.borrow().names.clone();
        Arc::new(move |name, port| names.resolve(name, port))
    }
}
