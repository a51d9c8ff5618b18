//! [`Program`]: connections that do anything they may, by a seed, to a driver that sends back what it receives.

use super::{
    super::{
        UringDriver,
        faulty::{Counts, Dice, Fault, Faults},
    },
    DEADLINE, Parts, assert_nothing_is_left, ip, listen,
    peer::{End, Peer, all, are_right, range},
};
use socket2::SockRef;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, ErrorKind, Write},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};
use trenza_core::driver::{Close, Driver, Event, Open, Token};
use trenza_wire::OutBuf;

/// How many connections there are in all.
const PEERS: usize = 40;
/// How much happens before all is brought to an end.
const STEPS: usize = 1500;
/// What a peer sends or reads at once.
const PIECES: [usize; 6] = [1, 100, 1448, 5000, 70_000, 300_000];
/// How much a connection owes its peer before it is not read.
const OWED_MAX: usize = 200_000;

/// Our end of a connection.
#[derive(Debug, Default)]
struct Ours {
    stream: u32,
    out: OutBuf,
    received: usize,
    /// A `Sent` is to come.
    owed: bool,
    paused: bool,
    ended: bool,
    /// Our FIN was sent before the peer's: what comes is not sent back.
    is_half: bool,
}

/// An event that borrows nothing.
#[derive(Debug)]
enum Told {
    Accepted(Token, SocketAddr),
    /// From where; None when it has failed.
    Connected(Token, Option<SocketAddr>),
    Received(Token, Vec<u8>),
    Eof(Token),
    Sent(Token, usize),
    Failed(Token),
}

type Key = (u32, u32);

fn key(token: Token) -> Key {
    (token.index, token.generation)
}

/// Connections that do anything they may.
pub(super) struct Program {
    driver: UringDriver,
    dice: Dice,
    listener: Token,
    addr: SocketAddr,
    is_port_off: bool,
    /// Where the driver connects to.
    elsewhere: TcpListener,
    peers: Vec<Peer>,
    ours: BTreeMap<Key, (Token, Ours)>,
    connecting: BTreeSet<Key>,
    /// Every token that was closed.
    gone: BTreeSet<Key>,
    /// Those whose connection the driver has had, and those that it has ended early.
    served: BTreeSet<u32>,
    cut: BTreeSet<u32>,
    /// A connect was given up, so that its peer was perhaps never served.
    given_up: bool,
    /// All streams are cut from it.
    file: Arc<File>,
    until: Instant,
    seed: u64,
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {}", self.seed);
        }
    }
}

/// Runs the program of a seed to its end, and checks all that must hold. None where the kernel lacks something.
pub(super) fn run(test: &str, parts: Parts) -> Option<Counts> {
    let mut driver = parts.driver(test)?;
    let (listener, addr) = listen(&mut driver);
    let mut dice = Dice::new(parts.seed);
    if dice.once_in(2) {
        // Accepted ones are like it, so that sends are short.
        let inner = super::super::inner(listener).unwrap();
        let socket = driver.streams.get_mut(inner).unwrap();
        SockRef::from(&socket.fd).set_send_buffer_size(8 * 1024).unwrap();
    }
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(all()).unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let program = Program {
        driver,
        dice,
        listener,
        addr,
        is_port_off: false,
        elsewhere,
        peers: Vec::new(),
        ours: BTreeMap::new(),
        connecting: BTreeSet::new(),
        gone: BTreeSet::new(),
        served: BTreeSet::new(),
        cut: BTreeSet::new(),
        given_up: false,
        file: Arc::new(file),
        until: Instant::now() + DEADLINE,
        seed: parts.seed,
    };
    Some(program.run())
}

impl Program {
    fn run(mut self) -> Counts {
        for _ in 0..STEPS {
            self.step();
        }
        while !self.ours.is_empty()
            || !self.connecting.is_empty()
            || self.peers.iter().any(|peer| peer.end.is_none())
        {
            self.bring_to_an_end();
        }
        self.peers.iter().for_each(|peer| self.check(peer));
        self.driver.close(self.listener, Close::Graceful);
        self.driver.ring.faults = Faults::default();
        while self.driver.streams.values_mut().count() > 0 || self.driver.ring.in_flight() > 1 {
            self.drive(Duration::from_millis(1));
        }
        assert_nothing_is_left(&mut self.driver);
        self.driver.ring.counts
    }

