//! [`SimHost`]: what handles may ask of a simulated machine.

use crate::{jobs::Fate, link::far, world::Shared};
use std::{
    io,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Instant, SystemTime},
};
use trenza_core::{
    Addr, Signal,
    driver::{Bind, BindUdp, Bound, Child, Ends, HandedOver, Host, Job, Resolve, Socket, Spawn},
};

/// A host of a simulated network: virtual time, seeded randomness, simulated sockets and names.
#[derive(Debug)]
pub struct SimHost {
    world: Shared,
    host: usize,
    /// At which start of the machine it was made.
    boot: u32,
}

impl SimHost {
    pub(crate) fn new(world: Shared, host: usize, boot: u32) -> Self {
        Self { world, host, boot }
    }

    /// After a crash the machine that it stood for is not there any more.
    fn check(&self) -> io::Result<()> {
        let lives = self.world.borrow().lives(self.host, self.boot);
        if lives { Ok(()) } else { Err(io::ErrorKind::NetworkDown.into()) }
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
        self.check()?;
        let (id, addr) = self.world.borrow_mut().bind(self.host, how)?;
        Ok(Bound { addr, socket: Socket::Simulated(id) })
    }

    /// The socket stays bound until it is opened and closed again, also when the [`Bound`] is dropped.
    fn bind_udp(&self, how: &BindUdp) -> io::Result<Bound> {
        self.check()?;
        let (id, addr) = self.world.borrow_mut().bind_udp(self.host, how)?;
        Ok(Bound { addr, socket: Socket::Simulated(id) })
    }

    /// There are no descriptors here.
    fn adopt(&self, _socket: OwnedFd) -> io::Result<Bound> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Those of [`HostHandle::hand_over`](crate::HostHandle::hand_over).
    fn handed_over(&self, which: HandedOver<'_>) -> io::Result<Bound> {
        self.check()?;
        let mut world = self.world.borrow_mut();
        let (id, addr) = world.hosts.get_mut(self.host).ok_or(io::ErrorKind::NotFound)?.take_handed(which)?;
        Ok(Bound { addr, socket: Socket::Simulated(id) })
    }

    fn addresses(&self, socket: &Socket) -> Option<(Addr, Addr)> {
        let Socket::Simulated(end) = socket else { return None };
        let world = self.world.borrow();
        Some((world.sides.get(&far(*end))?.addr.clone(), world.sides.get(end)?.addr.clone()))
    }

    fn stdio(&self) -> io::Result<Ends> {
        self.check()?;
        self.world.borrow_mut().take_stdio(self.host)
    }

    /// The job runs on the loop's thread, at a later step that the seed chooses.
    fn run(&self, job: Job) -> io::Result<()> {
        self.check()?;
        let (rules, name) = {
            let world = self.world.borrow();
            (world.job_rules.clone(), world.name(self.host))
        };
        let fate = rules.judge(Fate::Run, |rule| rule(&name));
        let added = self.world.borrow_mut().add_job(self.host, fate, job);
        // What was not taken may be the user's, and is dropped when nothing is borrowed.
        added.map_err(|(error, _job)| error)
    }

    fn spawn(&self, how: Spawn) -> io::Result<Child> {
        self.check()?;
        self.world.borrow_mut().spawn(self.host, self.boot, how)
    }

    fn signal(&self, pid: u32, signal: Signal, group: bool) -> io::Result<()> {
        self.check()?;
        let _ = group; // of processes there is nothing but their own
        self.world.borrow_mut().signal(self.host, self.boot, pid, signal)
    }

    fn resolver(&self) -> Resolve {
        let names = self.world.borrow().names.clone();
        Arc::new(move |name, port| names.resolve(name, port))
    }
}
