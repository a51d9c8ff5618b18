//! [`Scene`]: one of ours, and a script that is up to no good.

use crate::{
    ground::Authority,
    insider::{self, Insider, Version},
};
use rustls::Connection;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use trenza_core::{Endpoint, Input, IntoEndpoint, Limits, Policy, Protocol, Result, Seen, Transport};
use trenza_sim::{HostHandle, Net, Probe};
use trenza_tls::{ServerTls, Side};

/// What a victim may hold of what it wants to say: an answer for each time that it puts up with something.
const HELD_MAX: usize = 40 * 64;
/// Whoever may be attacked.
pub(crate) const BOTH: [Victim; 2] = [Victim::Server, Victim::Client];

/// Who is attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Server,
    Client,
}

/// What became of the victim.
#[derive(Default)]
pub(crate) struct Fate {
    /// Bytes from the wire.
    pub(crate) received: Cell<usize>,
    /// The most that it held at once.
    pub(crate) held: Cell<usize>,
    pub(crate) heard: RefCell<Vec<u8>>,
    pub(crate) ended: RefCell<Option<String>>,
}

/// Keeps what it hears.
struct Listen(Rc<Fate>);

impl Protocol for Listen {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.0.heard.borrow_mut().extend_from_slice(input.rest());
        Ok(())
    }
}

/// A victim in a network without hostility, and a script at the other end.
pub(crate) struct Scene {
    pub(crate) net: Net,
    pub(crate) host: HostHandle,
    pub(crate) probe: Probe,
    pub(crate) fate: Rc<Fate>,
    pub(crate) ca: Authority,
}

impl Scene {
    pub(crate) fn new(victim: Victim) -> Self {
        let (net, ca, fate) = (Net::gentle(1), Authority::new("ca"), Rc::new(Fate::default()));
        let (host, other) = (net.host("victim"), net.host("other"));
        // It does not read on after an error, so that what it has received is what it looked at.
        host.run(|reactor| reactor.set_limits(Limits { linger: Duration::ZERO, ..Limits::default() }));
        let listen = Listen(fate.clone());
        let probe = match victim {
            Victim::Server => {
                let tls = ServerTls::new(ca.sign("srv", &["srv"])).resumption(false).build().unwrap();
                let on = watched(tls.over("tcp:443".into_endpoint().unwrap()), &fate);
                let fate = fate.clone();
                host.run(|reactor| reactor.listen(on, move |_| Listen(fate.clone())).map(drop)).unwrap();
                other.probe("tcp:victim:443")
            }
            Victim::Client => {
                let tls = ca.client().build().unwrap().to("srv").unwrap();
                let listener = other.probe_listen("tcp:443");
                let to = watched(tls.over("tcp:other:443".into_endpoint().unwrap()), &fate);
                host.run(|reactor| reactor.connect(to, move |_| listen).then(drop));
                net.run();
                listener.accept().unwrap()
            }
        };
        net.run();
        Self { net, host, probe, fate, ca }
    }

    /// Shakes hands as the peer of the victim.
    pub(crate) fn peer(&self, victim: Victim, version: Version) -> Connection {
        let mut peer = match victim {
            Victim::Server => insider::client(&self.ca, version).into(),
            Victim::Client => insider::server(&self.ca, version).into(),
        };
        insider::shake_hands(&self.net, &self.probe, &mut peer);
        peer
    }

    /// The same, and what the peer says from there on is not the library's.
    pub(crate) fn insider(&self, victim: Victim, version: Version) -> Insider {
        Insider::new(self.peer(victim, version), version)
    }

    /// Sends pieces until it is over; gives how many the victim has taken in.
    pub(crate) fn send(&self, pieces: impl IntoIterator<Item = Vec<u8>>) -> usize {
        let mut taken = 0;
        for piece in pieces {
            if self.fate.ended.borrow().is_some() {
                break;
            }
            self.probe.send(piece);
            self.net.run();
            taken += 1;
        }
        taken
    }

    /// It has ended for this reason, having held next to nothing, and there is nothing left of it.
    pub(crate) fn ends(&self, what: &str, reason: &str) {
        let ended = self.fate.ended.borrow().clone();
        assert!(ended.as_ref().is_some_and(|end| end.contains(reason)), "{what}: {ended:?}");
        assert!(self.fate.held.get() <= HELD_MAX, "{what}: it held {} bytes", self.fate.held.get());
        assert_eq!(self.host.left().connections, 0, "{what}");
        assert!(self.probe.lost(), "{what}: nobody told the peer");
    }
}

/// With somebody who looks on.
pub(crate) fn watched(endpoint: Endpoint, fate: &Rc<Fate>) -> Endpoint {
    let fate = fate.clone();
    endpoint.policy(Policy::new().tap(move |_: &Transport| {
        let fate = fate.clone();
        move |transport: &Transport, seen: Seen<'_>| {
            let counts = transport.counts();
            fate.held.set(fate.held.get().max(counts.unread + counts.unsent));
            match seen {
                Seen::Received(data) => fate.received.set(fate.received.get() + data.len()),
                Seen::Ended(reason) => *fate.ended.borrow_mut() = Some(reason.to_string()),
                _ => {}
            }
        }
    }))
}
