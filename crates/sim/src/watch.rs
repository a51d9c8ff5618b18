//! Watched descriptors of the simulator: a test says when they are ready.

use crate::{
    stream::Told,
    world::{Shared, World},
};
use std::{fmt, io};
use trenza_core::driver::{Interest, Ready, Socket};

/// A descriptor of a host that somebody may watch.
#[derive(Debug)]
pub(crate) struct Place {
    host: usize,
    /// The driver's slot that watches it.
    slot: Option<u32>,
    ready: Ready,
}

/// A watch of a driver.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) id: u64,
    pub(crate) interest: Interest,
    pub(crate) armed: bool,
}

impl Watch {
    /// What it would be told now.
    pub(crate) fn ready(&self, world: &World) -> Option<Ready> {
        let ready = world.watchables.get(&self.id).filter(|_| self.armed)?.ready;
        let (read, write) = (ready.read && self.interest.read, ready.write && self.interest.write);
        (read || write).then_some(Ready { read, write })
    }

    /// What is told is over: nobody here can see that a program has read or written.
    pub(crate) fn tell(&mut self, world: &mut World) -> Option<Told> {
        let ready = self.ready(world)?;
        self.armed = false;
        if let Some(place) = world.watchables.get_mut(&self.id) {
            place.ready.read &= !ready.read;
            place.ready.write &= !ready.write;
        }
        Some(Told::Ready(ready))
    }

    pub(crate) fn end(&self, world: &mut World) {
        if let Some(place) = world.watchables.get_mut(&self.id) {
            place.slot = None;
        }
    }
}

impl World {
    /// A slot watches a descriptor.
    ///
    /// # Errors
    /// It is none of this host's, or is being watched already.
    pub(crate) fn watch(&mut self, id: u64, host: usize, slot: u32) -> io::Result<()> {
        let place = self.watchables.get_mut(&id).filter(|place| place.host == host);
        let place = place.ok_or(io::ErrorKind::InvalidInput)?;
        if place.slot.is_some() {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        place.slot = Some(slot);
        Ok(())
    }
}

/// A simulated descriptor that a program watches ([`trenza_core::Reactor::watch_socket`]) and a test makes ready. It is
/// watched by one at a time, and forgotten when this is dropped.
pub struct Watchable {
    world: Shared,
    id: u64,
}

impl Watchable {
    pub(crate) fn new(world: Shared, host: usize) -> Self {
        let id = world.borrow_mut().id();
        let ready = Ready { read: false, write: false };
        world.borrow_mut().watchables.insert(id, Place { host, slot: None, ready });
        Self { world, id }
    }

    /// What the program watches.
    pub fn socket(&self) -> Socket {
        Socket::Simulated(self.id)
    }

    /// Says what it is ready for. Each is told once: what real programs do then, reading and writing, does not happen
    /// here, so a test says it again.
    pub fn set_ready(&self, read: bool, write: bool) {
        let world = &mut *self.world.borrow_mut();
        let Some(place) = world.watchables.get_mut(&self.id) else { return };
        place.ready = Ready { read, write };
        if let Some((host, slot)) = place.slot.map(|slot| (place.host, slot)) {
            world.touch(host, slot);
        }
    }
}

impl Drop for Watchable {
    fn drop(&mut self) {
        if let Ok(mut world) = self.world.try_borrow_mut() {
            world.watchables.remove(&self.id);
        }
    }
}

impl fmt::Debug for Watchable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watchable({})", self.id)
    }
}