    /// One of the things that may happen.
    fn step(&mut self) {
        assert!(Instant::now() < self.until, "it takes too long");
        let which = self.dice.below(self.peers.len());
        let piece = PIECES.get(self.dice.below(PIECES.len())).copied().unwrap_or(1);
        let chance = self.dice.below(100);
        match (chance, self.peers.get_mut(which)) {
            (0..3, _) => self.come(),
            (3..30, Some(peer)) => peer.write(piece),
            (30..55, Some(peer)) => drop(peer.read(piece)),
            (55, Some(peer)) => peer.shut(),
            (56, Some(peer)) if piece == 1 => peer.leave(chance == 56 && which.is_multiple_of(2)),
            (57..62, _) => self.act(),
            _ => {
                let most = self.dice.below(4) as u64 * 200;
                self.drive(Duration::from_micros(most));
            }
        }
    }

    /// There is one more connection.
    fn come(&mut self) {
        if self.peers.len() + self.connecting.len() >= PEERS {
            return;
        }
        if self.dice.once_in(4) {
            let to = self.elsewhere.local_addr().unwrap().into();
            let token = self.driver.open(Open::Connect { to, from: None }).unwrap();
            self.is_new(token);
            if self.dice.once_in(5) {
                self.given_up = true;
                self.driver.close(token, Close::Abort);
                self.gone.insert(key(token));
                return;
            }
            self.connecting.insert(key(token));
            return;
        }
        self.peers.push(Peer::connect(self.addr, self.peers.len() as u32));
    }

    /// The driver's side does something to one of its connections.
    fn act(&mut self) {
        let place = self.dice.below(self.ours.len());
        let Some((token, ours)) = self.ours.values_mut().nth(place) else { return };
        let token = *token;
        match self.dice.below(20) {
            0 => {
                self.cut.insert(ours.stream);
                self.close(token, Close::Abort);
            }
            1 if ours.out.is_empty() && !ours.is_half => {
                ours.is_half = true;
                self.cut.insert(ours.stream);
                self.driver.close(token, Close::Write);
            }
            2..10 => {
                ours.paused = true;
                self.driver.read(token, false);
            }
            _ => {
                ours.paused = false;
                self.flush(token);
            }
        }
        if self.is_port_off {
            self.is_port_off = false;
            self.driver.read(self.listener, true);
        }
    }

    /// All stop sending and read what is left.
    fn bring_to_an_end(&mut self) {
        assert!(
            Instant::now() < self.until,
            "it hangs: {:?}\n{:?}\n{:?}",
            self.ours,
            self.peers,
            self.driver
        );
        let tokens: Vec<Token> = self.ours.values().map(|(token, _)| *token).collect();
        for token in tokens {
            if let Some((_, ours)) = self.ours.get_mut(&key(token)) {
                ours.paused = false;
                self.flush(token);
            }
        }
        if std::mem::take(&mut self.is_port_off) {
            self.driver.read(self.listener, true);
        }
        let mut read = false;
        for peer in &mut self.peers {
            peer.shut();
            read |= peer.read(100_000);
        }
        self.drive(Duration::from_millis(if read { 0 } else { 1 }));
    }

