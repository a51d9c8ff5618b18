//! Listeners: bound addresses and the connections that wait to be accepted.

use crate::{
    link::{Body, End, Owner},
    world::World,
};
use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
};
use trenza_core::{Addr, driver::Bind};

/// The longest backlog of a listener, whatever a program asks for.
pub const BACKLOG_MAX: usize = 4096;

/// Who accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acceptor {
    /// Nobody so far: it is bound, and connections queue up.
    Nobody,
    /// A slot of its host's driver.
    Slot(u32),
    /// A script.
    Probe,
}

/// A bound address.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) host: usize,
    pub(crate) addr: Addr,
    pub(crate) acceptor: Acceptor,
    /// Handshakes that are done, waiting for an accept.
    pub(crate) backlog: VecDeque<End>,
    /// Requests that wait for room in the backlog.
    waiting: VecDeque<End>,
    backlog_max: usize,
    dual_stack: bool,
}

impl Listener {
    fn covers(&self, asked: &Addr) -> bool {
        let (Addr::Ip(own), Addr::Ip(asked)) = (&self.addr, asked) else { return self.addr == *asked };
        let any = own.ip().is_unspecified() && (own.is_ipv4() == asked.is_ipv4() || self.dual_stack);
        own.port() == asked.port() && (any || own.ip() == asked.ip())
    }

    fn overlaps(&self, addr: &Addr, dual_stack: bool) -> bool {
        let (Addr::Ip(one), Addr::Ip(other)) = (&self.addr, addr) else { return self.addr == *addr };
        let wild = |ip: IpAddr, dual: bool, other: IpAddr| {
            ip.is_unspecified() && (dual || ip.is_ipv4() == other.is_ipv4())
        };
        let (ip, other_ip) = (one.ip(), other.ip());
        one.port() == other.port()
            && (ip == other_ip || wild(ip, self.dual_stack, other_ip) || wild(other_ip, dual_stack, ip))
    }
}

impl World {
    /// Binds a listener and gives its number. Connections are taken into its backlog at once.
    ///
    /// # Errors
    /// `AddrInUse`, or `AddrNotAvailable` for an address of another host.
    pub(crate) fn bind(&mut self, host: usize, how: &Bind) -> io::Result<(u64, Addr)> {
        let (addr, dual_stack) = match how.addr {
            Addr::Ip(addr) => (self.own_addr(host, addr)?.into(), how.dual_stack && addr.is_ipv6()),
            Addr::Unix(_) => (how.addr.clone(), false),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let is_path = addr.unix().is_some_and(|unix| unix.as_path().is_some());
        if self.listeners.values().any(|other| other.host == host && other.overlaps(&addr, dual_stack))
            || is_path && self.mailboxes.values().any(|other| other.host == host && other.addr == addr)
        {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let id = self.id();
        let backlog_max = usize::try_from(how.backlog).unwrap_or(0).clamp(1, BACKLOG_MAX);
        let (backlog, waiting) = (VecDeque::new(), VecDeque::new());
        let acceptor = Acceptor::Nobody;
        let bound = addr.clone();
        self.listeners
            .insert(id, Listener { host, addr, acceptor, backlog, waiting, backlog_max, dual_stack });
        Ok((id, bound))
    }

    fn own_addr(&mut self, host: usize, addr: SocketAddr) -> io::Result<SocketAddr> {
        if self.host_of(addr.ip(), host) != Some(host) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let port = match addr.port() {
            0 => self.free_port(host).ok_or(io::ErrorKind::AddrInUse)?,
            port => port,
        };
        Ok(SocketAddr::new(addr.ip(), port))
    }

    /// Does anybody listen there?
    pub(crate) fn listens(&self, host: usize, addr: &Addr) -> bool {
        self.listeners.values().any(|listener| listener.host == host && listener.covers(addr))
    }

    /// A request for a connection has arrived at `end`.
    pub(crate) fn knock(&mut self, end: End) {
        let Some(side) = self.sides.get_mut(&end) else { return };
        let host = side.host;
        let found =
            self.listeners.values_mut().find(|listener| listener.host == host && listener.covers(&side.addr));
        match found {
            None => self.transmit(end, Body::Reset(io::ErrorKind::ConnectionRefused)),
            // A request that finds no room is not answered; the client's system asks again until it does.
            Some(listener) if listener.backlog.len() >= listener.backlog_max => {
                if listener.waiting.len() < BACKLOG_MAX {
                    side.owner = Owner::Backlog;
                    listener.waiting.push_back(end);
                }
            }
            Some(listener) => {
                listener.backlog.push_back(end);
                let acceptor = listener.acceptor;
                self.establish(end);
                if let Acceptor::Slot(index) = acceptor {
                    self.touch(host, index);
                }
            }
        }
    }

    fn establish(&mut self, end: End) {
        if let Some(side) = self.sides.get_mut(&end) {
            side.owner = Owner::Backlog;
            side.open = true;
            self.transmit(end, Body::SynAck);
        }
    }

    pub(crate) fn has_backlog(&self, listener: u64) -> bool {
        self.listeners.get(&listener).is_some_and(|listener| !listener.backlog.is_empty())
    }

    /// Should the next accept of a host fail?
    pub(crate) fn accept_fails(&mut self, host: usize) -> bool {
        match self.hosts.get_mut(host) {
            Some(machine) if machine.failing_accepts > 0 => machine.failing_accepts -= 1,
            _ => return self.dice.chance(self.hostility.accept_fails),
        }
        true
    }

    /// Takes a connection from the backlog of a listener.
    pub(crate) fn accept(&mut self, listener: u64) -> Option<End> {
        let listener = self.listeners.get_mut(&listener)?;
        let end = listener.backlog.pop_front()?;
        if let Some(next) = listener.waiting.pop_front() {
            listener.backlog.push_back(next);
            self.establish(next);
        }
        Some(end)
    }

    /// Stops listening; connections that nobody accepted are reset.
    pub(crate) fn unbind(&mut self, listener: u64) {
        if let Some(listener) = self.listeners.remove(&listener) {
            for end in listener.backlog.into_iter().chain(listener.waiting) {
                self.reset(end);
            }
        }
    }
}
