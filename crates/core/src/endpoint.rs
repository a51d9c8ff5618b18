//! [`Endpoint`]: where to listen or connect to, as a string or built in code.

use crate::{Layer, Result};
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
    rc::Rc,
    time::Duration,
};

/// Makes the layers of a new connection, the one nearest to the wire first.
pub(crate) type MakeLayers = Rc<dyn Fn() -> Vec<Box<dyn Layer>>>;

/// How many connections the system holds before they are accepted, unless `backlog=` says otherwise.
const BACKLOG: i32 = 4096;
/// How long a connect may take, unless `timeout=` says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Where to listen or connect to.
///
/// As a string it is a kind, values and options, separated by colons; `\:` stands for a colon within a value,
/// and brackets keep an IPv6 address together.
///
/// | server | |
/// |---|---|
/// | `tcp:8080` | all addresses, IPv4 and IPv6 |
/// | `tcp:8080:interface=127.0.0.1` | one address |
/// | `tcp:8080:interface=[::1]:backlog=128` | an IPv6 address, a shorter queue |
/// | **client** | |
/// | `tcp:example.org:80` | a name or an address |
/// | `tcp:[::1]:80:bind=[::1]:timeout=5` | from an address, at most 5 s |
///
/// ```
/// use trenza_core::IntoEndpoint;
///
/// assert!(r"tcp:8080:interface=\:\:1".into_endpoint().is_ok());
/// // What does not follow the grammar says what would.
/// let wrong = "tcp:80:interface=::1".into_endpoint().unwrap_err();
/// assert!(wrong.to_string().contains("in brackets"));
/// ```
#[derive(Clone)]
pub struct Endpoint {
    place: Rc<Place>,
    layers: Option<MakeLayers>,
}

enum Place {
    Parsed(Parsed),
    Socket(std::cell::Cell<Option<OwnedFd>>),
}

/// The parts of an endpoint string.
struct Parsed {
    text: String,
    kind: String,
    values: Vec<String>,
    options: Vec<(String, String)>,
}

/// An endpoint string that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("endpoint {endpoint:?}: {what}")]
pub struct EndpointError {
    /// The string.
    pub endpoint: String,
    /// What is wrong with it, and what would be right.
    pub what: String,
}

/// What can be listened on or connected to.
pub trait IntoEndpoint {
    /// The endpoint.
    ///
    /// # Errors
    /// [`EndpointError`]: the string does not follow the grammar.
    fn into_endpoint(self) -> Result<Endpoint>;
}

impl IntoEndpoint for &str {
    fn into_endpoint(self) -> Result<Endpoint> {
        Ok(Endpoint { place: Rc::new(Place::Parsed(parse(self)?)), layers: None })
    }
}

impl IntoEndpoint for &String {
    fn into_endpoint(self) -> Result<Endpoint> {
        self.as_str().into_endpoint()
    }
}

impl IntoEndpoint for SocketAddr {
    fn into_endpoint(self) -> Result<Endpoint> {
        let host = self.ip();
        let (values, options) = (vec![host.to_string(), self.port().to_string()], Vec::new());
        let parsed = Parsed { text: self.to_string(), kind: "tcp".into(), values, options };
        Ok(Endpoint { place: Rc::new(Place::Parsed(parsed)), layers: None })
    }
}

impl IntoEndpoint for OwnedFd {
    fn into_endpoint(self) -> Result<Endpoint> {
        Ok(Endpoint { place: Rc::new(Place::Socket(Some(self).into())), layers: None })
    }
}

#[allow(clippy::disallowed_types)] // taken over as a descriptor, not used here
impl IntoEndpoint for std::net::TcpListener {
    fn into_endpoint(self) -> Result<Endpoint> {
        OwnedFd::from(self).into_endpoint()
    }
}

impl IntoEndpoint for Endpoint {
    fn into_endpoint(self) -> Result<Endpoint> {
        Ok(self)
    }
}

/// Where to listen.
pub(crate) enum ListenPlace {
    Address(crate::driver::Bind),
    Socket(OwnedFd),
}

/// Where to connect to.
pub(crate) struct ConnectPlace {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) from: Option<SocketAddr>,
    pub(crate) timeout: Duration,
}

impl fmt::Display for ConnectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Endpoint {
    /// Puts layers under every connection of this endpoint; `make` gives those of one connection, the one nearest
    /// to the wire first. The protocol is built when all are ready.
    pub fn layered(mut self, make: impl Fn() -> Vec<Box<dyn Layer>> + 'static) -> Self {
        self.layers = Some(Rc::new(make));
        self
    }

    pub(crate) fn layers(&self) -> Option<MakeLayers> {
        self.layers.clone()
    }

    /// Reads it as a server's endpoint.
    pub(crate) fn listen_place(&self) -> Result<ListenPlace> {
        let parsed = match &*self.place {
            Place::Parsed(parsed) => parsed,
            Place::Socket(socket) => {
                let taken = socket.take().ok_or("this socket is already being listened on")?;
                return Ok(ListenPlace::Socket(taken));
            }
        };
        parsed.kind_is_tcp()?;
        parsed.only(&["interface", "backlog"])?;
        let (interface, port) = match &parsed.values[..] {
            [port] => (parsed.option("interface"), port),
            // A socket address in code: host and port.
            [host, port] if host.parse::<IpAddr>().is_ok() => (Some(host.as_str()), port),
            _ => {
                return Err(
                    parsed.error("a server's endpoint is tcp:PORT, as in tcp:8080:interface=127.0.0.1")
                );
            }
        };
        let port = parsed.port(port)?;
        let ip = match interface {
            None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            Some(ip) => ip.parse().map_err(|_| parsed.error("interface= takes an IP address"))?,
        };
        let backlog = match parsed.option("backlog") {
            None => BACKLOG,
            Some(backlog) => backlog.parse().map_err(|_| parsed.error("backlog= takes a number"))?,
        };
        let (addr, dual_stack) = (SocketAddr::new(ip, port).into(), interface.is_none());
        Ok(ListenPlace::Address(crate::driver::Bind { addr, dual_stack, mode: None, backlog }))
    }

