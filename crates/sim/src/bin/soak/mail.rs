//! [`Mail`]: every datagram that was sent, and what may be told of it: unchanged, where it was sent to, or nothing.

use crate::judge::{Invariant, Judge};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};
use trenza_core::{Addr, UdpPort};

/// The bytes of a datagram's number, with which it begins.
const NUMBER: usize = 8;
/// How often a datagram may come to one port: networks double some.
const COPIES_MAX: u32 = 2;

/// What was sent, by number.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    sent: RefCell<Vec<Sent>>,
    /// How often a datagram has come to a port.
    arrived: RefCell<BTreeMap<(usize, usize), u32>>,
    ports: RefCell<Vec<Life>>,
}

#[derive(Debug)]
struct Sent {
    data: Vec<u8>,
    to: SocketAddr,
    /// The addresses of the host that has sent it, and its port.
    from: ([IpAddr; 2], u16),
}

/// How often a port has heard of its beginning and its end.
#[derive(Debug, Default, Clone, Copy)]
struct Life {
    started: u32,
    stopped: u32,
}

impl Mail {
    /// A new port; gives its number.
    pub(crate) fn open(&self) -> usize {
        let mut ports = self.ports.borrow_mut();
        ports.push(Life::default());
        ports.len() - 1
    }

    /// A new datagram of so many bytes and some for its number.
    pub(crate) fn write(&self, from: ([IpAddr; 2], u16), to: SocketAddr, len: usize) -> Vec<u8> {
        let mut sent = self.sent.borrow_mut();
        let number = sent.len();
        let body = (0..len).map(|at| (number * 31 + at * 7) as u8);
        let data: Vec<u8> = (number as u64).to_be_bytes().into_iter().chain(body).collect();
        sent.push(Sent { data: data.clone(), to, from });
        data
    }

    /// The port has heard of its beginning.
    pub(crate) fn started(&self, judge: &Judge, port: usize) {
        judge.count_callback();
        let life = &mut self.ports.borrow_mut()[port];
        life.started += 1;
        if (life.started, life.stopped) != (1, 0) {
            judge.breach(Invariant::Order, format!("a UDP port starts as {life:?}"));
        }
    }

    /// The port hears something in the middle of its life.
    pub(crate) fn called(&self, judge: &Judge, port: usize) {
        judge.count_callback();
        let life = self.ports.borrow()[port];
        if (life.started, life.stopped) != (1, 0) {
            judge.breach(Invariant::Order, format!("a UDP port is called that is {life:?}"));
        }
    }

    /// The port has heard of its end.
    pub(crate) fn stopped(&self, judge: &Judge, port: usize) {
        judge.count_callback();
        let life = &mut self.ports.borrow_mut()[port];
        life.stopped += 1;
        if life.stopped > 1 {
            judge.breach(Invariant::LostOnce, format!("a UDP port ends as {life:?}"));
        }
    }

    /// A datagram has come to a port of a host with these addresses.
    pub(crate) fn arrived(
        &self,
        judge: &Judge,
        (serial, port, own): (usize, &UdpPort, [IpAddr; 2]),
        (from, to, data): (&Addr, Option<IpAddr>, &[u8]),
    ) {
        let breach = |what: &str| {
            judge.breach(Invariant::Mail, format!("{port:?} hears {} bytes from {from}: {what}", data.len()));
        };
        let all = self.sent.borrow();
        let number = data.first_chunk::<NUMBER>().map(|number| u64::from_be_bytes(*number) as usize);
        let Some((number, sent)) = number.and_then(|number| Some((number, all.get(number)?))) else {
            return breach("nobody has sent it");
        };
        if sent.data != data {
            return breach("it was changed on its way");
        }
        if port.addr().port() != Some(sent.to.port()) || to != Some(sent.to.ip()) {
            return breach(&format!("it was sent to {}, not to {to:?}", sent.to));
        }
        if !sent.to.ip().is_multicast() && !own.contains(&sent.to.ip()) {
            return breach(&format!("it was sent to {}, another host", sent.to));
        }
        if !from.ip().is_some_and(|ip| sent.from.0.contains(&ip)) || from.port() != Some(sent.from.1) {
            return breach(&format!("it was sent by {:?}", sent.from));
        }
        let mut arrived = self.arrived.borrow_mut();
        let count = arrived.entry((number, serial)).or_default();
        *count += 1;
        if *count > COPIES_MAX {
            breach(&format!("for the {count}th time"));
        }
    }

    /// Looks at the books when all is over.
    pub(crate) fn audit(&self, judge: &Judge) {
        for life in self.ports.borrow().iter().filter(|life| life.started != life.stopped) {
            // One that was closed or cut off before it has started may end all the same.
            if life.started == 1 {
                judge.breach(Invariant::LostOnce, format!("a UDP port was {life:?}"));
            }
        }
    }
}
