//! [`register`]: the kinds of endpoint of this crate; `socks5`, `socks4a` and `http-proxy` are here.

use crate::{
    Target,
    header::Haproxy,
    http,
    socks::{self, Command, Version},
    through::{Dialogue, Through},
};
use std::sync::Arc;
use trenza_core::{Choice, ConnectTo, Connecting, EndpointKind, Form, Given, Reactor, Result, Usage};

/// Makes the prefixes `socks5:`, `socks4a:`, `http-proxy:` and `haproxy:` known to a reactor.
///
/// The first three stand before a client's endpoint, whose connection a proxy then makes; the proxy looks up the name.
///
/// | endpoint | |
/// |---|---|
/// | `socks5:localhost:1080:tcp:example.org:80` | through a SOCKS 5 proxy |
/// | `socks5:proxy.example:1080:user=ann:password=secret:tcp:example.org:80` | which wants to know who asks |
/// | `http-proxy:proxy.example:3128:tcp:example.org:443` | through an HTTP proxy, by CONNECT |
/// | `socks5:one.example:1080:socks4a:two.example:1080:tcp:example.org:80` | through one proxy to another one |
///
/// ```
/// use trenza_core::{Input, Protocol, Result, Transport};
/// use trenza_proxy::SocksServer;
///
/// struct Greet;
///
/// impl Protocol for Greet {
///     fn connection_made(&mut self, transport: &Transport) -> Result {
///         transport.write(b"hello");
///         Ok(())
///     }
///     fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// let targets = net.host("srv").probe_listen("tcp:7");
/// net.host("gate").run(|reactor| reactor.listen_with("tcp:1080", SocksServer::new()).map(drop))?;
/// net.host("cli").run(|reactor| {
///     trenza_proxy::register(reactor);
///     reactor.connect("socks5:gate:1080:tcp:srv:7", |_| Greet).detach();
///     reactor.connect("socks5:gate:1080:tcp:srv:8", |_| Greet).then(|lost| {
///         let error = lost.unwrap_err().to_string();
///         assert_eq!(error, "the SOCKS 5 proxy gate:1080 did not connect to srv:8: connection refused");
///     });
/// });
/// net.run();
/// let target = targets.accept().ok_or("nobody came")?;
/// assert_eq!((target.received(), target.remote_addr().ip()), (b"hello".to_vec(), Some(net.host("gate").ips()[0])));
/// # Ok::<(), trenza_core::Error>(())
/// ```
///
/// `haproxy:` stands before a server's endpoint, whose connections then tell who their client is, or before a client's:
///
/// ```
/// use trenza_core::{Input, Protocol, Result, Transport};
///
/// struct Greet;
///
/// impl Protocol for Greet {
///     fn connection_made(&mut self, transport: &Transport) -> Result {
///         let peer = transport.peer();
///         let via = peer.via.as_ref().ok_or("nobody brought it")?;
///         write!(transport, "hello {}, brought by {}", peer.remote, via.ip().ok_or("no address")?)
///     }
///     fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// net.host("srv").run(|reactor| {
///     trenza_proxy::register(reactor);
///     reactor.listen("haproxy:tcp:80", |_| Greet).map(drop)
/// })?;
/// let proxy = net.host("proxy").probe("tcp:srv:80");
/// proxy.send("PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n");
/// net.run();
/// assert_eq!(proxy.received(), b"hello 192.0.2.1:5000, brought by 10.0.0.2");
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub fn register(reactor: &Reactor) {
    reactor.register(Haproxy);
    reactor.register(Prefix::Socks5);
    reactor.register(Prefix::Socks4a);
    reactor.register(Prefix::Http);
}

/// A prefix: the kind of proxy.
#[derive(Debug, Clone, Copy)]
enum Prefix {
    Socks5,
    Socks4a,
    Http,
}

const USER: Choice = Choice { name: "user", value: "NAME", about: "who asks the proxy" };
const PASSWORD: Choice = Choice { name: "password", value: "PASSWORD", about: "the user's password" };

const SOCKS5: Form = Form {
    values: &["HOST", "PORT"],
    options: &[USER, PASSWORD],
    inner: true,
    below: None,
    about: "a connection that a SOCKS 5 proxy makes",
    examples: &["socks5:localhost:1080:tcp:example.org:80"],
};

const SOCKS4A: Form = Form {
    options: &[USER],
    about: "a connection that a SOCKS 4a proxy makes",
    examples: &["socks4a:localhost:1080:tcp:example.org:80"],
    ..SOCKS5
};

const HTTP: Form = Form {
    about: "a connection that an HTTP proxy makes (CONNECT)",
    examples: &["http-proxy:localhost:3128:tcp:example.org:443"],
    ..SOCKS5
};

impl Prefix {
    fn shown(self) -> &'static str {
        match self {
            Self::Socks5 => "the SOCKS 5 proxy",
            Self::Socks4a => "the SOCKS 4a proxy",
            Self::Http => "the HTTP proxy",
        }
    }

    fn dialogue(self, given: &Given<'_>, target: Target) -> Result<Dialogue> {
        let (user, password) = (given.option("user"), given.option("password"));
        let both = match (user, password) {
            (Some(user), Some(password)) => Some((user.as_str(), password.as_str())),
            (None, None) => None,
            (Some(user), None) if matches!(self, Self::Socks4a) => Some((user.as_str(), "")),
            _ => return Err(given.wrong("takes user= and password= together")),
        };
        let bytes = both.map(|(user, password)| (user.as_bytes(), password.as_bytes()));
        let socks = |version| socks::Client::new(version, Command::Connect, target.clone(), bytes);
        let dialogue = match self {
            Self::Socks5 => socks(Version::V5).map(Dialogue::Socks),
            Self::Socks4a => socks(Version::V4a).map(Dialogue::Socks),
            Self::Http => http::Client::new(target.clone(), both).map(Dialogue::Http),
        };
        dialogue.map_err(|error| given.wrong(&format!("cannot be used: {}", error.what())))
    }
}

impl EndpointKind for Prefix {
    fn usage(&self) -> Usage {
        let (name, form) = match self {
            Self::Socks5 => ("socks5", SOCKS5),
            Self::Socks4a => ("socks4a", SOCKS4A),
            Self::Http => ("http-proxy", HTTP),
        };
        Usage { name, server: None, client: Some(form) }
    }

    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        let Connecting { to, shown, .. } =
            Connecting::name(given.value(0)?.as_str(), given.value(1)?.port()?);
        // What was said of the connection holds for the one to the proxy.
        let mut connecting = given.inner()?.connecting(reactor)?;
        let ConnectTo::Name { host, port } = connecting.to else {
            return Err(
                given.wrong("stands before an endpoint with a host and a port, as tcp:example.org:80")
            );
        };
        let target = Target::new(&host, port);
        let target = target.map_err(|error| given.wrong(&format!("cannot be asked for it: {error}")))?;
        let dialogue = self.dialogue(given, target.clone())?;

        let proxy: Arc<str> = format!("{} {shown}", self.shown()).into();
        (connecting.to, connecting.shown) = (to, shown);
        // The proxy answers when its target has, or not at all.
        connecting.layers.wait(connecting.timeout);
        connecting
            .layers
            .under(move |_| vec![Box::new(Through::new(dialogue.clone(), proxy.clone(), target.clone()))]);
        Ok(connecting)
    }
}
