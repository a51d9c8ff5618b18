//! [`Within`]: DNS that answers in time, or is said to have failed.

use super::{Answer, Names, NoAnswer};
use std::{net::IpAddr, time::Instant};
use trenza_core::{Reactor, timeout};

/// Names until a time; later questions fail at once.
pub(super) struct Within<'a> {
    names: &'a dyn Names,
    reactor: &'a Reactor,
    until: Instant,
}

impl<'a> Within<'a> {
    pub(super) fn new(names: &'a dyn Names, reactor: &'a Reactor, until: Instant) -> Self {
        Self { names, reactor, until }
    }

    fn wait<'b, T: 'b>(&'b self, answer: Answer<'b, T>) -> Answer<'b, T> {
        Box::pin(async move {
            let left = self.until.saturating_duration_since(self.reactor.now());
            let late = |_| Err(NoAnswer::Failed("the time for checks is over".into()));
            timeout(left, async { Ok(answer.await) }).await.unwrap_or_else(late)
        })
    }
}

impl Names for Within<'_> {
    fn txt<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u8>> {
        self.wait(self.names.txt(name))
    }

    fn ips<'a>(&'a self, name: &'a str, like: IpAddr) -> Answer<'a, IpAddr> {
        self.wait(self.names.ips(name, like))
    }

    fn mx<'a>(&'a self, name: &'a str) -> Answer<'a, String> {
        self.wait(self.names.mx(name))
    }

    fn ptr(&self, ip: IpAddr) -> Answer<'_, String> {
        self.wait(self.names.ptr(ip))
    }
}
