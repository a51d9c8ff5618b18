//! [`Post`]: a datagram protocol that notes everything it hears and does what a case tells it.

use crate::{ground::Ground, log::Log};
use std::{io, net::SocketAddr};
use trenza_core::{Addr, Datagram, DatagramProtocol, Reason, Result, UdpPort};

type Hook = Box<dyn FnMut(&UdpPort) -> Result>;
type GotHook = Box<dyn FnMut(&UdpPort, Datagram<'_>) -> Result>;
type StoppedHook = Box<dyn FnMut(&UdpPort)>;
type FailedHook = Box<dyn FnMut(&UdpPort, Option<&Addr>, &io::Error) -> Result>;

/// Notes what it hears under its name: `got` and the text of a datagram, unless it was told what to do with them.
pub(crate) struct Post {
    name: &'static str,
    log: Log,
    started: Option<Hook>,
    got: Option<GotHook>,
    failed: Option<FailedHook>,
    writable: Option<Hook>,
    stopping: Option<Hook>,
    stopped: Option<StoppedHook>,
}

impl Post {
    pub(crate) fn new(ground: &Ground, name: &'static str) -> Self {
        let log = ground.log().clone();
        Self {
            name,
            log,
            started: None,
            got: None,
            failed: None,
            writable: None,
            stopping: None,
            stopped: None,
        }
    }

    pub(crate) fn started(mut self, hook: impl FnMut(&UdpPort) -> Result + 'static) -> Self {
        self.started = Some(Box::new(hook));
        self
    }

    pub(crate) fn got(mut self, hook: impl FnMut(&UdpPort, Datagram<'_>) -> Result + 'static) -> Self {
        self.got = Some(Box::new(hook));
        self
    }

    pub(crate) fn failed(
        mut self,
        hook: impl FnMut(&UdpPort, Option<&Addr>, &io::Error) -> Result + 'static,
    ) -> Self {
        self.failed = Some(Box::new(hook));
        self
    }

    pub(crate) fn writable(mut self, hook: impl FnMut(&UdpPort) -> Result + 'static) -> Self {
        self.writable = Some(Box::new(hook));
        self
    }

    pub(crate) fn stopping(mut self, hook: impl FnMut(&UdpPort) -> Result + 'static) -> Self {
        self.stopping = Some(Box::new(hook));
        self
    }

    pub(crate) fn stopped(mut self, hook: impl FnMut(&UdpPort) + 'static) -> Self {
        self.stopped = Some(Box::new(hook));
        self
    }

    /// Sends every datagram back.
    pub(crate) fn echo(ground: &Ground, name: &'static str) -> Self {
        Self::new(ground, name).got(|port, datagram| {
            assert!(port.send(datagram.answer(datagram.data)));
            Ok(())
        })
    }

    fn note(&self, what: impl AsRef<str>) {
        self.log.note(self.name, what);
    }
}

impl DatagramProtocol for Post {
    fn started(&mut self, port: &UdpPort) -> Result {
        self.note("started");
        self.started.as_mut().map_or(Ok(()), |hook| hook(port))
    }

    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        match &mut self.got {
            Some(hook) => hook(port, datagram),
            None => {
                self.note(format!("got {}", String::from_utf8_lossy(datagram.data)));
                Ok(())
            }
        }
    }

    fn failed(&mut self, port: &UdpPort, to: Option<&Addr>, error: &io::Error) -> Result {
        self.note(format!("failed {:?}", error.kind()));
        self.failed.as_mut().map_or(Ok(()), |hook| hook(port, to, error))
    }

    fn writable(&mut self, port: &UdpPort) -> Result {
        self.note("writable");
        self.writable.as_mut().map_or(Ok(()), |hook| hook(port))
    }

    fn stopping(&mut self, port: &UdpPort) -> Result {
        self.note("stopping");
        match &mut self.stopping {
            Some(hook) => hook(port),
            None => {
                port.close();
                Ok(())
            }
        }
    }

    fn stopped(&mut self, port: &UdpPort, reason: &Reason) {
        self.note(format!("stopped {reason}"));
        if let Some(hook) = &mut self.stopped {
            hook(port);
        }
    }
}

/// The address of a UDP port that is bound to one.
pub(crate) fn socket_addr(port: &UdpPort) -> SocketAddr {
    match port.addr() {
        Addr::Ip(addr) => addr,
        other => panic!("{other} is no IP address"),
    }
}
