//! [`Relay`]: datagrams of a client and of its targets (RFC 1928 section 7).
//!
//! ```text
//!   client ──▶ near port ── header off, rules, names ──▶ far port ──▶ targets
//!          ◀── near port ◀───────── header on ────────── far port ◀── who was sent something
//! ```
//!
//! The near port is at the address that the client's connection came to and takes datagrams from the client's address
//! only, and after the first one from its port only. The far port takes them only from machines that the client has sent
//! something to. Whatever does not fit is dropped, as datagrams are.

use crate::{
    Host, Rules, Target,
    account::Account,
    socks::{Request, udp},
};
use std::{
    cell::{Cell, RefCell},
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};
use trenza_core::{
    Addr, Datagram, DatagramProtocol, Input, Map, Protocol, Reactor, Reason, Result, Timeout, Transport,
    UdpPort,
};

/// How many machines one client may hear from at the same time. With one more, the others may answer again when they
/// were sent something again.
pub const RELAY_PEERS_MAX: usize = 1024;
/// How many names of one client are remembered; then they are looked up again.
pub const RELAY_NAMES_MAX: usize = 256;

/// What both ports and the client's connection share.
struct Shared {
    rules: Rules,
    client: IpAddr,
    /// The client's port, once it is known.
    port: Cell<Option<u16>>,
    peers: RefCell<Map<IpAddr, ()>>,
    active: Cell<Instant>,
    account: Rc<Account>,
}

impl Shared {
    /// May the client send to this machine? It may be answered then.
    fn enter(&self, target: &Target, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let may = self.rules.allow_address(Some(self.client), target, ip);
        let mut peers = self.peers.borrow_mut();
        if may && !peers.contains_key(&ip) {
            if peers.len() >= RELAY_PEERS_MAX {
                // Who is still in use is sent something again.
                peers.clear();
            }
            peers.insert(ip, ());
        }
        may
    }
}

/// The protocol of a client's connection while its datagrams are passed on: they are for as long as it is there.
pub(crate) struct Relay {
    shared: Rc<Shared>,
    near: UdpPort,
    far: UdpPort,
    idle: Duration,
}

impl Relay {
    /// Opens the ports. The client sends to the address that it gives.
    pub(crate) fn open(
        client: &Transport,
        request: &Request,
        rules: Rules,
        account: Rc<Account>,
        idle: Duration,
    ) -> Result<(Self, SocketAddr)> {
        let reactor: &Reactor = client.reactor();
        let peer = client.peer();
        let (Some(local), Some(remote)) = (peer.local.ip(), peer.remote.ip()) else {
            return Err("a client without an IP address cannot send datagrams".into());
        };
        let shared = Rc::new(Shared {
            rules,
            client: remote,
            port: Cell::new(Some(request.target.port).filter(|port| *port != 0)),
            peers: RefCell::default(),
            active: Cell::new(reactor.now()),
            account,
        });
        let far = reactor.udp("udp:0", Far { shared: shared.clone(), near: None })?;
        let near = Near { shared: shared.clone(), far: far.clone(), names: Map::default() };
        let near = reactor.udp(&format!("udp:0:interface=[{local}]"), near).inspect_err(|_| far.close())?;
        let told = near.clone();
        far.handle::<Far>().call(move |far, _| {
            far.near = Some(told);
            Ok(())
        });
        let bound = near.addr().port().map(|port| SocketAddr::new(local, port));
        let relay = Self { shared, near, far, idle };
        Ok((relay, bound.ok_or("a port without an address")?))
    }
}

impl Protocol for Relay {
    fn connection_made(&mut self, client: &Transport) -> Result {
        client.set_timeout(Some(self.idle));
        Ok(())
    }

