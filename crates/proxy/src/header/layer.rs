//! [`Reader`] and [`Writer`]: the header under a protocol.

use super::{Header, Told, parse};
use std::{ffi::OsStr, mem, os::unix::ffi::OsStrExt};
use trenza_core::{Addr, Buf, Flow, Layer, OutBuf, Peer, Result, UnixAddr, Wire};

/// Takes the header from the beginning of a connection, and then leaves: what follows passes by. The protocol is built
/// when the header is there; then [`Peer::remote`] is the client and [`Peer::via`] the proxy. A header that names nobody
/// (`LOCAL`, `UNKNOWN`) leaves the peer as it is.
///
/// Whoever may connect may claim to be anybody: put it only where none but the proxy can.
///
/// How long a header may be is limited by [`LINE_MAX`](super::LINE_MAX) and [`BLOCK_MAX`](super::BLOCK_MAX), how long it
/// may take by [`Limits::handshake`](trenza_core::Limits::handshake).
///
/// ```
/// use trenza_core::{Input, IntoEndpoint, Protocol, Result, Transport};
/// use trenza_proxy::header::Reader;
///
/// struct Greet;
///
/// impl Protocol for Greet {
///     fn connection_made(&mut self, transport: &Transport) -> Result {
///         write!(transport, "hello, {}", transport.peer().remote)
///     }
///     fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// let on = "tcp:7007".into_endpoint()?.layered(|| vec![Box::new(Reader::new())]);
/// net.host("srv").run(|reactor| reactor.listen(on, |_| Greet).map(drop))?;
/// let proxy = net.host("proxy").probe("tcp:srv:7007");
/// proxy.send("PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n");
/// net.run();
/// assert_eq!(proxy.received(), b"hello, 192.0.2.1:5000");
/// # Ok::<(), trenza_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    found: Option<Told>,
}

impl Reader {
    /// For a connection of which nothing was received yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Layer for Reader {
    fn decode(&mut self, wire: &mut Wire<'_>, _: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
        let Some((header, used)) = parse(wire.bytes())? else { return Ok(Flow::More) };
        wire.consume(used);
        self.found = Some(header.told);
        Ok(Flow::Done)
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        down.append(plain);
        Ok(())
    }

    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Err("the connection ended within its PROXY header".into())
    }

    fn ready(&self) -> bool {
        self.found.is_some()
    }

    fn describe(&self, peer: &mut Peer) {
        let client = match &self.found {
            Some(Told::Ip { source, .. }) => Addr::from(*source),
            Some(Told::Unix { source, .. }) => Addr::from(unix(source)),
            Some(Told::Local | Told::Unknown) | None => return,
        };
        peer.via = Some(mem::replace(&mut peer.remote, client));
    }
}

/// The address with this path, which is one of Linux's abstract names if a zero stands before it.
fn unix(path: &[u8]) -> UnixAddr {
    match path.split_first() {
        None => UnixAddr::Unnamed,
        Some((0, name)) => UnixAddr::abstract_name(name),
        Some(_) => UnixAddr::path(OsStr::from_bytes(path)),
    }
}

/// Sends a header before everything else, and leaves when the first bytes come.
///
/// A program that passes connections on tells with it for whom it does:
///
/// ```
/// use trenza_core::{Input, IntoEndpoint, Protocol, Result, Transport};
/// use trenza_proxy::header::{Header, Told, Version, Writer};
///
/// struct Ask;
///
/// impl Protocol for Ask {
///     fn connection_made(&mut self, transport: &Transport) -> Result {
///         transport.write(b"what?");
///         Ok(())
///     }
///     fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// let servers = net.host("srv").probe_listen("tcp:80");
/// let told = Told::Ip { source: "192.0.2.1:5000".parse()?, destination: "192.0.2.2:80".parse()? };
/// let header = Header { version: Version::V1, told };
/// let to = "tcp:srv:80".into_endpoint()?.layered(move || vec![Box::new(Writer::new(&header))]);
/// net.host("proxy").run(|reactor| reactor.connect(to, |_| Ask).detach());
/// net.run();
/// let received = servers.accept().ok_or("nobody came")?.received();
/// assert_eq!(received, b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\nwhat?");
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    header: Vec<u8>,
}

impl Writer {
    /// For a connection on which nothing was sent yet.
    pub fn new(header: &Header) -> Self {
        Self { header: header.encode() }
    }
}

impl Layer for Writer {
    /// Nothing comes before the header was answered, so it has left.
    fn decode(&mut self, _: &mut Wire<'_>, _: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        self.encode(&mut OutBuf::new(), down)?;
        Ok(Flow::Done)
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        if !self.header.is_empty() {
            down.push_vec(mem::take(&mut self.header));
        }
        down.append(plain);
        Ok(())
    }

    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }

    fn ready(&self) -> bool {
        self.header.is_empty()
    }
}
