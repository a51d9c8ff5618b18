//! [`DatagramProbe`]: a UDP socket without an engine, which does what a test tells it.

use super::Letter;
use crate::{link::Owner, world::Shared};
use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};
use trenza_core::{Interface, UdpOption, driver::BindUdp};

/// A raw UDP socket on all addresses of a host, told by a test what to send and asked what came. Dropping it closes it.
///
/// ```
/// use trenza_core::{Datagram, DatagramProtocol, Result, UdpPort};
/// use trenza_sim::{Net, Verdict};
///
/// struct Echo;
///
/// impl DatagramProtocol for Echo {
///     fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
///         port.send(datagram.answer(datagram.data));
///         Ok(())
///     }
/// }
///
/// let net = Net::gentle(1);
/// let srv = net.host("srv");
/// srv.run(|reactor| reactor.udp("udp:7", Echo))?;
/// let probe = net.host("cli").datagram_probe("udp:0");
/// probe.send((srv.ips()[0], 7), "hello");
/// net.run();
/// assert_eq!(probe.take_received()[0].data, b"hello");
///
/// let _rule = net.rule(|p| if p.from("srv") { Verdict::Drop } else { Verdict::Pass });
/// probe.send((srv.ips()[0], 7), "hello?");
/// net.run();
/// assert!(probe.received().is_empty());
/// # Ok::<(), trenza_core::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping a DatagramProbe closes it"]
pub struct DatagramProbe {
    world: Shared,
    id: u64,
    addr: SocketAddr,
}

/// A datagram that a probe has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its bytes.
    pub data: Vec<u8>,
    /// Who sent it.
    pub from: SocketAddr,
    /// Where it was sent to; of a broadcast, this host.
    pub to: IpAddr,
    /// Its bits of explicit congestion notification.
    pub ecn: Option<u8>,
}

impl DatagramProbe {
    pub(crate) fn bind(world: Shared, host: usize, port: u16) -> io::Result<Self> {
        let addr = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let how = BindUdp { dual_stack: true, reuse: true, ..BindUdp::at(addr) };
        let (id, addr) = world.borrow_mut().bind_udp(host, &how)?;
        if let Some(mailbox) = world.borrow_mut().mailboxes.get_mut(&id) {
            mailbox.owner = Owner::Probe;
            mailbox.broadcast = true;
        }
        let addr = addr.socket().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { world, id, addr })
    }

    /// Sends a datagram. What becomes of it is seen when the network runs.
    ///
    /// # Panics
    /// It is too long, or cannot be sent at all.
    pub fn send(&self, to: impl Into<SocketAddr>, data: impl AsRef<[u8]>) {
        self.send_with(to, data, None);
    }

    /// Sends a datagram with bits of explicit congestion notification.
    ///
    /// # Panics
    /// Those of [`DatagramProbe::send`].
    pub fn send_with(&self, to: impl Into<SocketAddr>, data: impl AsRef<[u8]>, ecn: Option<u8>) {
        let letter = Letter { data: data.as_ref(), to: to.into(), from: None, ecn };
        let sent = self.world.borrow_mut().post(self.id, letter);
        sent.unwrap_or_else(|error| panic!("cannot send to {}: {error}", letter.to));
    }

    /// Receives what is sent to a group.
    ///
    /// # Panics
    /// It is no multicast address, or was joined before.
    pub fn join(&self, group: IpAddr) {
        let joined =
            self.world.borrow_mut().set_udp(self.id, &UdpOption::Join { group, interface: Interface::Any });
        joined.unwrap_or_else(|error| panic!("cannot join {group}: {error}"));
    }

    /// Everything that was received and not taken.
    pub fn received(&self) -> Vec<Received> {
        let world = self.world.borrow();
        let inbox = world.mailboxes.get(&self.id).map(|mailbox| mailbox.inbox());
        let received = inbox.into_iter().flatten().filter_map(|arrived| {
            let (data, ecn) = (arrived.data.clone(), arrived.ecn);
            Some(Received { data, from: arrived.from.socket()?, to: arrived.to?, ecn })
        });
        received.collect()
    }

    /// Takes what was received.
    pub fn take_received(&self) -> Vec<Received> {
        let received = self.received();
        if let Some(mailbox) = self.world.borrow_mut().mailboxes.get_mut(&self.id) {
            while mailbox.take().is_some() {}
        }
        received
    }

    /// Takes what was refused: where it was sent to, and why.
    pub fn take_refused(&self) -> Vec<(SocketAddr, io::ErrorKind)> {
        let mut world = self.world.borrow_mut();
        let mailbox = world.mailboxes.get_mut(&self.id);
        let refused = mailbox.into_iter().flat_map(|mailbox| std::iter::from_fn(|| mailbox.take_refused()));
        refused.filter_map(|(to, error)| Some((to.socket()?, error.kind()))).collect()
    }

    /// The port that it is bound to, on all addresses of its host.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }
}

impl Drop for DatagramProbe {
    fn drop(&mut self) {
        // Within a panic of the world itself it is borrowed, and nobody looks at it any more.
        if let Ok(mut world) = self.world.try_borrow_mut() {
            world.close_mailbox(self.id);
        }
    }
}