    /// Reads it as a client's endpoint.
    pub(crate) fn connect_place(&self) -> Result<ConnectPlace> {
        let Place::Parsed(parsed) = &*self.place else {
            return Err("a bound socket cannot be connected to".into());
        };
        parsed.kind_is_tcp()?;
        parsed.only(&["bind", "timeout"])?;
        let [host, port] = &parsed.values[..] else {
            return Err(parsed.error("a client's endpoint is tcp:HOST:PORT, as in tcp:127.0.0.1:8080"));
        };
        let from = parsed.option("bind").map(|bind| {
            let ip: IpAddr = bind.parse().map_err(|_| parsed.error("bind= takes an IP address"))?;
            Ok::<_, crate::Error>(SocketAddr::new(ip, 0))
        });
        let timeout = parsed.option("timeout").map(|timeout| {
            let seconds: f64 = timeout.parse().map_err(|_| parsed.error("timeout= takes seconds"))?;
            Duration::try_from_secs_f64(seconds).map_err(|_| parsed.error("timeout= takes seconds"))
        });
        Ok(ConnectPlace {
            host: host.clone(),
            port: parsed.port(port)?,
            from: from.transpose()?,
            timeout: timeout.transpose()?.unwrap_or(CONNECT_TIMEOUT),
        })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.place {
            Place::Parsed(parsed) => write!(f, "Endpoint({})", parsed.text),
            Place::Socket(_) => f.write_str("Endpoint(a bound socket)"),
        }
    }
}

impl Parsed {
    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn error(&self, what: impl Into<String>) -> crate::Error {
        EndpointError { endpoint: self.text.clone(), what: what.into() }.into()
    }

    fn kind_is_tcp(&self) -> Result {
        if self.kind == "tcp" {
            return Ok(());
        }
        Err(self.error(format!("unknown kind {:?}; known: tcp", self.kind)))
    }

    fn only(&self, known: &[&str]) -> Result {
        match self.options.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, _)) => Err(self.error(format!("unknown option {key:?}; known: {}", known.join(", ")))),
        }
    }

    fn port(&self, text: &str) -> Result<u16> {
        text.parse().map_err(|_| self.error(format!("{text:?} is not a port: ports are 0 to 65535")))
    }
}

fn parse(text: &str) -> Result<Parsed> {
    let mut parts = split(text).into_iter();
    let kind = parts.next().unwrap_or_default();
    let mut parsed = Parsed { text: text.into(), kind, values: Vec::new(), options: Vec::new() };
    for part in parts {
        match part.split_once('=') {
            Some((key, value)) => parsed.options.push((key.into(), unbracket(value).into())),
            None if parsed.options.is_empty() => parsed.values.push(unbracket(&part).into()),
            None => return Err(parsed.error(format!(
                    "{part:?} stands behind the options; a colon within a value is written \\: or the value stands in brackets"
                ))),
        }
    }
    Ok(parsed)
}

/// Splits at colons that are neither escaped nor within brackets.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut within) = (Vec::new(), String::new(), false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => part.extend(chars.next()),
            ':' if !within => parts.push(std::mem::take(&mut part)),
            c => {
                within = (within || c == '[') && c != ']';
                part.push(c);
            }
        }
    }
    parts.push(part);
    parts
}

fn unbracket(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Result<String> {
        match text.into_endpoint()?.listen_place()? {
            ListenPlace::Address(bind) => Ok(format!("{} {} {}", bind.addr, bind.dual_stack, bind.backlog)),
            ListenPlace::Socket(_) => Ok("socket".into()),
        }
    }

    fn connect(text: &str) -> Result<String> {
        let place = text.into_endpoint()?.connect_place()?;
        Ok(format!("{} {} {:?} {:?}", place.host, place.port, place.from, place.timeout))
    }

    #[test]
    fn server_strings() {
        for (text, means) in [
            ("tcp:8080", "[::]:8080 true 4096"),
            ("tcp:0:interface=127.0.0.1", "127.0.0.1:0 false 4096"),
            (r"tcp:80:interface=\:\:1", "[::1]:80 false 4096"),
            ("tcp:80:interface=[::1]:backlog=7", "[::1]:80 false 7"),
        ] {
            assert_eq!(listen(text).unwrap(), means);
        }
    }

    #[test]
    fn client_strings() {
        for (text, means) in [
            ("tcp:example.org:80", "example.org 80 None 30s"),
            ("tcp:[::1]:80:bind=[::1]:timeout=1.5", "::1 80 Some([::1]:0) 1.5s"),
        ] {
            assert_eq!(connect(text).unwrap(), means);
        }
    }

    #[test]
    fn errors_name_the_string_and_the_remedy() {
        for (text, part) in [
            ("", "unknown kind"),
            ("quic:80", "known: tcp"),
            ("tcp", "tcp:PORT"),
            ("tcp:http", "not a port"),
            ("tcp:70000", "0 to 65535"),
            ("tcp:80:interfaces=lo", "known: interface, backlog"),
            ("tcp:80:interface=::1", "in brackets"),
            ("tcp:80:interface=lo", "IP address"),
            ("tcp:80:backlog=1:81", "behind the options"),
        ] {
            let error = listen(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(&format!("{text:?}")), "{error}");
        }
        assert!(connect("tcp:80").unwrap_err().to_string().contains("tcp:HOST:PORT"));
        assert!(connect("tcp:h:80:timeout=-1").is_err());
    }
}
