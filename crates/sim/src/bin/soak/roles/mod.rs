//! What servers and clients of the soak do.

mod bulk;
mod coroutine;
mod lines;
mod monkey;
mod postman;
mod proxy;
mod rude;

pub(crate) use bulk::{Echo, Sink, Source};
pub(crate) use coroutine::{open, serve};
pub(crate) use lines::{LineClient, LineServer};
pub(crate) use monkey::Monkey;
pub(crate) use postman::{Hosts, PORTS, Postman};
pub(crate) use proxy::Proxy;
pub(crate) use rude::{Deliberate, Flood, Rude};

use std::time::Duration;
use trenza_core::{Reactor, Transport};

/// A number from 0 to `below - 1`, from the host's own chance.
pub(crate) fn draw(transport: &Transport, below: usize) -> usize {
    draw_from(transport.reactor(), below)
}

pub(crate) fn draw_from(reactor: &Reactor, below: usize) -> usize {
    let mut bytes = [0; 8];
    reactor.random(&mut bytes);
    (u64::from_le_bytes(bytes) % below.max(1) as u64) as usize
}

/// A short time.
pub(crate) fn moment(transport: &Transport) -> Duration {
    Duration::from_micros(draw(transport, 8000) as u64)
}