    fn drive(&mut self, most: Duration) {
        self.driver.wait(Some(Instant::now() + most)).unwrap();
        while let Some(event) = self.driver.next() {
            let told = match event {
                Event::Accepted { on, new, remote, .. } => {
                    assert_eq!(on, self.listener);
                    Told::Accepted(new, ip(&remote))
                }
                Event::Connected { token, result } => {
                    // Only a peer that was accepted and has gone makes it fail.
                    let has_gone = |error: io::Error| {
                        let kind = error.kind();
                        assert!(
                            matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
                            "{kind:?}"
                        );
                    };
                    Told::Connected(token, result.map_err(has_gone).ok().map(|local| ip(&local)))
                }
                Event::Received { token, data } => Told::Received(token, data.to_vec()),
                Event::Eof { token } => Told::Eof(token),
                Event::Sent { token, bytes } => Told::Sent(token, bytes),
                Event::Failed { token, .. } => Told::Failed(token),
                other => panic!("{other:?}"),
            };
            self.told(told);
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Accepted(token, remote) => {
                self.is_new(token);
                self.serve(token, (remote, self.addr));
            }
            Told::Connected(token, local) => {
                assert!(self.connecting.remove(&key(token)), "told twice, or after the end");
                let Some(local) = local else {
                    self.gone.insert(key(token));
                    return;
                };
                let to = self.elsewhere.local_addr().unwrap();
                while let Ok((socket, remote)) = self.elsewhere.accept() {
                    self.peers.push(Peer::new(socket, (to, remote), self.peers.len() as u32));
                }
                self.serve(token, (to, local));
            }
            Told::Received(token, data) => {
                let ours = known(&self.gone, &mut self.ours, token);
                assert!(!ours.ended && !data.is_empty());
                assert!(are_right(ours.stream, ours.received, &data), "wrong bytes came: {ours:?}");
                let range = range(ours.stream, ours.received, data.len());
                ours.received += data.len();
                if !ours.is_half {
                    match self.dice.below(8) {
                        0 => ours.out.push_file(self.file.clone(), range.start as u64..range.end as u64),
                        1..4 => ours.out.push_bytes(data.into()),
                        _ => ours.out.push_slice(&data),
                    }
                }
                self.flush(token);
            }
            Told::Eof(token) => {
                let ours = known(&self.gone, &mut self.ours, token);
                assert!(!std::mem::replace(&mut ours.ended, true), "told twice");
                self.flush(token);
            }
            Told::Sent(token, bytes) => {
                let ours = known(&self.gone, &mut self.ours, token);
                assert!(ours.owed && bytes <= ours.out.lent(), "{bytes} bytes: {ours:?}");
                ours.out.landed(bytes);
                ours.owed = ours.out.lent() > 0;
                self.flush(token);
            }
            Told::Failed(token) if token == self.listener => self.is_port_off = true,
            Told::Failed(token) => {
                let stream = known(&self.gone, &mut self.ours, token).stream;
                self.failed(stream);
                self.close(token, Close::Abort);
            }
        }
    }

    /// Only a peer that has gone makes a connection fail.
    fn failed(&self, stream: u32) {
        let peer = self.peers.get(stream as usize).unwrap();
        assert!(peer.end == Some(End::Left) || self.cut.contains(&stream), "it has failed: {peer:?}");
    }

    fn is_new(&self, token: Token) {
        let key = key(token);
        let known =
            self.gone.contains(&key) || self.ours.contains_key(&key) || self.connecting.contains(&key);
        assert!(!known, "given out twice: {token:?}");
    }

    fn serve(&mut self, token: Token, ends: (SocketAddr, SocketAddr)) {
        let peer = self.peers.iter().rfind(|peer| peer.ends == ends).unwrap();
        let ours = Ours { stream: peer.stream, ..Ours::default() };
        self.served.insert(peer.stream);
        self.ours.insert(key(token), (token, ours));
        self.flush(token);
    }

    /// Sends what there is to be sent, reads if that is wanted, and ends what has ended.
    fn flush(&mut self, token: Token) {
        let Some((_, ours)) = self.ours.get_mut(&key(token)) else { return };
        self.driver.send(token, &mut ours.out);
        ours.owed |= !ours.out.is_empty();
        self.driver.read(token, !ours.paused && ours.out.len() < OWED_MAX);
        if ours.ended && ours.out.is_empty() {
            if !ours.is_half && self.dice.once_in(2) {
                self.driver.close(token, Close::Write);
            }
            self.close(token, Close::Graceful);
        }
    }

    fn close(&mut self, token: Token, how: Close) {
        self.driver.close(token, how);
        self.ours.remove(&key(token)).unwrap();
        self.gone.insert(key(token));
    }

    /// All has arrived, if nobody has cut it short.
    fn check(&self, peer: &Peer) {
        if !self.served.contains(&peer.stream) {
            if self.given_up && peer.ends.0 == self.elsewhere.local_addr().unwrap() {
                return;
            }
            let refused = self.driver.ring.counts.of(Fault::NoDescriptor) > 0 && peer.got == 0;
            assert!(refused || peer.end == Some(End::Left), "it was never served: {peer:?}");
        } else if peer.end != Some(End::Left) && !self.cut.contains(&peer.stream) {
            assert!(peer.end == Some(End::Fin) && peer.got == peer.sent, "something is missing: {peer:?}");
        }
    }
}

/// Events are of connections that there are.
fn known<'a>(gone: &BTreeSet<Key>, ours: &'a mut BTreeMap<Key, (Token, Ours)>, token: Token) -> &'a mut Ours {
    assert!(!gone.contains(&key(token)), "an event of a connection that was closed: {token:?}");
    &mut ours.get_mut(&key(token)).unwrap().1
}
