//! Proxies for Trenza. [`socks`] and [`http`] are codecs: bytes in, bytes out. [`header`] is the PROXY protocol.

pub mod header;
pub mod http;
pub mod socks;
mod target;

pub use target::{Host, NAME_MAX, NameError, Target};

use trenza_core::Reactor;

/// Makes the endpoints of this crate known to a reactor: `haproxy:`, before those of servers and clients.
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
    reactor.register(header::Haproxy);
}
