//! The kind `tcp`.

use crate::{
    Choice, Connecting, EndpointKind, Form, Given, ListenOn, Listening, Policy, Reactor, Result, Usage,
    driver::Bind, policy::options,
};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// How many connections the system holds before they are accepted, unless `backlog=` says otherwise.
pub(crate) const BACKLOG: i32 = 4096;

/// `tcp:PORT` and `tcp:HOST:PORT`.
pub(crate) struct Tcp;

const SERVER: Form = Form {
    values: &["PORT"],
    options: &[
        Choice { name: "interface", value: "IP", about: "one address; without it all, IPv4 and IPv6" },
        Choice { name: "backlog", value: "NUMBER", about: "how many connections wait to be accepted; 4096" },
        options::CONNECTIONS,
        options::PER_ADDRESS,
        options::RATE_IN,
        options::RATE_OUT,
        options::IDLE,
        options::DEADLINE,
        options::LOG,
    ],
    inner: false,
    below: None,
    about: "a TCP port; 0 is any that is free",
    examples: &["tcp:8080", "tcp:8080:interface=127.0.0.1", "tcp:8080:interface=[::1]:backlog=128"],
};

const CLIENT: Form = Form {
    values: &["HOST", "PORT"],
    options: &[
        Choice { name: "bind", value: "IP", about: "the address to connect from" },
        Choice { name: "timeout", value: "SECONDS", about: "until when there must be a connection; 30" },
        options::RATE_IN,
        options::RATE_OUT,
        options::IDLE,
        options::DEADLINE,
        options::LOG,
    ],
    inner: false,
    below: None,
    about: "a TCP port of a host; the addresses of a name race",
    examples: &["tcp:example.org:80", "tcp:[::1]:80:bind=[::1]:timeout=5"],
};

impl EndpointKind for Tcp {
    fn usage(&self) -> Usage {
        Usage { name: "tcp", server: Some(SERVER), client: Some(CLIENT) }
    }

    fn listen(&self, given: &Given<'_>, _: &Reactor) -> Result<Listening> {
        let port = given.value(0)?.port()?;
        let interface = given.option("interface").map(|ip| ip.ip()).transpose()?;
        let backlog = given.option("backlog").map(|backlog| backlog.parse("a number")).transpose()?;
        let addr = SocketAddr::new(interface.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), port);
        let bind = Bind {
            addr: addr.into(),
            dual_stack: interface.is_none(),
            mode: None,
            backlog: backlog.unwrap_or(BACKLOG),
        };
        Ok(Listening { policy: Policy::given(given)?, ..Listening::on(ListenOn::Bind(bind)) })
    }

    fn connect(&self, given: &Given<'_>, _: &Reactor) -> Result<Connecting> {
        let mut connecting = Connecting::name(given.value(0)?.as_str(), given.value(1)?.port()?);
        let bind = given.option("bind").map(|ip| ip.ip()).transpose()?;
        connecting.from = bind.map(|ip| SocketAddr::new(ip, 0).into());
        if let Some(timeout) = given.option("timeout") {
            connecting.timeout = timeout.seconds()?;
        }
        connecting.policy = Policy::given(given)?;
        Ok(connecting)
    }
}
