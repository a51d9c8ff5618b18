//! Datagrams: [`DatagramProtocol`], and what it is given and gives.

pub(crate) mod open;
pub(crate) mod option;
pub(crate) mod outbox;
pub(crate) mod port;

use crate::{Addr, Reason, Result, UdpPort};
use std::{any::Any, io, net::IpAddr};

/// A datagram that came, lent for the time of the call.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// Its bytes; there may be none. They may be changed in place.
    pub data: &'a mut [u8],
    /// Who sent it. A UNIX socket that is bound to nothing has no address, and cannot be answered.
    pub from: &'a Addr,
    /// Where it was sent to: an address of this host or a multicast group; of a broadcast, the address of the
    /// interface that it came in on. None where the system does not tell.
    pub to: Option<IpAddr>,
    /// The two bits of explicit congestion notification (RFC 3168): 0 not capable, 1 and 2 capable, 3 congestion was
    /// met. None where the system does not tell.
    pub ecn: Option<u8>,
    /// Only with [`UdpPort::set_together`]: `data` is several datagrams of one sender that came together, each of so
    /// many bytes but the last, which may be shorter.
    pub stride: Option<usize>,
}

impl Datagram<'_> {
    /// An answer to the sender, from the address that the datagram was sent to: on a host with several addresses a
    /// peer takes no answer from another. After a multicast the system chooses the address.
    pub fn answer<'b>(&'b self, data: &'b [u8]) -> Outgoing<'b> {
        let from = self.to.filter(|ip| !ip.is_multicast());
        Outgoing { from, ..Outgoing::new(self.from, data) }
    }
}

/// A datagram to send.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its bytes, at most 65,507 over IPv4, 65,536 over UNIX sockets; there may be none.
    pub data: &'a [u8],
    /// Where to. On a connected port only its peer.
    pub to: &'a Addr,
    /// The address of this host that it is to come from, or the system's choice. Systems other than Linux choose always,
    /// and send no ECN of ours.
    pub from: Option<IpAddr>,
    /// The two bits of explicit congestion notification (RFC 3168). None: not capable.
    pub ecn: Option<u8>,
    /// `data` is several datagrams, each of so many bytes but the last, which may be shorter: systems that can take
    /// them in one piece, which costs less than one by one.
    pub stride: Option<usize>,
}

impl<'a> Outgoing<'a> {
    /// A datagram without anything special.
    pub fn new(to: &'a Addr, data: &'a [u8]) -> Self {
        Self { data, to, from: None, ecn: None, stride: None }
    }

    /// How many datagrams it is.
    pub(crate) fn pieces(&self) -> usize {
        self.stride.map_or(1, |stride| self.data.len().div_ceil(stride.max(1)).max(1))
    }
}

/// What a port for datagrams does with them, over UDP or UNIX sockets. Only [`datagram_received`](DatagramProtocol::datagram_received) is required.
///
/// The loop owns it and calls it with `&mut self`; no handle ever does. An `Err` from any callback, or a panic, ends
/// the port; `stopped` follows both. What the network says of a datagram that was sent never ends it.
///
/// ```text
/// Reactor::udp ─▶ started ─▶ datagram_received* ─▶ stopped
///                            failed* writable* stopping?
/// ```
///
/// Datagrams of UDP get lost, are doubled and overtake each other; nobody is told. Those of UNIX sockets arrive in
/// order, and what did not is told as `failed`: nobody is bound there, or a port without a peer found the receiver full
/// (`WouldBlock`). A connected port waits for its peer instead, and is held back by [`writable`].
///
/// [`writable`]: DatagramProtocol::writable
///
/// Who needs an answer of UDP asks again:
///
/// ```
/// use std::time::Duration;
/// use trenza_core::{Addr, Datagram, DatagramProtocol, Result, Timer, UdpPort};
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
/// /// Asks every second until there is an answer.
/// struct Ask {
///     server: Addr,
///     timer: Option<Timer>,
/// }
///
/// impl Ask {
///     fn ask(&mut self, port: &UdpPort) -> Result {
///         port.send_to(&self.server, b"are you there?");
///         self.timer = Some(port.handle::<Self>().call_later(Duration::from_secs(1), Self::ask));
///         Ok(())
///     }
/// }
///
/// impl DatagramProtocol for Ask {
///     fn started(&mut self, port: &UdpPort) -> Result {
///         self.ask(port)
///     }
///     fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result {
///         assert_eq!(datagram.data, b"are you there?");
///         self.timer = None;
///         port.close();
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// let (srv, cli) = (net.host("srv"), net.host("cli"));
/// let echo = srv.run(|reactor| reactor.udp("udp:7", Echo))?;
/// let server = Addr::from(std::net::SocketAddr::new(srv.ips()[0], 7));
/// cli.run(|reactor| reactor.udp("udp:0", Ask { server, timer: None }))?;
/// net.advance(Duration::from_secs(60));
/// assert_eq!(cli.left().ports, 0);
/// echo.close();
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub trait DatagramProtocol: Any {
    /// The port is bound.
    ///
    /// # Errors
    /// Ends the port.
    fn started(&mut self, _port: &UdpPort) -> Result {
        Ok(())
    }

    /// A datagram came.
    ///
    /// # Errors
    /// Ends the port.
    fn datagram_received(&mut self, port: &UdpPort, datagram: Datagram<'_>) -> Result;

    /// What waits to be sent went from full to low.
    ///
    /// # Errors
    /// Ends the port.
    fn writable(&mut self, _port: &UdpPort) -> Result {
        Ok(())
    }

    /// The system or the network refused a datagram that was sent: nobody listens there (an ICMP message came back,
    /// where the system tells), there is no way to `to`, or it is too long. It may have been sent long ago, and
    /// whether anything is told is chance: never rely on it. Over UNIX sockets the system tells of each datagram that it
    /// refused (of thousands in one turn the loop does not remember all), and also, as `InvalidData` and with no
    /// address, of one that came and was longer than 65,536 bytes. Default: nothing.
    ///
    /// # Errors
    /// Ends the port.
    fn failed(&mut self, _port: &UdpPort, _to: Option<&Addr>, _error: &io::Error) -> Result {
        Ok(())
    }

    /// The reactor is stopping: finish what you are at, then close. Default: close.
    ///
    /// # Errors
    /// Ends the port.
    fn stopping(&mut self, port: &UdpPort) -> Result {
        port.close();
        Ok(())
    }

    /// Exactly once, last, also after an error or a panic, and where the port was closed before `started`.
    fn stopped(&mut self, _port: &UdpPort, _reason: &Reason) {}
}
