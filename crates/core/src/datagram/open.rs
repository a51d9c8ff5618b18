//! Opening ports for datagrams: [`Reactor::udp`] and [`Reactor::udp_connect`].

use crate::{
    Addr, ConnectError, ConnectTo, Connecting, DatagramProtocol, Deferred, Endpoint, IntoEndpoint, Layers,
    ListenOn, Outbox, Reactor, Reason, Result, UdpCounts, UdpPort, UnixAddr,
    connect::by_families,
    datagram::port::UdpState,
    driver::{BindUdp, Bound},
    engine::udp::Wish,
    flags::Flags,
    reactor::unbound,
    shared::Stop,
};
use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    panic::Location,
    rc::Rc,
};

impl Reactor {
    /// Binds a UDP port: `udp:PORT`, which is all addresses of both families; `udp:PORT:interface=IP`; with
    /// `reuse=yes` others may bind it as well, as members of multicast groups do. Or a UNIX socket for datagrams:
    /// `unix-datagram:PATH`, with `mode=660` as its permissions; `unix-datagram:@NAME` on Linux. An abandoned socket
    /// file is replaced; the own one is removed at the end.
    ///
    /// # Errors
    /// The endpoint does not follow the grammar; the address is taken, not ours or not permitted.
    #[track_caller]
    pub fn udp(&self, on: impl IntoEndpoint, protocol: impl DatagramProtocol) -> Result<UdpPort> {
        let endpoint = on.into_endpoint()?;
        let listening = endpoint.listening(self)?;
        let ListenOn::Datagrams(how) = listening.on else {
            return Err(format!(
                "{endpoint} is not for datagrams; as udp:53 and unix-datagram:/run/log.sock are"
            )
            .into());
        };
        without_layers(&endpoint, &listening.layers)?;
        let bound = self.0.host.bind_udp(&how).map_err(|error| unbound(&endpoint, error))?;
        Ok(self.serve_udp(Location::caller(), bound, None, Box::new(protocol)))
    }

    /// Makes a UDP port that has a peer, `udp:HOST:PORT`: it sends to that alone and receives from that alone, and what
    /// the network says of its datagrams is told on every system. The local port is any free one; `bind=IP` gives the
    /// address. `unix-datagram:PATH` is a UNIX socket as the only peer: there must be one, or the error is that of a
    /// connect. Only with `bind=PATH` has this end an address that the peer can answer to. A port whose peer has gone
    /// hears `failed` for each datagram until somebody is bound there again.
    ///
    /// The name is looked up, and the first of its addresses that the system has a way to is taken. Nobody is asked
    /// whether there is anybody. When there is a way to none, the error is an [`io::Error`] with a [`ConnectError`] in
    /// it. Dropping the result before it has come ends it.
    ///
    /// ```
    /// use trenza_core::{Datagram, DatagramProtocol, Result, UdpPort};
    ///
    /// struct Hello;
    ///
    /// impl DatagramProtocol for Hello {
    ///     fn started(&mut self, port: &UdpPort) -> Result {
    ///         port.write(b"hello");
    ///         Ok(())
    ///     }
    ///     fn datagram_received(&mut self, _: &UdpPort, _: Datagram<'_>) -> Result {
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let net = trenza_sim::Net::gentle(1);
    /// let probe = net.host("srv").datagram_probe("udp:7");
    /// net.host("cli").run(|reactor| reactor.udp_connect("udp:srv:7", Hello).detach());
    /// net.run();
    /// assert_eq!(probe.received()[0].data, b"hello");
    /// ```
    #[track_caller]
    pub fn udp_connect(&self, to: impl IntoEndpoint, protocol: impl DatagramProtocol) -> Deferred<UdpPort> {
        let made = Location::caller();
        let endpoint = to.into_endpoint();
        let (to, from, shown) = match endpoint.and_then(|endpoint| peer(&endpoint, self)) {
            Ok(peer) => peer,
            Err(error) => return self.fired(Err(error)),
        };
        let (host, port) = match to {
            To::Name(host, port) => (host, port),
            To::Unix(to) => {
                let bound = match self.0.stop.get() {
                    Stop::Begun => Err(Reason::Stopped.into()),
                    _ => self.bind_unix(to.into(), from, &shown),
                };
                let port = bound.map(|(bound, to)| self.serve_udp(made, bound, Some(to), Box::new(protocol)));
                return self.fired(port);
            }
        };
        let (deferred, resolver) = self.deferred();
        let reactor = self.clone();
        self.lookup(&host, port).then(move |found| {
            if resolver.is_cancelled() {
                return;
            }
            let bound = found.and_then(|found| match reactor.0.stop.get() {
                Stop::Begun => Err(Reason::Stopped.into()),
                _ => reactor.bind_to(found, from, &shown),
            });
            resolver.fire(
                bound.map(|(bound, to)| reactor.serve_udp(made, bound, Some(to.into()), Box::new(protocol))),
            );
        });
        deferred
    }

