//! [`UdpPort`]: a port for datagrams seen from outside.

use crate::{
    Addr, DatagramProtocol, Deferred, Handle, Limits, Outbox, Outgoing, Reactor, Reason, Result, UdpOption,
    driver::Token,
    engine::{command::Command, udp::Wish},
    flags::Flags,
    handle::sealed::{self, Cancels},
};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    fmt,
    hash::{Hash, Hasher},
    io,
    net::IpAddr,
    panic::Location,
    rc::Rc,
};

/// What the handles of a UDP port share with the loop: what waits to be sent and flags, never the protocol.
pub(crate) struct UdpState {
    pub(crate) reactor: Reactor,
    /// The code that asked for it.
    pub(crate) made: &'static Location<'static>,
    pub(crate) addr: Addr,
    pub(crate) peer: Option<Addr>,
    /// Its place in the driver, once it is served.
    pub(crate) token: Cell<Option<Token>>,
    pub(crate) flags: Flags,
    pub(crate) out: RefCell<Outbox>,
    /// While the driver has the outbox: what is in it.
    pub(crate) away: Cell<usize>,
    pub(crate) limits: RefCell<Rc<Limits>>,
    pub(crate) counts: Cell<UdpCounts>,
    pub(crate) together: Cell<bool>,
    /// Why it will end.
    pub(crate) reason: Cell<Option<Reason>>,
    pub(crate) cancels: RefCell<Cancels>,
}

/// What a UDP port has moved and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UdpCounts {
    /// Datagrams that came.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Datagrams that the system has taken.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams that were not sent: over the unsent limit, after `close`, or refused by the system.
    pub dropped: u64,
    /// Bytes that wait to be sent, and 64 more for each datagram.
    pub unsent: usize,
}

/// A port for datagrams seen from outside: one `Rc`, `Eq + Hash`, cheap to clone. Its name is that of the first kind
/// that there was: it stands for UDP and for UNIX sockets alike.
///
/// Every method only queues or reads; none calls a protocol. All are harmless on a port that has ended. Dropping it
/// changes nothing: the port goes on until [`close`](UdpPort::close).
#[derive(Clone)]
pub struct UdpPort(pub(crate) Rc<UdpState>);

impl UdpPort {
    /// Queues a copy of a datagram, which leaves at the end of the turn. Never blocks. Those that follow each other to the
    /// same address, and are equally long but for the last, leave in one piece where the system can: they arrive one by one.
    ///
    /// False: it was dropped and counted, because more waits than [`Limits::unsent`] permits, or the port is closed,
    /// or it is connected and `to` is not its peer (which [`DatagramProtocol::failed`] hears of). True promises
    /// nothing, as always with datagrams.
    pub fn send(&self, out: Outgoing<'_>) -> bool {
        let state = &*self.0;
        if state.peer.as_ref().is_some_and(|peer| peer != out.to) {
            let what = "a connected UDP port sends to its peer only";
            self.wish(Wish::Failed(out.to.clone(), io::Error::new(io::ErrorKind::InvalidInput, what)));
            return self.dropped(&out);
        }
        if state.flags.any(Flags::CLOSING | Flags::CONDEMNED | Flags::LOST) {
            return self.dropped(&out);
        }
        let (high, most) = {
            let limits = state.limits.borrow();
            (limits.high, limits.unsent)
        };
        let after = self.unsent().saturating_add(Outbox::cost_of(&out));
        if after > most && !crate::broken("exceed-unsent", 1) {
            return self.dropped(&out);
        }
        state.out.borrow_mut().push(out);
        if after > high {
            state.flags.set(Flags::FULL);
        }
        self.mark_dirty();
        true
    }

    /// Queues a datagram without anything special; otherwise like [`UdpPort::send`].
    pub fn send_to(&self, to: &Addr, data: &[u8]) -> bool {
        self.send(Outgoing::new(to, data))
    }

    /// Queues a datagram to the peer of a connected port; otherwise like [`UdpPort::send`]. False on a port that is
    /// not connected.
    pub fn write(&self, data: &[u8]) -> bool {
        self.0.peer.as_ref().is_some_and(|peer| self.send(Outgoing::new(peer, data)))
    }

    fn dropped(&self, out: &Outgoing<'_>) -> bool {
        self.count(|counts| counts.dropped += out.pieces() as u64);
        false
    }

    /// True from when more than [`Limits::high`] waits to be sent until it is down to [`Limits::low`], when the
    /// protocol hears [`DatagramProtocol::writable`].
    pub fn is_full(&self) -> bool {
        self.0.flags.any(Flags::FULL)
    }

    /// Ends the port at the end of the turn, with [`Reason::Closed`]. What the system has no room for then is dropped.
    /// Nothing is received any more from now on.
    pub fn close(&self) {
        if !self.0.flags.any(Flags::CLOSING | Flags::CONDEMNED | Flags::LOST) {
            self.0.flags.set(Flags::CLOSING);
            self.mark_dirty();
        }
    }

