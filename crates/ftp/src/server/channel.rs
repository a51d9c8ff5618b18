//! [`Channel`]: where data connections come from: PASV, EPSV, PORT, EPRT (RFC 959, 2428; RFC 2577 for what is refused).

use super::{
    session::{Session, say},
    waiting::Doorman,
};
use crate::{Code, Family, address, command::Epsv};
use std::{
    net::{IpAddr, SocketAddr, SocketAddrV4},
    ops::RangeInclusive,
};
use trenza_core::{Addr, ConnectTo, Connecting, Endpoint, Port, Timer, Transport};

/// The lowest port that is connected to: below it are services, which nobody may be made to talk to (RFC 2577
/// section 3).
const PORT_MIN: u16 = 1024;
/// Where ports are looked for unless the program says where. The system, asked for any, takes the longer the more
/// connections were closed lately: 1.7 ms a port after a mirror of 5,000 files, to 0.05 ms.
const PORTS: RangeInclusive<u16> = 32768..=65535;
/// So many ports of the range are tried.
const PORTS_TRIED: u16 = 64;

/// Where the next data connection comes from.
#[derive(Default)]
pub(super) enum Channel {
    /// Nobody has said.
    #[default]
    None,
    Passive(Passive),
    /// It is to be made to this address.
    Active(SocketAddr),
}

/// A port for one connection.
pub(super) struct Passive {
    pub(super) number: u64,
    /// None: it has served its purpose.
    port: Option<Port>,
    /// The connection, once it is there.
    pub(super) data: Option<Transport>,
    /// Ends it when nobody comes, or nobody wants what has come.
    timer: Timer,
}

impl Channel {
    /// Ends it.
    pub(super) fn close(self) {
        if let Self::Passive(mut passive) = self {
            // Who has been let in and was not announced yet ends with it.
            if let Some(port) = &passive.port {
                port.abort();
            }
            passive.shut();
            if let Some(data) = passive.data {
                data.abort();
            }
        }
    }
}

impl Passive {
    /// No one else may come.
    fn shut(&mut self) {
        if let Some(port) = self.port.take() {
            port.stop().detach();
        }
    }
}

impl Session {
    pub(super) fn passive(&mut self, at: &Transport) {
        if self.settings.extended_only {
            return say(at, Code::BAD_SEQUENCE, "Only EPSV, after EPSV ALL");
        }
        let Some(SocketAddr::V4(local)) = local(at) else {
            return say(at, Code::NO_DATA_CONNECTION, "PASV is for IPv4: use EPSV");
        };
        let Some(port) = self.open(at, local.into()) else { return };
        let near = at.peer().remote.ip().is_some_and(is_near);
        let ip = self.config().public_address.filter(|_| !near).unwrap_or_else(|| *local.ip());
        say(at, Code::PASSIVE, address::write_227(SocketAddrV4::new(ip, port)));
    }

    pub(super) fn extended_passive(&mut self, at: &Transport, which: Epsv) {
        let Some(local) = local(at) else {
            return say(at, Code::NO_DATA_CONNECTION, "There are no ports on this kind of connection");
        };
        match which {
            Epsv::All => {
                self.settings.extended_only = true;
                return say(at, Code::OK, "Only EPSV from here on");
            }
            Epsv::Of(family) if family != Family::of(local.ip()) => {
                let family = Family::of(local.ip()).number();
                let text = format!("Network protocol not supported, use ({family})");
                return say(at, Code::NETWORK_PROTOCOL, text);
            }
            Epsv::Any | Epsv::Of(_) => {}
        }
        if let Some(port) = self.open(at, local) {
            say(at, Code::EXTENDED_PASSIVE, address::write_229(port));
        }
    }

    /// Listens for one connection of this client.
    fn open(&mut self, at: &Transport, local: SocketAddr) -> Option<u16> {
        std::mem::take(&mut self.channel).close();
        let (number, wait) = (self.number(), self.config().limits.data_wait);
        let from = at.peer().remote.ip()?;
        let listen = |port| {
            let doorman = Doorman::new(at.handle(), number, from, wait);
            let mut on = local;
            on.set_port(port);
            at.reactor().listen_with(on, doorman)
        };
        let Some(port) = self.ports(at).find_map(|port| listen(port).ok()) else {
            say(at, Code::NO_DATA_CONNECTION, "No port is free");
            return None;
        };
        let timer = self.expiry(at, number);
        let got = port.addr().port();
        self.channel = Channel::Passive(Passive { number, port: Some(port), data: None, timer });
        got
    }