    /// Binds a socket that is connected to the first of these addresses that can be.
    fn bind_to(
        &self,
        found: Vec<SocketAddr>,
        from: Option<Addr>,
        shown: &str,
    ) -> Result<(Bound, SocketAddr)> {
        let mut tried = Vec::new();
        for to in by_families(found) {
            let any: IpAddr =
                if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            let own = from.clone().unwrap_or_else(|| SocketAddr::new(any, 0).into());
            let Addr::Ip(addr) = own else { continue };
            if addr.is_ipv4() != to.is_ipv4() {
                continue;
            }
            match self.0.host.bind_udp(&BindUdp { to: Some(to.into()), ..BindUdp::at(addr) }) {
                Ok(bound) => return Ok((bound, to)),
                Err(error) => tried.push((to.into(), error.into())),
            }
        }
        Err(ConnectError::new(shown, tried).of_kind(io::ErrorKind::AddrNotAvailable))
    }

    /// Binds a UNIX socket that is connected to this address.
    fn bind_unix(&self, to: Addr, from: Option<Addr>, shown: &str) -> Result<(Bound, Addr)> {
        let own = from.unwrap_or_else(|| UnixAddr::Unnamed.into());
        match self.0.host.bind_udp(&BindUdp { to: Some(to.clone()), ..BindUdp::at(own) }) {
            Ok(bound) => Ok((bound, to)),
            Err(error) => {
                let kind = error.kind();
                Err(ConnectError::new(shown, vec![(to, error.into())]).of_kind(kind))
            }
        }
    }

    fn serve_udp(
        &self,
        made: &'static Location<'static>,
        bound: Bound,
        peer: Option<Addr>,
        protocol: Box<dyn DatagramProtocol>,
    ) -> UdpPort {
        let port = UdpPort(Rc::new(UdpState {
            reactor: self.clone(),
            made,
            addr: bound.addr.clone(),
            peer,
            token: Cell::new(None),
            flags: Flags::default(),
            out: RefCell::new(Outbox::new()),
            away: Cell::new(0),
            limits: RefCell::new(self.0.limits.borrow().clone()),
            counts: Cell::new(UdpCounts::default()),
            together: Cell::new(false),
            reason: Cell::new(None),
            cancels: RefCell::default(),
        }));
        port.wish(Wish::Open(bound, protocol));
        port
    }
}

/// Whom a port has as its only peer.
enum To {
    /// The first address of a name that there is a way to.
    Name(String, u16),
    /// A UNIX socket.
    Unix(UnixAddr),
}

/// The peer and the own address of an endpoint that has a peer, and what errors call it.
fn peer(endpoint: &Endpoint, reactor: &Reactor) -> Result<(To, Option<Addr>, String)> {
    let Connecting { to, shown, from, layers, .. } = endpoint.connecting(reactor)?;
    without_layers(endpoint, &layers)?;
    match to {
        ConnectTo::Datagrams { host, port } => Ok((To::Name(host, port), from, shown)),
        ConnectTo::UnixDatagrams(to) => Ok((To::Unix(to), from, shown)),
        _ => Err(format!(
            "{endpoint} is not for datagrams; as udp:example.org:53 and unix-datagram:/dev/log are"
        )
        .into()),
    }
}

/// Datagrams pass no layers: who asks for TLS is not to send them as they are.
fn without_layers(endpoint: &Endpoint, layers: &Layers) -> Result {
    match layers.is_empty() {
        true => Ok(()),
        false => Err(format!("{endpoint} puts layers under connections, and datagrams pass none").into()),
    }
}
