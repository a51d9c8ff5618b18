//! A driver with a deadline, whose events own what they tell: what every test here is made of.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::{
    io,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};
use trenza_core::driver::{Bind, Close, Driver, Event, Open, Token};
use trenza_sys::PollDriver;
use trenza_wire::OutBuf;

/// Nothing here takes a second; a test that waits so long has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// An event that borrows nothing.
#[derive(Debug)]
pub enum Told {
    Accepted { on: Token, new: Token, remote: SocketAddr, local: SocketAddr },
    Connected(Token, io::Result<SocketAddr>),
    Received(Token, Vec<u8>),
    Eof(Token),
    Sent(Token),
    Failed(Token, io::Error),
}

pub struct Net {
    pub driver: PollDriver,
    /// How often the system was waited for.
    pub waits: usize,
}

impl Net {
    pub fn new() -> Self {
        Self { driver: PollDriver::new().unwrap(), waits: 0 }
    }

    /// A listener that accepts, and where it is.
    pub fn listen(&mut self) -> (Token, SocketAddr) {
        self.listen_at("127.0.0.1:0", false)
    }

    pub fn listen_at(&mut self, addr: &str, dual_stack: bool) -> (Token, SocketAddr) {
        let bind =
            Bind { addr: addr.parse::<SocketAddr>().unwrap().into(), dual_stack, mode: None, backlog: 128 };
        let bound = self.driver.host().bind(&bind).unwrap();
        let addr = ip(&bound.addr);
        let token = self.driver.open(Open::Listen(bound)).unwrap();
        self.driver.read(token, true);
        (token, addr)
    }

    /// A connection that was accepted and is not read yet, and its peer.
    pub fn pair(&mut self) -> (Token, TcpStream) {
        let (listener, addr) = self.listen();
        let peer = TcpStream::connect(addr).unwrap();
        peer.set_read_timeout(Some(DEADLINE)).unwrap();
        peer.set_write_timeout(Some(DEADLINE)).unwrap();
        let new = self.accept();
        self.driver.close(listener, Close::Graceful);
        (new, peer)
    }

    pub fn accept(&mut self) -> Token {
        match self.next() {
            Told::Accepted { new, .. } => new,
            other => panic!("expected a connection, not {other:?}"),
        }
    }

    /// The next event, waited for.
    pub fn next(&mut self) -> Told {
        self.next_until(Instant::now() + DEADLINE).expect("nothing happened")
    }

    /// The next event that comes by then.
    pub fn next_until(&mut self, until: Instant) -> Option<Told> {
        loop {
            if let Some(told) = self.poll() {
                return Some(told);
            }
            if Instant::now() >= until {
                return None;
            }
            self.driver.wait(Some(until)).unwrap();
            self.waits += 1;
        }
    }

    /// The next event that is there.
    pub fn poll(&mut self) -> Option<Told> {
        self.driver.next().map(|event| match event {
            Event::Accepted { on, new, remote, local } => {
                Told::Accepted { on, new, remote: ip(&remote), local: ip(&local) }
            }
            Event::Connected { token, result } => Told::Connected(token, result.map(|addr| ip(&addr))),
            Event::Received { token, data } => {
                assert!(!data.is_empty());
                Told::Received(token, data.to_vec())
            }
            Event::Eof { token } => Told::Eof(token),
            Event::Sent { token, bytes } => {
                assert_eq!(bytes, 0);
                Told::Sent(token)
            }
            Event::Failed { token, error } => Told::Failed(token, error),
            _ => unreachable!("an event that this driver does not know"),
        })
    }

    /// Waits for nothing to happen, and returns how often the driver woke up for it.
    pub fn wakeups(&mut self, during: Duration) -> usize {
        let before = self.waits;
        assert!(self.next_until(Instant::now() + during).is_none());
        self.waits - before
    }

    /// Sends all of it; whatever else happens meanwhile is unexpected.
    pub fn send_all(&mut self, token: Token, out: &mut OutBuf) -> usize {
        let mut resumed = 0;
        self.driver.send(token, out);
        while !out.is_empty() {
            match self.next() {
                Told::Sent(of) if of == token => resumed += 1,
                other => panic!("expected room, not {other:?}"),
            }
            self.driver.send(token, out);
        }
        resumed
    }

    pub fn send(&mut self, token: Token, data: &[u8]) {
        let mut out = OutBuf::new();
        out.push_slice(data);
        self.send_all(token, &mut out);
    }
}

fn ip(addr: &trenza_core::Addr) -> SocketAddr {
    SocketAddr::new(addr.ip().unwrap(), addr.port().unwrap())
}

/// Bytes that show where they come from.
pub fn pattern(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}
