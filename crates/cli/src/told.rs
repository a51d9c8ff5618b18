//! [`Told`]: a service that says when it is stopping.

use crate::lines::Lines;
use trenza::{Factory, Protocol, Reactor, Transport};

/// A service that says when it is stopping, so that nobody wonders why it is still there.
pub(crate) struct Told<F> {
    service: F,
    /// Where the first of several ports says it, and what. The loop must not wait there, or nothing could stop it.
    lines: Option<(Reactor, Lines, &'static str)>,
}

impl<F: Factory> Told<F> {
    /// `lines` is where the first of several ports says `what`.
    pub(crate) fn new(service: F, lines: Option<(Reactor, Lines, &'static str)>) -> Self {
        Self { service, lines }
    }
}

impl<F: Factory> Factory for Told<F> {
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        self.service.build(transport)
    }

    fn stopped(&mut self) {
        if let Some((reactor, lines, what)) = &self.lines {
            lines.push(reactor, what);
        }
        self.service.stopped();
    }
}
