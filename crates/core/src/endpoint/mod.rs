//! [`Endpoint`]: where to listen or connect to, as a string or built in code.
//!
//! ```text
//!  string ──▶ Parsed ──▶ Given ──▶ EndpointKind ──▶ Listening ──▶ a port
//!             colons     the form  looked up by     Connecting ──▶ a race of addresses
//!                        of a kind name in the
//!                                  reactor
//! ```

pub(crate) mod connecting;
pub(crate) mod error;
mod fd;
pub(crate) mod given;
pub(crate) mod kind;
pub(crate) mod layers;
pub(crate) mod listening;
pub(crate) mod parsed;
pub(crate) mod registry;
mod stdio;
mod systemd;
mod tcp;
mod udp;
mod unix;
mod unix_datagram;

use crate::{
    Connecting, Layer, Layers, ListenOn, Listening, Parsed, Peer, Policy, Reactor, Result, driver::Bind,
};
use std::{cell::Cell, fmt, net::SocketAddr, os::fd::OwnedFd, rc::Rc};

/// Where to listen or connect to.
///
/// As a string it is a kind, values and options, separated by colons. `\:` stands for a colon within a value, `\=` for
/// an equals sign that makes no option, and brackets keep an IPv6 address together. A prefix stands before another
/// endpoint, which follows its options as it is.
///
/// | server | |
/// |---|---|
/// | `tcp:8080` | all addresses, IPv4 and IPv6 |
/// | `tcp:8080:interface=127.0.0.1` | one address |
/// | `tcp:8080:interface=[::1]:backlog=128` | an IPv6 address, a shorter queue |
/// | `tcp:8080:connections=1000:per-address=20` | at most so many connections, and from one address |
/// | `tcp:8080:idle=60:deadline=3600:log=yes` | times in seconds, and a line for each connection; see [`Policy`] |
/// | `tcp:8080:rate-in=100000:rate-out=20000` | bytes per second of each connection |
/// | `unix:/run/app.sock:mode=660` | a UNIX socket; `unix:@app` with an abstract name of Linux |
/// | `fd:3` | a listening socket that the program was started with |
/// | `stdio:` | standard input and output, one connection |
/// | `udp:53`, `udp:53:interface=127.0.0.1` | UDP, for [`Reactor::udp`] |
/// | `systemd:0`, `systemd:name=http` | a socket that the service manager has opened, by index or name |
/// | **client** | |
/// | `tcp:example.org:80` | a name or an address |
/// | `tcp:[::1]:80:bind=[::1]:timeout=5` | from an address, at most 5 s |
/// | `unix:/run/app.sock` | a UNIX socket |
/// | `fd:3`, `stdio:` | what the program was started with |
/// | `exec:ssh:host:nc:localhost:25` | what a program reads and writes |
/// | `udp:example.org:53` | UDP, for [`Reactor::udp_connect`] |
///
/// More kinds come from suites and from you: see [`Reactor::register`] and [`EndpointKind`](crate::EndpointKind).
///
/// ```
/// use trenza_core::{Input, Protocol, Result, Transport};
///
/// struct Mute;
///
/// impl Protocol for Mute {
///     fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// net.host("srv").run(|reactor| {
///     assert!(reactor.listen("tcp:8080:interface=[\\:\\:]", |_| Mute).is_ok());
///     // What does not follow the grammar says what would, and points at the place.
///     let wrong = reactor.listen("tcp:80:interface=::1", |_| Mute).unwrap_err();
///     assert!(wrong.to_string().contains("in brackets"));
/// });
/// ```
#[derive(Clone)]
pub struct Endpoint {
    place: Rc<Place>,
    layers: Layers,
    policy: Option<Rc<Policy>>,
}

enum Place {
    Parsed(Parsed),
    Built(Built),
}

/// An endpoint that is made of code.
struct Built {
    shown: String,
    listen: Option<Listen>,
    connect: Option<Connect>,
}

type Listen = Box<dyn Fn(&Reactor) -> Result<Listening>>;
type Connect = Box<dyn Fn(&Reactor) -> Result<Connecting>>;

/// What can be listened on or connected to.
pub trait IntoEndpoint {
    /// The endpoint.
    ///
    /// # Errors
    /// [`EndpointError`](crate::EndpointError): the string cannot be taken apart. What its parts mean is looked at where
    /// it is used, since its kind is known there.
    fn into_endpoint(self) -> Result<Endpoint>;
}

impl IntoEndpoint for &str {
    fn into_endpoint(self) -> Result<Endpoint> {
        Ok(Endpoint::of(Parsed::new(self)?))
    }
}

impl IntoEndpoint for &String {
    fn into_endpoint(self) -> Result<Endpoint> {
        self.as_str().into_endpoint()
    }
}

impl IntoEndpoint for SocketAddr {
    fn into_endpoint(self) -> Result<Endpoint> {
        let bind = Bind { addr: self.into(), dual_stack: false, mode: None, backlog: tcp::BACKLOG };
        Ok(Endpoint::built(Built {
            shown: self.to_string(),
            listen: Some(Box::new(move |_| Ok(Listening::on(ListenOn::Bind(bind.clone()))))),
            connect: Some(Box::new(move |_| Ok(Connecting::name(self.ip().to_string(), self.port())))),
        }))
    }
}

