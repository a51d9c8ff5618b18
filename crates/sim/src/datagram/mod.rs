//! Datagrams: UDP and UNIX sockets of hosts, and how what they send gets lost, doubled and out of order.
//!
//! ```text
//!   send ──▶ rule ──▶ line, loss, doubles ──▶ flight ──▶ partition ──▶ inbox of each socket that it is for
//!    ▲                                                       nobody ──┐
//!    └─────────────────── refused ◀──────────────────────────────────┘
//! ```
//!
//! Within a host a datagram is there at once, and nothing happens to it. UNIX sockets never leave it, and rules do not
//! see what moves over them ([`local`]).

mod local;
mod probe;
mod slot;
mod socket;

pub use local::UNIX_DATAGRAM_MAX;
pub use probe::{DatagramProbe, Received};
pub(crate) use slot::Slot;
pub(crate) use socket::{Arrived, Mailbox};

use crate::{
    canary::broken,
    rule::{Kind, Packet, Verdict},
    world::{Due, World},
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use trenza_core::Addr;

/// The most datagrams that are on their way; what is over gets lost.
pub const FLIGHTS_MAX: usize = 1 << 16;
/// The most bytes of a datagram, without headers.
pub const DATAGRAM_MAX: usize = 65_507;
/// How much longer than others a datagram may travel that is overtaken.
const DETOUR: Duration = Duration::from_millis(20);

/// The system's numbers for what has no kind of its own.
const EMSGSIZE: i32 = 90;
const EAFNOSUPPORT: i32 = 97;

/// A datagram on its way to a host.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    /// The socket that has sent it, to be told if it is refused.
    sender: u64,
    hosts: (usize, usize),
    source: SocketAddr,
    destination: SocketAddr,
    data: Vec<u8>,
    ecn: Option<u8>,
    /// It left by the loopback interface.
    loopback: bool,
}

/// What a socket is given to send, one datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Letter<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) to: SocketAddr,
    pub(crate) from: Option<IpAddr>,
    pub(crate) ecn: Option<u8>,
}

/// To all hosts, or on the loopback interface to all of this one.
fn is_broadcast(ip: IpAddr) -> bool {
    ip == Ipv4Addr::BROADCAST || ip == Ipv4Addr::new(127, 255, 255, 255)
}

impl World {
    /// Sends a datagram from a socket.
    ///
    /// # Errors
    /// This host's system refuses it.
    pub(crate) fn post(&mut self, sender: u64, letter: Letter<'_>) -> io::Result<()> {
        let Letter { data, to, from, ecn } = letter;
        let mailbox = self.mailboxes.get(&sender).ok_or(io::ErrorKind::NotConnected)?;
        let host = mailbox.host;
        let bound = mailbox.addr.socket().ok_or(io::ErrorKind::InvalidInput)?;
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        if to.is_ipv6() && bound.is_ipv4() || to.is_ipv4() && bound.is_ipv6() && !mailbox.dual_stack {
            return Err(io::Error::from_raw_os_error(EAFNOSUPPORT));
        }
        if data.len() > DATAGRAM_MAX || to.port() == 0 {
            let invalid = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(if to.port() == 0 { invalid } else { io::Error::from_raw_os_error(EMSGSIZE) });
        }
        let (receivers, loopback) = self.reach(sender, to.ip())?;
        let source = SocketAddr::new(self.sent_from(host, bound, to.ip(), from, loopback)?, bound.port());
        let flight = |to_host| Flight {
            sender,
            hosts: (host, to_host),
            source,
            destination: to,
            data: data.to_vec(),
            ecn: Some(ecn.unwrap_or(0) & 3),
            loopback,
        };
        let Some(receivers) = receivers else {
            // Where nobody is, a router says so, or nobody does.
            if self.hostility.shuffle == 0.0 || self.dice.chance(0.5) {
                let at = self.elapsed() + self.latency;
                self.schedule(at, Due::Refusal(sender, to, io::ErrorKind::HostUnreachable));
            }
            return Ok(());
        };
        if self.mtu.is_some_and(|mtu| data.len() > mtu) && receivers.iter().any(|other| *other != host) {
            return Err(io::Error::from_raw_os_error(EMSGSIZE));
        }
        receivers.into_iter().for_each(|other| self.carry(flight(other)));
        Ok(())
    }