    /// True until it was closed or has ended.
    pub fn is_open(&self) -> bool {
        !self.0.flags.any(Flags::CLOSING | Flags::CONDEMNED | Flags::LOST)
    }

    /// The typed way back into the protocol.
    pub fn handle<P: DatagramProtocol>(&self) -> Handle<P, Self> {
        Handle::new(self.clone())
    }

    /// Sets an option. It holds for what leaves from then on, what waits included. The result fires with an error
    /// that names the option when the system refuses; [`detach`](Deferred::detach) logs it.
    pub fn set_option(&self, option: UdpOption) -> Deferred<()> {
        let (deferred, resolver) = self.0.reactor.deferred();
        self.wish(Wish::Set(option, resolver));
        deferred
    }

    /// Receives what is sent to a multicast group, on the interface that the system's routes say.
    pub fn join(&self, group: IpAddr) -> Deferred<()> {
        self.set_option(UdpOption::Join { group, interface: crate::Interface::Any })
    }

    /// Leaves a group that was joined with [`UdpPort::join`].
    pub fn leave(&self, group: IpAddr) -> Deferred<()> {
        self.set_option(UdpOption::Leave { group, interface: crate::Interface::Any })
    }

    /// Whether datagrams of one sender that came together are given in one piece ([`Datagram::stride`]), as suits
    /// protocols with very many of them. Default false: each is given by itself.
    ///
    /// [`Datagram::stride`]: crate::Datagram::stride
    pub fn set_together(&self, on: bool) {
        self.0.together.set(on);
    }

    /// Sets how much may wait to be sent: [`Limits::high`], [`Limits::low`] and [`Limits::unsent`], in bytes and 64
    /// more for each datagram. At first those of [`Reactor::set_limits`]. The others are for connections.
    pub fn set_limits(&self, limits: Limits) {
        *self.0.limits.borrow_mut() = Rc::new(limits);
    }

    /// What it has moved and what it holds.
    pub fn counts(&self) -> UdpCounts {
        UdpCounts { unsent: self.unsent(), ..self.0.counts.get() }
    }

    /// The address that it is bound to; with port 0 asked for, the one that it got.
    pub fn addr(&self) -> Addr {
        self.0.addr.clone()
    }

    /// The peer of a connected port.
    pub fn peer(&self) -> Option<Addr> {
        self.0.peer.clone()
    }

    /// The reactor that it belongs to.
    pub fn reactor(&self) -> &Reactor {
        &self.0.reactor
    }

    pub(crate) fn unsent(&self) -> usize {
        self.0.out.borrow().cost() + self.0.away.get()
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut UdpCounts)) {
        let mut counts = self.0.counts.get();
        change(&mut counts);
        self.0.counts.set(counts);
    }

    pub(crate) fn wish(&self, wish: Wish) {
        self.0.reactor.0.command(Command::Udp(self.clone(), wish));
    }

    pub(crate) fn mark_dirty(&self) {
        if !self.0.flags.any(Flags::DIRTY | Flags::LOST) {
            self.0.flags.set(Flags::DIRTY);
            self.0.reactor.0.mark_dirty_udp(self.clone());
        }
    }

    /// Ends the port with a reason; the first one counts.
    pub(crate) fn condemn(&self, reason: Reason) {
        if self.0.flags.any(Flags::CONDEMNED | Flags::LOST) {
            return drop(reason);
        }
        self.0.flags.set(Flags::CONDEMNED);
        self.0.reason.set(Some(reason));
        self.wish(Wish::End);
    }
}

/// A call into the protocol of a UDP port.
pub(crate) type Call = Box<dyn FnOnce(&mut dyn DatagramProtocol, &UdpPort) -> Result>;

impl<P: DatagramProtocol> sealed::Home<P> for UdpPort {
    fn reactor(&self) -> &Reactor {
        self.reactor()
    }

    fn queue(&self, f: impl FnOnce(&mut P, &Self) -> Result + 'static) {
        let call = move |protocol: &mut dyn DatagramProtocol, port: &Self| match (protocol as &mut dyn Any)
            .downcast_mut::<P>()
        {
            Some(protocol) => f(protocol, port),
            None => {
                tracing::debug!(?port, "a call for a protocol that the port does not have");
                Ok(())
            }
        };
        self.wish(Wish::Call(Box::new(call)));
    }

    fn with_cancels<T>(&self, f: impl FnOnce(&mut Cancels) -> T) -> Option<T> {
        (!self.0.flags.any(Flags::LOST)).then(|| f(&mut self.0.cancels.borrow_mut()))
    }
}

impl PartialEq for UdpPort {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for UdpPort {}

impl Hash for UdpPort {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for UdpPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.peer {
            Some(peer) => write!(f, "UdpPort({} to {peer})", self.0.addr),
            None => write!(f, "UdpPort({})", self.0.addr),
        }
    }
}
