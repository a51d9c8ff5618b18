//! Two engines full of protocols that do what they like. Whatever they do: bytes come in order and none too
//! many, everybody is told of the end once, a graceful end loses nothing, and nothing is left behind.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};
use trenza_core::{Addr, Limits, Protocol, Reason, Result, Transport};
use trenza_sim::{Net, for_seeds};
use trenza_wire::Input;

/// What is known of one end of a connection.
#[derive(Debug, Default)]
struct Ledger {
    written: Cell<usize>,
    read: Cell<usize>,
    eof: Cell<bool>,
    /// How often it was told of the end.
    lost: Cell<usize>,
    /// It has aborted: bytes may be lost.
    aborted: Cell<bool>,
}

/// Both ends: the client's, then the server's.
type Pair = [Rc<Ledger>; 2];

/// Does random things, as long as it has wishes left.
struct Monkey {
    mine: Rc<Ledger>,
    theirs: Rc<Ledger>,
    wishes: usize,
    closed: bool,
}

fn byte(at: usize) -> u8 {
    (at * 31 + at / 251) as u8
}

fn draw(transport: &Transport, below: usize) -> usize {
    let mut bytes = [0; 8];
    transport.reactor().random(&mut bytes);
    (u64::from_le_bytes(bytes) % below as u64) as usize
}

impl Monkey {
    fn new([mine, theirs]: Pair) -> Self {
        Self { mine, theirs, wishes: 30, closed: false }
    }

    fn broken(&self) -> bool {
        self.mine.aborted.get() || self.theirs.aborted.get()
    }

    fn write(&self, transport: &Transport, n: usize) {
        let at = self.mine.written.get();
        let data: Vec<u8> = (at..at + n).map(byte).collect();
        match n % 2 {
            0 => transport.write(&data),
            _ => transport.write_bytes(data.into()),
        }
        self.mine.written.set(at + n);
    }

    fn act(&mut self, transport: &Transport) {
        if self.closed {
            return;
        }
        if self.wishes == 0 {
            self.closed = true;
            return transport.close_write();
        }
        self.wishes -= 1;
        match draw(transport, 12) {
            0..=4 => self.write(transport, 1 + draw(transport, 50)),
            5 => self.write(transport, 1 + draw(transport, 12_000)),
            6 => {
                transport.pause();
                let paused = transport.clone();
                let delay = Duration::from_micros(draw(transport, 5000) as u64);
                transport.reactor().call_later(delay, move || paused.resume()).detach();
            }
            7 => transport.resume(),
            8 => self.wishes = 0,
            9 if draw(transport, 8) == 0 => {
                self.mine.aborted.set(true);
                transport.abort();
            }
            _ => {}
        }
    }

    fn check(&self, data: &[u8]) {
        let at = self.mine.read.get();
        let wrong = data.iter().zip(at..).find(|(got, at)| **got != byte(*at));
        assert_eq!(wrong, None, "a wrong byte, and its place");
        self.mine.read.set(at + data.len());
        assert!(self.mine.read.get() <= self.theirs.written.get());
    }
}

impl Protocol for Monkey {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        // If both ends waited for the other to read before they read themselves, they would wait for ever.
        let read_while_full = transport.peer().local.port() == Some(7007);
        transport.set_limits(Limits { read_while_full, high: 8000, low: 1000, ..Limits::default() });
        self.write(transport, 10);
        let again = transport.handle::<Self>();
        // One wish at each of these times, whatever else happens.
        for ms in 0..=20 {
            let wish =
                again.call_later(Duration::from_millis(ms), move |me: &mut Self, transport: &Transport| {
                    if ms == 20 {
                        me.wishes = 0;
                    }
                    me.act(transport);
                    Ok(())
                });
            transport.attach(wish);
        }
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        assert!(!self.mine.eof.get(), "bytes after the end");
        let some = draw(transport, 3) == 0;
        let take = if some { draw(transport, input.len() + 1) } else { input.len() };
        self.check(input.up_to(take));
        if draw(transport, 2) == 0 {
            self.act(transport);
        }
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        assert!(!self.mine.eof.replace(true), "two ends");
        self.check(input.rest());
        assert!(self.broken() || self.mine.read == self.theirs.written, "bytes are missing");
        self.closed = true;
        transport.close();
        Ok(())
    }

    fn connection_lost(&mut self, transport: &Transport, reason: &Reason) {
        assert!(!transport.is_open());
        self.mine.lost.set(self.mine.lost.get() + 1);
        assert!(reason.is_clean() || self.broken(), "{reason}");
    }
}

/// The pairs of connections by the client's port: whichever end is made first enters it.
type Pairs = Rc<RefCell<BTreeMap<u16, Pair>>>;

fn pair(pairs: &Pairs, client: &Addr) -> Pair {
    pairs.borrow_mut().entry(client.port().unwrap_or_default()).or_default().clone()
}

#[test]
fn monkeys_lose_nothing() {
    for_seeds(0..150, |seed| {
        let net = Net::new(seed);
        if seed % 3 == 0 {
            net.window(100 + 10 * seed as usize);
        }
        let (pairs, srv, cli) = (Pairs::default(), net.host("srv"), net.host("cli"));
        let known = pairs.clone();
        srv.listen("tcp:7007", move |transport| {
            let [client, server] = pair(&known, &transport.peer().remote);
            Monkey::new([server, client])
        });
        for _ in 0..4 {
            let known = pairs.clone();
            let made = move |transport: &Transport| Monkey::new(pair(&known, &transport.peer().local));
            cli.run(|reactor| reactor.connect("tcp:srv:7007", made).detach());
        }
        net.run();
        net.advance(Duration::from_secs(60));
        assert!(pairs.borrow().len() >= 4);
        for [client, server] in pairs.borrow().values() {
            // A server that aborts at once may do so before the client has heard of its connection.
            let unheard = server.aborted.get() && client.written.get() == 0;
            let clients = if unheard { 0 } else { 1 };
            assert_eq!((client.lost.get(), server.lost.get()), (clients, 1), "{client:?} {server:?}");
            let whole = client.read == server.written && server.read == client.written;
            assert!(whole || client.aborted.get() || server.aborted.get(), "{client:?} {server:?}");
        }
        for host in [srv, cli] {
            assert_eq!(host.run(|reactor| reactor.connections().len()), 0);
        }
    });
}