    /// Ports to try, beginning at a random one, so that nobody can tell where others will be.
    fn ports(&self, at: &Transport) -> impl Iterator<Item = u16> + use<> {
        let own = self.config().passive_ports.clone();
        // Whoever did not say where gets any port before none.
        let any = own.is_none().then_some(0);
        let (start, end) = own.unwrap_or(PORTS).into_inner();
        let many = u32::from(end - start) + 1;
        let mut random = [0; 4];
        at.reactor().random(&mut random);
        let first = u32::from_le_bytes(random) % many;
        let tries = many.min(PORTS_TRIED.into());
        let some = (0..tries).map(move |n| {
            let offset = (first + n) % many;
            start + u16::try_from(offset).unwrap_or(0)
        });
        some.chain(any)
    }

    fn expiry(&self, at: &Transport, number: u64) -> Timer {
        at.handle::<Self>().call_later(self.config().limits.data_wait, move |session, _| {
            session.expired(number);
            Ok(())
        })
    }

    /// Somebody waits for the connection from now on.
    pub(super) fn extend(&mut self, at: &Transport) {
        let timer = match &self.channel {
            Channel::Passive(passive) => self.expiry(at, passive.number),
            _ => return,
        };
        if let Channel::Passive(passive) = &mut self.channel {
            passive.timer = timer;
        }
    }

    fn expired(&mut self, number: u64) {
        if self.passive_of(number).is_some() {
            std::mem::take(&mut self.channel).close();
            self.no_connection(number);
        }
    }

    pub(super) fn passive_of(&mut self, number: u64) -> Option<&mut Passive> {
        match &mut self.channel {
            Channel::Passive(passive) if passive.number == number => Some(passive),
            _ => None,
        }
    }

    /// A client has come to a passive port.
    pub(super) fn arrived(&mut self, at: &Transport, number: u64, data: &Transport) {
        match self.passive_of(number) {
            Some(passive) => {
                passive.shut();
                passive.data = Some(data.clone());
                if self.transfer.is_some() {
                    self.channel = Channel::None;
                    self.connected(at, number, data);
                }
            }
            None => data.abort(),
        }
    }

    /// It has gone before anybody wanted it.
    pub(super) fn left(&mut self, number: u64) {
        if self.passive_of(number).is_some_and(|passive| passive.data.is_some()) {
            self.channel = Channel::None;
            self.no_connection(number);
        }
    }

    pub(super) fn active(&mut self, at: &Transport, to: SocketAddr, extended: bool) {
        std::mem::take(&mut self.channel).close();
        if self.settings.extended_only {
            return say(at, Code::BAD_SEQUENCE, "Only EPSV, after EPSV ALL");
        }
        let Some(client) = at.peer().remote.socket().map(canonical) else {
            return say(at, Code::NO_DATA_CONNECTION, "There are no ports on this kind of connection");
        };
        // Else the server could be made to talk to others in its name (RFC 2577 section 2).
        if to.ip().to_canonical() != client.ip() {
            return say(at, Code::BAD_PARAMETER, "Data go to the address of this connection only");
        }
        if to.port() < PORT_MIN {
            return say(at, Code::BAD_PARAMETER, "Data go to ports from 1024 on only");
        }
        let mut to_client = client;
        to_client.set_port(to.port());
        self.channel = Channel::Active(to_client);
        say(at, Code::OK, if extended { "EPRT is fine" } else { "PORT is fine" });
    }

    /// What is to be connected to for an active transfer, from the address that the client knows.
    pub(super) fn dial(&self, at: &Transport, to: SocketAddr) -> Endpoint {
        let from = local(at).map(|mut from| {
            from.set_port(0);
            Addr::from(from)
        });
        let timeout = self.config().limits.data_wait;
        Endpoint::client(to.to_string(), move |_| {
            let mut connecting = Connecting::to(ConnectTo::Addresses(vec![to.into()]), to.to_string());
            connecting.from = from.clone();
            connecting.timeout = timeout;
            Ok(connecting)
        })
    }
}

/// The address that the client came to.
fn local(at: &Transport) -> Option<SocketAddr> {
    at.peer().local.socket().map(canonical)
}

/// IPv4 in IPv6 as what it is.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip if ip == addr.ip() => addr,
        ip => SocketAddr::new(ip, addr.port()),
    }
}

/// On the same side of a NAT as the server.
fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(_) => false,
    }
}