impl IntoEndpoint for OwnedFd {
    fn into_endpoint(self) -> Result<Endpoint> {
        let socket = Cell::new(Some(self));
        Ok(Endpoint::server("a bound socket", move |_| {
            let taken = socket.take().ok_or("this socket is already being listened on")?;
            Ok(Listening::on(ListenOn::Socket(taken)))
        }))
    }
}

#[allow(clippy::disallowed_types)] // taken over as a descriptor, not used here
impl IntoEndpoint for std::net::TcpListener {
    fn into_endpoint(self) -> Result<Endpoint> {
        OwnedFd::from(self).into_endpoint()
    }
}

/// Its file stays when the port ends: who bound it removes it.
#[allow(clippy::disallowed_types)] // taken over as a descriptor, not used here
impl IntoEndpoint for std::os::unix::net::UnixListener {
    fn into_endpoint(self) -> Result<Endpoint> {
        OwnedFd::from(self).into_endpoint()
    }
}

impl IntoEndpoint for Endpoint {
    fn into_endpoint(self) -> Result<Endpoint> {
        Ok(self)
    }
}

impl IntoEndpoint for &Endpoint {
    fn into_endpoint(self) -> Result<Endpoint> {
        Ok(self.clone())
    }
}

impl Endpoint {
    pub(crate) fn of(parsed: Parsed) -> Self {
        Self { place: Rc::new(Place::Parsed(parsed)), layers: Layers::default(), policy: None }
    }

    fn built(built: Built) -> Self {
        Self { place: Rc::new(Place::Built(built)), layers: Layers::default(), policy: None }
    }

    /// A server's endpoint that is made of code; `listen` is called for each port. Errors call it `shown`.
    pub fn server(
        shown: impl Into<String>,
        listen: impl Fn(&Reactor) -> Result<Listening> + 'static,
    ) -> Self {
        Self::built(Built { shown: shown.into(), listen: Some(Box::new(listen)), connect: None })
    }

    /// A client's endpoint that is made of code; `connect` is called for each connect. Errors call it `shown`.
    pub fn client(
        shown: impl Into<String>,
        connect: impl Fn(&Reactor) -> Result<Connecting> + 'static,
    ) -> Self {
        Self::built(Built { shown: shown.into(), listen: None, connect: Some(Box::new(connect)) })
    }

    /// Puts layers under every connection of this endpoint, over those that it has already; `make` gives those of one
    /// connection, the one nearest to the wire first. The protocol is built when all are ready.
    pub fn layered(self, make: impl Fn() -> Vec<Box<dyn Layer>> + 'static) -> Self {
        self.layered_with(move |_| make())
    }

    /// Like [`Endpoint::layered`], for layers that want to know the addresses of the connection.
    pub fn layered_with(mut self, make: impl Fn(&Peer) -> Vec<Box<dyn Layer>> + 'static) -> Self {
        self.layers.over(make);
        self
    }

    /// Has a policy hold for every connection of this endpoint. What it says goes before what options of the string say.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(Rc::new(policy));
        self
    }

    /// The parts of its string; None, if it was made of code.
    pub fn parsed(&self) -> Option<&Parsed> {
        match &*self.place {
            Place::Parsed(parsed) => Some(parsed),
            Place::Built(_) => None,
        }
    }

    /// What it stands for where a server listens: for kinds that stand before another endpoint.
    ///
    /// # Errors
    /// [`EndpointError`](crate::EndpointError): its kind is not known to the reactor, or says that it makes no sense.
    pub fn listening(&self, reactor: &Reactor) -> Result<Listening> {
        let mut listening = match &*self.place {
            Place::Parsed(parsed) => reactor.listening(parsed)?,
            Place::Built(Built { listen: Some(listen), .. }) => listen(reactor)?,
            Place::Built(built) => return Err(format!("{} cannot be listened on", built.shown).into()),
        };
        listening.layers.append(&self.layers);
        listening.policy = Policy::over(self.policy.as_ref(), listening.policy);
        Ok(listening)
    }

    /// What it stands for where a client connects: for kinds that stand before another endpoint.
    ///
    /// # Errors
    /// Those of [`Endpoint::listening`].
    pub fn connecting(&self, reactor: &Reactor) -> Result<Connecting> {
        let mut connecting = match &*self.place {
            Place::Parsed(parsed) => reactor.connecting(parsed)?,
            Place::Built(Built { connect: Some(connect), .. }) => connect(reactor)?,
            Place::Built(built) => return Err(format!("{} cannot be connected to", built.shown).into()),
        };
        connecting.layers.append(&self.layers);
        connecting.policy = Policy::over(self.policy.as_ref(), connecting.policy);
        if connecting.policy.as_ref().is_some_and(|policy| policy.is_for_ports()) {
            return Err(format!("{self}: limits of connections are for ports, not for what connects").into());
        }
        Ok(connecting)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.place {
            Place::Parsed(parsed) => f.write_str(&parsed.shown()),
            Place::Built(built) => f.write_str(&built.shown),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}