    /// The hosts that an address means, if there is any, and whether the way there is the loopback interface.
    fn reach(&self, sender: u64, to: IpAddr) -> io::Result<(Option<Vec<usize>>, bool)> {
        let mailbox = self.mailboxes.get(&sender).ok_or(io::ErrorKind::NotConnected)?;
        let (host, all) = (mailbox.host, 0..self.hosts.len());
        if to.is_multicast() {
            let leaves = mailbox.multicast_ttl > 0 && !mailbox.multicast_local;
            let is_member = |other: &usize| if *other == host { mailbox.multicast_loop } else { leaves };
            return Ok((Some(all.filter(is_member).collect()), mailbox.multicast_local));
        }
        if !is_broadcast(to) {
            return Ok((self.host_of(to, host).map(|one| vec![one]), to.is_loopback()));
        }
        if !mailbox.broadcast {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let everybody = if to.is_loopback() { vec![host] } else { all.collect() };
        Ok((Some(everybody), to.is_loopback()))
    }

    /// The address that a datagram comes from.
    fn sent_from(
        &self,
        host: usize,
        bound: SocketAddr,
        to: IpAddr,
        from: Option<IpAddr>,
        loopback: bool,
    ) -> io::Result<IpAddr> {
        let machine = self.hosts.get(host).ok_or(io::ErrorKind::NotFound)?;
        let bound = Some(bound.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
        if let Some(ip) = from.map(|ip| ip.to_canonical()).or(bound) {
            let own = self.host_of(ip, host) == Some(host) && ip.is_ipv4() == to.is_ipv4();
            return if own { Ok(ip) } else { Err(io::ErrorKind::InvalidInput.into()) };
        }
        Ok(match to {
            IpAddr::V4(_) if loopback => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V4(_) => machine.v4.into(),
            IpAddr::V6(_) if to.is_loopback() => to,
            IpAddr::V6(_) => machine.v6.into(),
        })
    }

    /// Brings a datagram on its way to one host: rules and chance decide what becomes of it.
    fn carry(&mut self, flight: Flight) {
        let (from, to) = flight.hosts;
        let (one, other) = (self.name(from), self.name(to));
        let (source, destination, kind) =
            (flight.source, flight.destination, Kind::Datagram(flight.data.len()));
        let ends = [source, destination].map(Addr::from);
        let [source_addr, destination_addr] = &ends;
        let packet =
            Packet { from: &one, to: &other, source: source_addr, destination: destination_addr, kind };
        let verdict = self.rules.judge(Verdict::Pass, |judge| judge(&packet));
        match verdict {
            Verdict::Pass => self.note(format_args!("{one} {source} > {other} {destination} {kind:?}")),
            _ => self.note(format_args!("{one} {source} > {other} {destination} {kind:?} {verdict:?}")),
        }
        if from == to && verdict == Verdict::Pass {
            return self.land(flight);
        }
        let travel = self.latency_between(from, to) + self.queueing(from, to, flight.data.len());
        let travel = match verdict {
            Verdict::Delay(more) => travel + more,
            Verdict::Drop => return,
            Verdict::Reset => return self.refuse(&flight, travel),
            Verdict::Pass => travel,
        };
        if self.dice.chance(self.hostility.loss) {
            return self.note(format_args!("{one} {source} > {other} {destination} is lost"));
        }
        if self.dice.chance(self.hostility.duplicate) {
            self.launch(flight.clone(), travel);
        }
        self.launch(flight, travel);
    }

    fn launch(&mut self, flight: Flight, travel: Duration) {
        if self.flights >= FLIGHTS_MAX {
            return self.note(format_args!("{} > {} has no room", flight.source, flight.destination));
        }
        let jitter = self.dice.below(self.hostility.jitter.as_micros() as usize + 1);
        let detour = match self.dice.chance(self.hostility.reorder) {
            true => self.dice.below(DETOUR.as_micros() as usize),
            false => 0,
        };
        self.flights += 1;
        let at = self.elapsed() + travel + Duration::from_micros((jitter + detour) as u64);
        self.schedule(at, Due::Datagram(Box::new(flight)));
    }

    /// A datagram has arrived at its host.
    pub(crate) fn land(&mut self, mut flight: Flight) {
        let (from, to) = flight.hosts;
        if self.is_cut(from, to) {
            return self.note(format_args!("{} > {} is cut off", flight.source, flight.destination));
        }
        if broken("change-datagram", 16)
            && let Some(byte) = flight.data.last_mut()
        {
            *byte ^= 1;
        }
        let ip = flight.destination.ip();
        let to_all = ip.is_multicast() || is_broadcast(ip);
        let receivers = self.receivers(&flight);
        match receivers.last() {
            None if !to_all => {
                let travel = self.latency_between(from, to);
                self.refuse(&flight, travel);
            }
            Some(best) if !to_all => self.deliver(*best, &flight),
            _ => receivers.into_iter().for_each(|one| self.deliver(one, &flight)),
        }
    }

    /// The sockets that a datagram is for, the one that fits best last.
    fn receivers(&self, flight: &Flight) -> Vec<u64> {
        let fits = |mailbox: &&Mailbox| {
            let port =
                mailbox.addr.port() == Some(flight.destination.port()) || broken("misdeliver-datagram", 16);
            mailbox.host == flight.hosts.1 && port && mailbox.takes(flight)
        };
        let mut found: Vec<_> = self.mailboxes.iter().filter(|(_, mailbox)| fits(mailbox)).collect();
        let is_wild = |mailbox: &Mailbox| mailbox.addr.ip().is_some_and(|ip| ip.is_unspecified());
        found.sort_by_key(|(id, mailbox)| (mailbox.peer.is_some(), !is_wild(mailbox), **id));
        found.into_iter().map(|(id, _)| *id).collect()
    }

    fn deliver(&mut self, receiver: u64, flight: &Flight) {
        let own = self.hosts.get(flight.hosts.1).map_or(Ipv4Addr::UNSPECIFIED, |machine| machine.v4);
        let Some(mailbox) = self.mailboxes.get_mut(&receiver) else { return };
        let to = match flight.destination.ip() {
            ip if is_broadcast(ip) && ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            ip if is_broadcast(ip) => own.into(),
            ip => ip,
        };
        let arrived =
            Arrived { data: flight.data.clone(), from: flight.source.into(), to: Some(to), ecn: flight.ecn };
        let taken = mailbox.put(arrived);
        self.tell_mailbox(receiver);
        if !taken {
            self.note(format_args!("{} > {} finds no room", flight.source, flight.destination));
        }
    }

    /// The host that a datagram was for, or a rule, says that there is nobody.
    fn refuse(&mut self, flight: &Flight, travel: Duration) {
        let (sender, to) = (flight.sender, flight.destination);
        if travel.is_zero() {
            return self.refused(sender, to, io::ErrorKind::ConnectionRefused);
        }
        // What tells of it gets lost as well.
        if !self.dice.chance(self.hostility.loss) {
            let at = self.elapsed() + travel;
            self.schedule(at, Due::Refusal(sender, to, io::ErrorKind::ConnectionRefused));
        }
    }

    /// A socket hears that a datagram was refused.
    pub(crate) fn refused(&mut self, sender: u64, to: SocketAddr, kind: io::ErrorKind) {
        self.note(format_args!("{to} refuses a datagram: {kind:?}"));
        if let Some(mailbox) = self.mailboxes.get_mut(&sender) {
            mailbox.refuse(to.into(), kind.into());
            self.tell_mailbox(sender);
        }
    }
}
