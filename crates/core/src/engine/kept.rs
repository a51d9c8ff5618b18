//! [`Kept`]: the services that the loop stops before it stops itself.

use crate::{
    Reactor, Service,
    engine::{command::Command, turn::Turn},
    service::group::stop_all,
    shared::Stop,
    task::Task,
};
use std::time::{Duration, Instant};

/// Services that were started, in their order.
#[derive(Default)]
pub(crate) struct Kept {
    services: Vec<Box<dyn Service>>,
    /// Until when everything must have stopped, once services are being stopped.
    late: Option<Instant>,
}

impl Kept {
    pub(crate) fn keep(&mut self, service: Box<dyn Service>) {
        self.services.push(service);
    }

    pub(crate) fn take(&mut self) -> Vec<Box<dyn Service>> {
        std::mem::take(&mut self.services)
    }

    /// How long protocols still have when services have stopped.
    pub(crate) fn grace_left(&self, reactor: &Reactor) -> Duration {
        match self.late {
            Some(late) => late.saturating_duration_since(reactor.now()),
            None => reactor.0.grace.get(),
        }
    }
}

/// Has the loop go on with its end, also when what stops services has panicked.
struct Ready(Reactor);

impl Drop for Ready {
    fn drop(&mut self) {
        if self.0.0.stop.get() == Stop::Services {
            self.0.0.stop.set(Stop::Ready);
        }
    }
}

impl Turn {
    /// Begins to stop the services that are kept; false when there are none.
    pub(crate) fn stop_services(&mut self) -> bool {
        let mut services = self.services.take();
        services.extend(self.reactor.0.take_kept());
        if services.is_empty() {
            return false;
        }
        let reactor = self.reactor.clone();
        reactor.0.stop.set(Stop::Services);
        let grace = reactor.0.grace.get();
        self.services.late = Some(reactor.0.after(grace));
        let (ready, shared) = (Ready(reactor.clone()), reactor.0.clone());
        let task = async move {
            let numbered = (1..).zip(services).map(|(n, service)| (format!("service {n}"), service));
            if let Err(error) = stop_all(&reactor, numbered.collect(), grace, None).await {
                tracing::warn!(%error, "the loop stops all the same");
            }
            drop(ready);
        };
        shared.command(Command::Spawn(Task::new(&shared, task)));
        true
    }
}
