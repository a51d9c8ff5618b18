//! [`World`]: the real system or the simulator, for one test.

use super::{Failure, SETTLING, panics};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use trenza_core::{Engine, Left, Leftover, Reactor, driver::Host};
use trenza_sim::{HostHandle, Net};
use trenza_sys::DriverKind;

/// Where a test runs.
pub(super) trait World {
    fn reactor(&self) -> Reactor;
    /// Runs until `done` says so of what is left, something has panicked, the loop was stopped, or the time is over.
    fn run(&mut self, done: &dyn Fn(Left) -> bool) -> Result<(), Failure>;
    /// Lets end what is about to end by itself.
    fn settle(&mut self) -> Result<(), Failure>;
    /// The loop was stopped and is over.
    fn is_stopped(&self) -> bool;
    /// How much is left; nothing when the loop is over.
    fn left(&self) -> Left;
    fn leftovers(&self) -> Vec<Leftover>;
}

/// The real driver.
pub(super) struct System {
    engine: Engine,
    host: Rc<dyn Host>,
    late: Option<Instant>,
    stopped: bool,
}

impl System {
    pub(super) fn new(time: Duration) -> Result<Self, Failure> {
        let driver = DriverKind::from_env()
            .and_then(DriverKind::driver)
            .map_err(|error| Failure(format!("there is no driver: {error}")))?;
        let host = driver.host();
        let late = host.now().checked_add(time);
        Ok(Self { engine: Engine::new(driver), host, late, stopped: false })
    }

    fn turns(&mut self, late: Option<Instant>, done: &dyn Fn(&Self) -> bool) -> Result<(), Failure> {
        while !self.stopped {
            self.stopped = !self.engine.dispatch();
            if done(self) || panics::any() || late.is_some_and(|late| late <= self.host.now()) {
                return Ok(());
            }
            let until = self.engine.until().into_iter().chain(late).min();
            let waited = self.engine.driver().wait(until);
            waited.map_err(|error| Failure(format!("the driver is broken: {error}")))?;
        }
        Ok(())
    }
}

impl World for System {
    fn reactor(&self) -> Reactor {
        self.engine.reactor()
    }

    fn run(&mut self, done: &dyn Fn(Left) -> bool) -> Result<(), Failure> {
        self.turns(self.late, &|system| done(system.engine.left()))
    }

    /// Connections and other threads may still end something. What waits for time alone is left behind.
    fn settle(&mut self) -> Result<(), Failure> {
        let late = self.host.now().checked_add(SETTLING);
        self.turns(late, &|system| {
            let left = system.engine.left();
            let idle = system.engine.until().is_none_or(|until| until > system.host.now());
            idle && left.connections == 0 && left.processes == 0 && left.answers == 0
        })
    }

    fn is_stopped(&self) -> bool {
        self.stopped
    }

    fn left(&self) -> Left {
        if self.stopped { Left::default() } else { self.engine.left() }
    }

    fn leftovers(&self) -> Vec<Leftover> {
        self.engine.leftovers()
    }
}

/// A simulated network with one host.
pub(super) struct Simulated {
    net: Net,
    host: HostHandle,
    late: Duration,
}

impl Simulated {
    pub(super) fn new(seed: u64, time: Duration) -> Self {
        let net = Net::new(seed);
        // They are counted here, with what they say.
        net.allow_panics();
        let host = net.host("here");
        let late = net.elapsed().saturating_add(time);
        // Time passes to the next timer: without this one a test that waits for nothing would have no end.
        net.host("clock").run(|reactor| reactor.call_later(time, || ()).detach());
        Self { net, host, late }
    }
}

impl World for Simulated {
    fn reactor(&self) -> Reactor {
        self.host.reactor()
    }

    fn run(&mut self, done: &dyn Fn(Left) -> bool) -> Result<(), Failure> {
        let over = || self.is_stopped() || panics::any() || self.net.elapsed() >= self.late;
        self.net.run_until(|| done(self.host.left()) || over());
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Failure> {
        self.net.run();
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        !self.host.is_running()
    }

    fn left(&self) -> Left {
        self.host.left()
    }

    fn leftovers(&self) -> Vec<Leftover> {
        self.host.leftovers()
    }
}
