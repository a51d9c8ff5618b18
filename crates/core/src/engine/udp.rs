//! UDP ports in the loop: [`UdpEntry`] in its table, and what becomes of what their handles ask for.

use crate::{
    Addr, Datagram, DatagramProtocol, Reason, Resolver, Result, UdpOption, UdpPort,
    datagram::port::Call,
    driver::{Bound, Close, Driver, Open, Token},
    engine::lost::contained,
    engine::turn::{Slot, Turn},
    flags::Flags,
    shared::Stop,
};
use std::{io, time::Duration};

/// How long a port rests after it could not receive.
const REST: Duration = Duration::from_millis(100);
/// The memory that a port keeps for what it sends next, in bytes.
const KEPT: usize = 4096;

/// A UDP port in the loop's table. No handle reaches the protocol.
pub(crate) struct UdpEntry {
    pub(crate) port: UdpPort,
    protocol: Box<dyn DatagramProtocol>,
}

/// What the handles of a UDP port ask the loop for.
pub(crate) enum Wish {
    /// Serves a bound socket.
    Open(Bound, Box<dyn DatagramProtocol>),
    /// Calls the protocol.
    Call(Call),
    /// Sets an option.
    Set(UdpOption, Resolver<()>),
    /// Tells the protocol that there is room again.
    Writable,
    /// Tells the protocol that a datagram was refused here.
    Failed(Addr, io::Error),
    /// Receives again.
    Rested,
    /// Ends the port.
    End,
}

impl UdpEntry {
    /// Calls the protocol, unless it is over; an error condemns the port.
    fn call(&mut self, f: impl FnOnce(&mut dyn DatagramProtocol, &UdpPort) -> Result) {
        let port = &self.port;
        if port.0.flags.any(Flags::CONDEMNED | Flags::LOST) {
            return;
        }
        let shared = &port.0.reactor.0;
        shared.running.set(port.0.token.get());
        let result = f(&mut *self.protocol, port);
        shared.running.set(None);
        if let Err(error) = result {
            port.condemn(Reason::Failed(error));
        }
    }

    /// A datagram came, or several in one piece.
    fn received(&mut self, datagram: Datagram<'_>) {
        let Datagram { data, from, to, ecn, stride } = datagram;
        let stride = stride.filter(|stride| (1..data.len()).contains(stride));
        let together = self.port.0.together.get();
        let Some(piece) = stride.filter(|_| !together) else {
            let pieces = stride.map_or(1, |stride| data.len().div_ceil(stride));
            return self.deliver(Datagram { data, from, to, ecn, stride }, pieces);
        };
        for data in data.chunks_mut(piece) {
            self.deliver(Datagram { data, from, to, ecn, stride: None }, 1);
        }
    }

    fn deliver(&mut self, datagram: Datagram<'_>, pieces: usize) {
        if !self.port.is_open() {
            return;
        }
        self.port.count(|counts| {
            counts.received += pieces as u64;
            counts.received_bytes += datagram.data.len() as u64;
        });
        self.call(|protocol, port| protocol.datagram_received(port, datagram));
    }
}

impl Turn {
    pub(crate) fn udp(&mut self, token: Token) -> Option<&mut UdpEntry> {
        match self.slots.get_mut(token.index)? {
            Slot::Udp(entry) if entry.port.0.token.get() == Some(token) => Some(entry),
            _ => None,
        }
    }

    pub(crate) fn datagram(&mut self, token: Token, datagram: Datagram<'_>) {
        if let Some(entry) = self.udp(token) {
            entry.received(datagram);
        }
    }

    pub(crate) fn undelivered(&mut self, token: Token, to: Option<&Addr>, error: &io::Error) {
        if let Some(entry) = self.udp(token).filter(|entry| entry.port.is_open()) {
            entry.call(|protocol, port| protocol.failed(port, to, error));
        }
    }

    /// The driver does not receive any more, as when the system has no memory.
    pub(crate) fn udp_failed(&mut self, token: Token, error: &io::Error) {
        let Some(entry) = self.udp(token) else { return };
        tracing::warn!(port = ?entry.port, %error, "cannot receive; trying again in {REST:?}");
        let port = entry.port.clone();
        entry.port.0.reactor.call_later(REST, move || port.wish(Wish::Rested)).detach();
        self.undelivered(token, None, error);
    }

    /// Does what a handle asked for.
    pub(crate) fn wish(&mut self, driver: &mut dyn Driver, port: &UdpPort, wish: Wish) {
        match wish {
            Wish::Open(bound, protocol) => self.open_udp(driver, port, bound, protocol),
            Wish::Call(call) => self.call_udp(port, call),
            Wish::Set(option, resolver) => resolver.fire(set(driver, port, option)),
            // When it has been filled again meanwhile, it hears of it another time.
            Wish::Writable if !port.is_open() || port.is_full() => {}
            Wish::Writable => self.call_udp(port, DatagramProtocol::writable),
            Wish::Failed(to, error) => {
                self.call_udp(port, |protocol, port| protocol.failed(port, Some(&to), &error));
            }
            Wish::Rested => {
                if let Some(token) = port.0.token.get().filter(|_| port.is_open()) {
                    driver.read(token, true);
                }
            }
            Wish::End => self.finish_udp(driver, port),
        }
    }

