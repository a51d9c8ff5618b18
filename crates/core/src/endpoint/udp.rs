//! The kind `udp`.

use crate::{
    Choice, ConnectTo, Connecting, EndpointKind, Form, Given, ListenOn, Listening, Reactor, Result, Usage,
    driver::BindUdp,
};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// `udp:PORT` and `udp:HOST:PORT`.
pub(crate) struct Udp;

const SERVER: Form = Form {
    values: &["PORT"],
    options: &[
        Choice { name: "interface", value: "IP", about: "one address; without it all, IPv4 and IPv6" },
        Choice {
            name: "reuse",
            value: "YES|NO",
            about: "others may bind it too, as members of a group do; no",
        },
    ],
    inner: false,
    below: None,
    about: "a UDP port; 0 is any that is free",
    examples: &["udp:53", "udp:53:interface=127.0.0.1", "udp:5353:reuse=yes"],
};

const CLIENT: Form = Form {
    values: &["HOST", "PORT"],
    options: &[Choice { name: "bind", value: "IP", about: "the address to send from" }],
    inner: false,
    below: None,
    about: "a UDP port of a host, the only peer",
    examples: &["udp:example.org:53", "udp:[::1]:53:bind=[::1]"],
};

impl EndpointKind for Udp {
    fn usage(&self) -> Usage {
        Usage { name: "udp", server: Some(SERVER), client: Some(CLIENT) }
    }

    fn is_for_datagrams(&self) -> bool {
        true
    }

    fn listen(&self, given: &Given<'_>, _: &Reactor) -> Result<Listening> {
        let port = given.value(0)?.port()?;
        let interface = given.option("interface").map(|ip| ip.ip()).transpose()?;
        let reuse = given.option("reuse").map(|reuse| reuse.flag()).transpose()?.unwrap_or(false);
        let addr = SocketAddr::new(interface.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), port);
        let how = BindUdp { dual_stack: interface.is_none(), reuse, ..BindUdp::at(addr) };
        Ok(Listening::on(ListenOn::Datagrams(how)))
    }

    fn connect(&self, given: &Given<'_>, _: &Reactor) -> Result<Connecting> {
        let mut connecting = Connecting::name(given.value(0)?.as_str(), given.value(1)?.port()?);
        let bind = given.option("bind").map(|ip| ip.ip()).transpose()?;
        connecting.from = bind.map(|ip| SocketAddr::new(ip, 0).into());
        if let ConnectTo::Name { host, port } = connecting.to {
            connecting.to = ConnectTo::Datagrams { host, port };
        }
        Ok(connecting)
    }
}
