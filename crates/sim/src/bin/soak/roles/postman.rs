//! [`Postman`]: sends datagrams to all and sundry.

use crate::{
    judge::{Invariant, Judge},
    roles::draw_from,
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    rc::Rc,
};
use trenza_core::{Addr, Datagram, DatagramProtocol, Outgoing, Reason, Result, UdpPort};

/// The first of the ports that postmen have.
const PORT: u16 = 7100;
/// How many of them each host has.
pub(crate) const PORTS: u16 = 2;
/// The groups that some of them are in.
const GROUPS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(239, 1, 2, 3)), IpAddr::V6(Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 7))];

/// What the hosts have: an IPv4 and an IPv6 address each.
pub(crate) type Hosts = Rc<[[IpAddr; 2]]>;

/// A role at a UDP port.
pub(crate) struct Postman {
    judge: Rc<Judge>,
    /// The port's number in the books.
    serial: usize,
    own: [IpAddr; 2],
    hosts: Hosts,
    unsent_max: usize,
}

impl Postman {
    pub(crate) fn new(judge: &Rc<Judge>, own: [IpAddr; 2], hosts: &Hosts, unsent_max: usize) -> Self {
        let serial = judge.mail().open();
        Self { judge: judge.clone(), serial, own, hosts: hosts.clone(), unsent_max }
    }

    /// The endpoint of one of a host's ports.
    pub(crate) fn endpoint(which: u16) -> String {
        format!("udp:{}", PORT + which)
    }

    /// Sends a few datagrams.
    pub(crate) fn post(&mut self, port: &UdpPort) -> Result {
        for _ in 0..1 + draw_from(port.reactor(), 4) {
            let to = self.somebody(port);
            self.send(port, to, None);
        }
        if port.counts().unsent > self.unsent_max {
            let what = format!("{} bytes wait at {port:?}", port.counts().unsent);
            self.judge.breach(Invariant::Limits, what);
        }
        Ok(())
    }

    fn somebody(&self, port: &UdpPort) -> SocketAddr {
        let draw = |below| draw_from(port.reactor(), below);
        let ips = if draw(8) == 0 { GROUPS } else { self.hosts[draw(self.hosts.len())] };
        SocketAddr::new(ips[draw(2)], PORT + draw(PORTS.into()) as u16)
    }

    /// Sends one datagram, or several in one piece.
    fn send(&self, port: &UdpPort, to: SocketAddr, from: Option<IpAddr>) {
        let draw = |below| draw_from(port.reactor(), below);
        let len = [draw(50), draw(1500), draw(9000)][draw(3)];
        let count = if draw(6) == 0 { 1 + draw(5) } else { 1 };
        let mut data = Vec::new();
        let mut stride = 0;
        for n in 0..count {
            // The last one may be shorter.
            let len = if n > 0 && n + 1 == count { draw(len + 1) } else { len };
            let own = (self.own, port.addr().port().unwrap_or_default());
            let one = self.judge.mail().write(own, to, len);
            stride = stride.max(one.len());
            data.extend(one);
        }
        let addr = Addr::from(to);
        let stride = (count > 1).then_some(stride);
        port.send(Outgoing { from, stride, ..Outgoing::new(&addr, &data) });
    }
}

impl DatagramProtocol for Postman {
    fn started(&mut self, port: &UdpPort) -> Result {
        self.judge.mail().started(&self.judge, self.serial);
        port.set_together(draw_from(port.reactor(), 3) == 0);
        for group in GROUPS.into_iter().filter(|_| draw_from(port.reactor(), 2) == 0) {
            let question = self.judge.ask("a join");
            port.join(group).then(move |_| question.answered());
        }
        self.post(port)
    }

    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
        self.judge.mail().called(&self.judge, self.serial);
        let stride = datagram.stride.unwrap_or_else(|| datagram.data.len().max(1));
        for data in datagram.data.chunks(stride) {
            let heard = (datagram.from, datagram.to, data);
            self.judge.mail().arrived(&self.judge, (self.serial, port, self.own), heard);
        }
        match draw_from(port.reactor(), 100) {
            0 => return Err("it had enough".into()),
            1 => port.close(),
            2..=15 => {
                let answer = datagram.answer(&[]);
                if let Addr::Ip(to) = *answer.to {
                    self.send(port, to, answer.from);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn writable(&mut self, port: &UdpPort) -> Result {
        self.judge.mail().called(&self.judge, self.serial);
        if port.is_full() {
            self.judge.breach(Invariant::Order, format!("{port:?} is full and hears that it is not"));
        }
        Ok(())
    }

    fn failed(&mut self, _: &UdpPort, _: Option<&Addr>, _: &std::io::Error) -> Result {
        self.judge.mail().called(&self.judge, self.serial);
        Ok(())
    }

    fn stopping(&mut self, port: &UdpPort) -> Result {
        self.judge.mail().called(&self.judge, self.serial);
        if draw_from(port.reactor(), 2) == 0 {
            port.close();
        }
        Ok(())
    }

    fn stopped(&mut self, _: &UdpPort, _: &Reason) {
        self.judge.mail().stopped(&self.judge, self.serial);
    }
}