    /// Nothing is to come, and nothing of it is kept.
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }

    fn timed_out(&mut self, client: &Transport, _: Timeout) -> Result {
        let silent = client.reactor().now().saturating_duration_since(self.shared.active.get());
        match self.idle.checked_sub(silent).filter(|left| !left.is_zero()) {
            Some(left) => client.set_timeout(Some(left)),
            None => {
                self.shared.account.fail("no datagram for too long");
                client.close();
            }
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        if !reason.is_clean() {
            self.shared.account.fail(format!("the client: {reason}"));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.near.close();
        self.far.close();
    }
}

/// What is known of a name.
enum Known {
    /// It is being looked up, and this datagram waits for it; others are dropped.
    Asked(Target, Vec<u8>),
    Found(IpAddr),
}

/// The port that the client sends to.
struct Near {
    shared: Rc<Shared>,
    far: UdpPort,
    names: Map<Box<str>, Known>,
}

impl Near {
    /// Is it the client's? The first one tells its port.
    fn is_from_client(&self, from: &Addr) -> bool {
        let (Some(ip), Some(port)) = (from.ip(), from.port()) else { return false };
        let known = self.shared.port.get();
        let fits = ip == self.shared.client.to_canonical() && known.is_none_or(|known| known == port);
        if fits {
            self.shared.port.set(Some(port));
        }
        fits
    }

    fn send(&self, target: &Target, ip: IpAddr, data: &[u8]) {
        if self.shared.enter(target, ip) && self.far.send_to(&SocketAddr::new(ip, target.port).into(), data) {
            let sent = &self.shared.account.sent;
            sent.set(sent.get().saturating_add(data.len() as u64));
        }
    }

    /// Sends to a name: at once, or when it was looked up.
    fn send_to_name(&mut self, port: &UdpPort, name: &str, target: &Target, data: &[u8]) {
        match self.names.get(name) {
            Some(Known::Found(ip)) => return self.send(target, *ip, data),
            Some(Known::Asked(..)) => return,
            None => {}
        }
        if self.names.len() >= RELAY_NAMES_MAX {
            self.names.retain(|_, known| matches!(known, Known::Asked(..)));
        }
        if self.names.len() >= RELAY_NAMES_MAX || !self.shared.rules.allow_lookup(target) {
            return;
        }
        self.names.insert(name.into(), Known::Asked(target.clone(), data.to_vec()));
        let asked: Box<str> = name.into();
        port.reactor().lookup(name, target.port).then_in(port.handle::<Self>(), move |near, _, found| {
            near.found(asked, found.unwrap_or_default());
            Ok(())
        });
    }

    /// Of several addresses the first one that the client may send to is taken.
    fn found(&mut self, name: Box<str>, found: Vec<SocketAddr>) {
        let Some(Known::Asked(target, data)) = self.names.remove(&name) else { return };
        if let Some(ip) = found.into_iter().map(|to| to.ip()).find(|ip| self.shared.enter(&target, *ip)) {
            self.names.insert(name, Known::Found(ip));
            self.send(&target, ip, &data);
        }
    }
}

impl DatagramProtocol for Near {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        if !self.is_from_client(datagram.from) {
            return Ok(());
        }
        let Ok((target, data)) = udp::read(datagram.data) else { return Ok(()) };
        self.shared.active.set(port.reactor().now());
        match &target.host {
            Host::Ip(ip) => self.send(&target, *ip, data),
            Host::Name(name) => self.send_to_name(port, name, &target, data),
        }
        Ok(())
    }
}

/// The port that targets hear from.
struct Far {
    shared: Rc<Shared>,
    near: Option<UdpPort>,
}

impl DatagramProtocol for Far {
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        let (Some(near), Some(ip), Some(from)) = (&self.near, datagram.from.ip(), datagram.from.port())
        else {
            return Ok(());
        };
        let Some(client) = self.shared.port.get().filter(|_| self.shared.peers.borrow().contains_key(&ip))
        else {
            return Ok(());
        };
        self.shared.active.set(port.reactor().now());
        let mut out = Vec::with_capacity(udp::HEADER_MAX + datagram.data.len());
        udp::write(&SocketAddr::new(ip, from).into(), &mut out);
        out.extend_from_slice(datagram.data);
        if near.send_to(&SocketAddr::new(self.shared.client, client).into(), &out) {
            let received = &self.shared.account.received;
            received.set(received.get().saturating_add(datagram.data.len() as u64));
        }
        Ok(())
    }
}