    fn call_udp(&mut self, port: &UdpPort, f: impl FnOnce(&mut dyn DatagramProtocol, &UdpPort) -> Result) {
        if let Some(entry) = port.0.token.get().and_then(|token| self.udp(token)) {
            entry.call(f);
        }
    }

    fn open_udp(
        &mut self,
        driver: &mut dyn Driver,
        port: &UdpPort,
        bound: Bound,
        protocol: Box<dyn DatagramProtocol>,
    ) {
        let entry = UdpEntry { port: port.clone(), protocol };
        let token = match driver.open(Open::Datagrams(bound)) {
            Ok(token) if self.reactor.0.stop.get() == Stop::Begun => {
                driver.close(token, Close::Abort);
                return entry.stop(Reason::Stopped);
            }
            Ok(token) => token,
            Err(error) => {
                tracing::error!(?port, %error, "cannot serve a bound socket");
                return entry.stop(Reason::Io(error));
            }
        };
        port.0.token.set(Some(token));
        self.reactor.0.udp_ports.borrow_mut().push(port.clone());
        driver.read(token, true);
        let is_open = port.is_open();
        drop(self.place(token, Slot::Udp(Box::new(entry))));
        if let Some(entry) = self.udp(token).filter(|_| is_open) {
            entry.call(|protocol, port| protocol.started(port));
        }
        // What was sent before there was a socket.
        port.mark_dirty();
    }

    /// Ends a port that is condemned.
    pub(crate) fn finish_udp(&mut self, driver: &mut dyn Driver, port: &UdpPort) {
        let Some(token) = port.0.token.take() else { return };
        if !crate::broken("leave-socket", 8) {
            driver.close(token, Close::Abort);
        }
        let slot = self.place(token, Slot::Free);
        self.reactor.0.udp_ports.borrow_mut().retain(|other| other != port);
        if let Slot::Udp(entry) = slot {
            entry.stop(port.0.reason.take().unwrap_or(Reason::Closed));
        }
    }

    /// Sends what waits, and ends a port that was closed.
    pub(crate) fn flush_udp(&mut self, driver: &mut dyn Driver, port: &UdpPort) {
        let state = &*port.0;
        state.flags.clear(Flags::DIRTY);
        let Some(token) = state.token.get().filter(|_| !state.flags.any(Flags::CONDEMNED | Flags::LOST))
        else {
            return;
        };
        if !state.out.borrow().is_empty() {
            // The driver may call code of a test's, so nothing is borrowed meanwhile.
            let mut out = state.out.take();
            state.away.set(out.cost());
            driver.send_to(token, &mut out);
            state.away.set(0);
            let meanwhile = state.out.take();
            out.append(&meanwhile);
            out.shrink(KEPT);
            let (sent, sent_bytes) = out.sent();
            port.count(|counts| (counts.sent, counts.sent_bytes) = (sent, sent_bytes));
            state.out.replace(out);
        }
        if state.flags.any(Flags::CLOSING) {
            return port.condemn(Reason::Closed);
        }
        if state.flags.any(Flags::FULL) && port.unsent() <= state.limits.borrow().low {
            state.flags.clear(Flags::FULL);
            port.wish(Wish::Writable);
        }
    }

    /// The reactor is stopping.
    pub(crate) fn stop_udp(&mut self) {
        let ports = self.reactor.0.udp_ports.borrow().clone();
        for port in ports {
            let Some(entry) = port.0.token.get().and_then(|token| self.udp(token)) else { continue };
            if port.is_open() && !contained("stopping", || entry.call(DatagramProtocol::stopping)) {
                self.reactor.0.running.set(None);
                port.condemn(Reason::Panicked);
            }
        }
    }
}

impl UdpEntry {
    /// Tells the protocol that it is over, and drops what belonged to the port.
    fn stop(self, reason: Reason) {
        let Self { port, mut protocol } = self;
        let state = &*port.0;
        state.flags.set(Flags::LOST);
        tracing::debug!(?port, %reason, "the port has ended");
        let unsent = state.out.borrow_mut().clear();
        port.count(|counts| counts.dropped += unsent);
        for _ in 0..crate::engine::lost::times_lost() {
            contained("stopped", || protocol.stopped(&port, &reason));
        }
        contained("a drop", || drop(protocol));
        contained("a drop", || drop(reason));
        state.cancels.take().cancel();
    }
}

fn set(driver: &mut dyn Driver, port: &UdpPort, option: UdpOption) -> Result {
    let token = port.0.token.get().ok_or("the UDP port has ended")?;
    driver.set_udp_option(token, &option).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot set on UDP port {}: {option}: {error}", port.0.addr))
            .into()
    })
}
