//! What every test here is made of: cases, each of which runs on every driver of real systems, and a driver with a
//! deadline, whose events own what they tell.
#![allow(dead_code, unused_macros, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    sync::LazyLock,
    time::{Duration, Instant},
};
use trenza_core::driver::{Bind, Close, Driver, Event, Open, Token};
use trenza_sys::{DriverKind, SharedSockets};
use trenza_wire::OutBuf;

/// Nothing here takes a second; a test that waits so long has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// How often a driver may wake up for its own sake while nothing happens: when the time is over, and when the kernel
/// confirms what it was asked to end. One that spins does so thousands of times.
const WAKEUPS_MAX: usize = 5;

/// States cases, each a `fn(DriverKind)` that every driver must pass.
macro_rules! cases {
    ($($(#[$attribute:meta])* $case:ident)*) => { $(
        $(#[$attribute])*
        mod $case {
            #[test]
            fn poll() {
                super::$case(trenza_sys::DriverKind::Poll);
            }

            #[cfg(target_os = "linux")]
            #[test]
            fn uring() {
                if crate::common::has_uring(stringify!($case)) {
                    super::$case(trenza_sys::DriverKind::Uring);
                }
            }
        }
    )* };
}

/// Why there is no driver over io_uring here. It is found out once: to ask takes descriptors, of which a test may have
/// left none to the others.
pub static NO_URING: LazyLock<Option<String>> =
    LazyLock::new(|| DriverKind::Uring.driver().err().map(|error| error.to_string()));

/// True where the kernel has what the driver over io_uring needs.
pub fn has_uring(case: &str) -> bool {
    let Some(why) = &*NO_URING else { return true };
    not_run(case, &format!("on io_uring: {why}"));
    false
}

/// Says so past the test runner, which would keep it to itself: who reads its output knows what was not tried.
pub fn not_run(case: &str, why: &str) {
    let _ = writeln!(io::stderr(), "not run: {case}, {why}");
}

/// An event that borrows nothing.
#[derive(Debug)]
pub enum Told {
    Accepted {
        on: Token,
        new: Token,
        remote: SocketAddr,
        local: SocketAddr,
    },
    Connected(Token, io::Result<SocketAddr>),
    Received(Token, Vec<u8>),
    Eof(Token),
    /// So many of the lent bytes have left; 0: there is room again.
    Sent(Token, usize),
    Failed(Token, io::Error),
}

pub struct Net {
    pub driver: Box<dyn Driver>,
    kind: DriverKind,
    /// How often the system was waited for.
    waits: usize,
}

impl Net {
    pub fn new(kind: DriverKind) -> Self {
        Self { driver: kind.driver().unwrap(), kind, waits: 0 }
    }

    /// One of several that listen on the same sockets.
    pub fn sharing(kind: DriverKind, sockets: &SharedSockets) -> Self {
        Self { driver: kind.sharing(sockets).unwrap(), kind, waits: 0 }
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
                assert!(bytes == 0 || self.kind == DriverKind::Uring, "nothing was lent");
                Told::Sent(token, bytes)
            }
            Event::Failed { token, error } => Told::Failed(token, error),
            _ => unreachable!("an event that this driver does not know"),
        })
    }

    /// Nothing happens, and the driver sleeps meanwhile.
    pub fn is_quiet(&mut self, during: Duration) {
        let before = self.waits;
        let told = self.next_until(Instant::now() + during);
        assert!(told.is_none(), "expected nothing, not {told:?}");
        assert!(self.waits - before <= WAKEUPS_MAX, "it woke up {} times for nothing", self.waits - before);
    }

    /// Lets the driver tell the system what it was asked for.
    pub fn settle(&mut self) {
        self.is_quiet(Duration::from_millis(20));
    }

    /// Sends all of it; whatever else happens meanwhile is unexpected.
    pub fn send_all(&mut self, token: Token, out: &mut OutBuf) {
        self.driver.send(token, out);
        while !out.is_empty() {
            match self.next() {
                Told::Sent(of, bytes) if of == token => out.landed(bytes),
                other => panic!("expected room, not {other:?}"),
            }
            self.driver.send(token, out);
        }
    }

    /// Sends what the system takes for a peer that does not read.
    pub fn send_until_blocked(&mut self, token: Token, out: &mut OutBuf) {
        self.driver.send(token, out);
        while let Some(told) = self.next_until(Instant::now() + Duration::from_millis(100)) {
            match told {
                Told::Sent(of, bytes) if of == token => out.landed(bytes),
                other => panic!("expected room, not {other:?}"),
            }
            self.driver.send(token, out);
        }
        assert!(!out.is_empty(), "the system took it all for a peer that does not read");
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
