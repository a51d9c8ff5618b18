//! Data connections: where they come from.

use super::{Client, ClientError, Security, control::shown};
use crate::{Code, Command, address, command::Epsv};
use std::{
    io,
    net::{IpAddr, SocketAddr},
};
use trenza_core::{Error, IntoEndpoint, Port, Queue, Stream, timeout};
use trenza_tls::StartTls;

/// How many connections are looked at for the one that the server makes. Others come from elsewhere and are dropped.
const STRANGERS_MAX: usize = 8;

/// A data connection that is there, or that the server is going to make.
pub(super) enum Data {
    Open(Stream),
    Awaited(Awaited),
}

/// A port that the server will connect to.
pub(super) struct Awaited {
    port: Port,
    came: Queue<Stream>,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.port.stop().detach();
    }
}

/// What is said of it in errors.
const DATA: &str = "data connection";

impl Client {
    /// Prepares a data connection, before the command that uses it.
    pub(super) async fn prepare_data(&mut self) -> Result<Data, ClientError> {
        if self.options.active {
            return self.active().await.map(Data::Awaited);
        }
        let to = self.passive().await?;
        let endpoint = match &self.options.route {
            Some(route) => (&(route.0)(to.port())).into_endpoint(),
            None => to.into_endpoint(),
        };
        let endpoint = endpoint.map_err(|error| ClientError::local(DATA, error))?;
        let limit = self.options.limits.connect;
        let reactor = self.control.stream().transport().reactor().clone();
        let open = timeout(limit, reactor.open(endpoint)).await;
        open.map(Data::Open).map_err(|error| ClientError::connection(DATA, error))
    }

    /// Asks the server for a port: EPSV, and where it does not know that, PASV from then on.
    async fn passive(&mut self) -> Result<SocketAddr, ClientError> {
        let remote = self.remote()?;
        if self.epsv {
            let command = Command::Epsv(Epsv::Any);
            let reply = self.control.ask(&command).await?;
            match reply.code() {
                Code::EXTENDED_PASSIVE => {
                    let port = address::parse_229(reply.last());
                    let port = port.ok_or_else(|| wrong(&command, "a 229 without a port"))?;
                    return Ok(SocketAddr::new(remote.ip(), port));
                }
                // Servers that do not know it say 500 to 504; some behind a NAT say 522 or else.
                code if code.is_failure() && code != Code::UNAVAILABLE && self.has_pasv(remote) => {
                    self.epsv = false
                }
                _ => return Err(ClientError::Refused { asked: shown(&command), reply }),
            }
        }
        let reply = self.ask(&Command::Pasv).await?;
        let told = address::parse_227(reply.last());
        let told = told.ok_or_else(|| wrong(&Command::Pasv, "a 227 without an address"))?;
        Ok(match self.options.trust_passive_host {
            true => told.into(),
            false => SocketAddr::new(remote.ip(), told.port()),
        })
    }

    /// Whether PASV, which has IPv4 addresses only, can be of use. Behind a proxy its address does not count.
    fn has_pasv(&self, remote: SocketAddr) -> bool {
        remote.is_ipv4() || self.options.route.is_some()
    }

    /// Listens, and tells the server where.
    async fn active(&mut self) -> Result<Awaited, ClientError> {
        let local = self.address(|peer| peer.local.socket())?;
        let reactor = self.control.stream().transport().reactor().clone();
        let came = Queue::new(&reactor, STRANGERS_MAX);
        let offer = came.clone();
        let port = reactor.serve(SocketAddr::new(local.ip(), 0), move |stream| {
            // Beyond so many it is dropped, which resets it.
            let _ = offer.try_put(stream);
            async { Ok(()) }
        });
        let port = port.map_err(|error| ClientError::local(DATA, error))?;
        let awaited = Awaited { port, came };
        let number = awaited.port.addr().port().unwrap_or(0);
        let told = SocketAddr::new(self.options.active_address.unwrap_or_else(|| local.ip()), number);
        match told {
            SocketAddr::V4(_) => self.ask(&Command::Port(told)).await?,
            SocketAddr::V6(_) => self.ask(&Command::Eprt(told)).await?,
        };
        Ok(awaited)
    }

    /// The data connection itself, after the server has said that it begins. TLS begins now: a server may take the
    /// connection only then.
    pub(super) async fn begin_data(&mut self, data: Data) -> Result<Stream, ClientError> {
        let mut stream = match data {
            Data::Open(stream) => stream,
            Data::Awaited(awaited) => self.accept(awaited).await?,
        };
        stream.end_at_stop(false);
        stream.transport().set_timeout(Some(self.options.limits.idle));
        if self.protected
            && let Security::Explicit(to) | Security::Implicit(to) = &self.options.security
        {
            stream.transport().start_tls(to).map_err(|error| ClientError::connection(DATA, error))?;
        }
        Ok(stream)
    }

    /// The connection that the server makes; those of others do not count.
    async fn accept(&mut self, awaited: Awaited) -> Result<Stream, ClientError> {
        let remote = self.remote()?.ip().to_canonical();
        let accepting = async {
            loop {
                let stream = awaited.came.get().await?;
                let from = stream.peer().remote.ip().map(|ip| ip.to_canonical());
                if from == Some(remote) {
                    return Ok(stream);
                }
            }
        };
        let stream: Result<Stream, Error> = timeout(self.options.limits.connect, accepting).await;
        stream.map_err(|error| ClientError::connection(DATA, error))
    }

    /// Whom data connections go to and come from.
    fn remote(&self) -> Result<SocketAddr, ClientError> {
        self.address(|peer| peer.remote.socket())
    }

    fn address(
        &self,
        which: impl FnOnce(&trenza_core::Peer) -> Option<SocketAddr>,
    ) -> Result<SocketAddr, ClientError> {
        let addr = which(&self.control.stream().peer()).map(canonical);
        addr.ok_or_else(|| {
            let why = "the control connection has no IP address, so there is none for data";
            ClientError::local(DATA, io::Error::new(io::ErrorKind::Unsupported, why))
        })
    }
}

/// An IPv4 address, where it is one in the clothes of IPv6.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => {
            SocketAddr::new(addr.ip().to_canonical(), addr.port())
        }
        _ => addr,
    }
}

fn wrong(command: &Command, what: &'static str) -> ClientError {
    ClientError::Protocol { asked: shown(command), what }
}
