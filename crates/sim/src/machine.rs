//! [`HostHandle`]: one host of a network.

use crate::{
    driver::SimDriver,
    probe::{Probe, ProbeListener},
    world::Shared,
};
use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

/// A host of a [`crate::Net`]: probes need nothing more, a program gets an engine.
#[derive(Debug, Clone)]
pub struct HostHandle(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    world: Shared,
    index: usize,
    name: Rc<str>,
}

impl HostHandle {
    pub(crate) fn new(world: Shared, index: usize) -> Self {
        let name = world.borrow().name(index);
        Self(Rc::new(Inner { world, index, name }))
    }

    pub(crate) fn index(&self) -> usize {
        self.0.index
    }

    /// Its name, which the name table knows.
    pub fn name(&self) -> Rc<str> {
        self.0.name.clone()
    }

    /// Its IPv4 address and its IPv6 address.
    pub fn ips(&self) -> [IpAddr; 2] {
        let world = self.0.world.borrow();
        let machine = world.hosts.get(self.0.index).expect("a handle's host exists");
        [machine.v4.into(), machine.v6.into()]
    }

    /// A driver for a loop of your own, which [`crate::Net`] does not step.
    pub fn driver(&self) -> SimDriver {
        SimDriver::new(self.0.world.clone(), self.0.index)
    }

    /// Sets the receive window, in bytes, of connections to come.
    pub fn window(&self, bytes: usize) {
        if let Some(machine) = self.0.world.borrow_mut().hosts.get_mut(self.0.index) {
            machine.window = bytes;
        }
    }

    /// Lets the next accepts fail with "too many open files".
    pub fn fail_accepts(&self, times: usize) {
        if let Some(machine) = self.0.world.borrow_mut().hosts.get_mut(self.0.index) {
            machine.failing_accepts = times;
        }
    }

    /// A raw peer that connects from here, to `tcp:host:port` or to the first address of its host.
    ///
    /// # Panics
    /// The endpoint cannot be read, or nobody has that name.
    pub fn probe(&self, to: &str) -> Probe {
        let (name, port) = target(to);
        let addrs = self.0.world.borrow().names.resolve(name, port);
        let addr = addrs.ok().and_then(|addrs| addrs.first().copied());
        self.probe_to(addr.unwrap_or_else(|| panic!("no host is called {name}")))
    }

    /// A raw peer that connects from here.
    ///
    /// # Panics
    /// The network has no room for more connections.
    pub fn probe_to(&self, to: SocketAddr) -> Probe {
        Probe::connect(self.0.world.clone(), self.0.index, to)
            .unwrap_or_else(|error| panic!("cannot connect to {to}: {error}"))
    }

    /// A raw peer that listens here, on `tcp:port`, on all addresses.
    ///
    /// # Panics
    /// The endpoint cannot be read, or the port is taken.
    pub fn probe_listen(&self, on: &str) -> ProbeListener {
        let port = on.strip_prefix("tcp:").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("a probe listens on tcp:PORT, not on {on}"));
        ProbeListener::bind(self.0.world.clone(), self.0.index, port)
            .unwrap_or_else(|error| panic!("cannot listen on {on}: {error}"))
    }
}

/// Splits `tcp:host:port`; the host may be an IPv6 address in brackets.
fn target(endpoint: &str) -> (&str, u16) {
    let parts = endpoint.strip_prefix("tcp:").and_then(|rest| rest.rsplit_once(':'));
    let parsed = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) =
        parsed.unwrap_or_else(|| panic!("a probe connects to tcp:HOST:PORT, not to {endpoint}"));
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}
