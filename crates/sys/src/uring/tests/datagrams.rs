//! Datagrams over UDP under faults, with few and with short buffers, and when their socket is closed.

use super::{
    super::{
        UringDriver,
        buffers::{Buffers, Shape},
        datagram::{GROUP, Inbox},
        faulty::{Fault, Faults},
    },
    DEADLINE, Mode, Parts, assert_nothing_is_left, ip,
};
use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};
use trenza_core::{
    Addr, Outbox, Outgoing,
    driver::{BindUdp, Close, Driver, Event, Open, Token},
};

/// How many datagrams a peer sends, and how many of them are under way.
const COUNT: u32 = 400;
const WINDOW: u32 = 20;
const SEEDS: u64 = 8;

/// What may go wrong with datagrams.
const FAULTS: [Fault; 7] = [
    Fault::Interrupted,
    Fault::Refused,
    Fault::Dry,
    Fault::Cancelled,
    Fault::NoMemory,
    Fault::Again,
    Fault::Late,
];

fn driver(test: &str, faults: Faults, seed: u64) -> Option<UringDriver> {
    Parts { faults, seed, ..Parts::new((8, 4096), Mode::Whole) }.driver(test)
}

/// A socket that receives, and where it is.
fn open(driver: &mut UringDriver) -> (Token, SocketAddr) {
    let bound = driver.host().bind_udp(&BindUdp::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
    let addr = ip(&bound.addr);
    let token = driver.open(Open::Datagrams(bound)).unwrap();
    driver.read(token, true);
    (token, addr)
}

fn peer() -> UdpSocket {
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    peer.set_nonblocking(true).unwrap();
    peer
}

/// What a driver has told since it was asked last.
#[derive(Debug, Default)]
struct Told {
    datagrams: Vec<(Token, SocketAddr, Vec<u8>)>,
    undelivered: Vec<(Token, Option<Addr>, ErrorKind)>,
    /// There is room again.
    room: Vec<Token>,
}

fn turn(driver: &mut UringDriver) -> Told {
    driver.wait(Some(Instant::now() + Duration::from_millis(1))).unwrap();
    let mut told = Told::default();
    while let Some(event) = driver.next() {
        match event {
            Event::Datagram { token, datagram } => {
                told.datagrams.push((token, ip(datagram.from), datagram.data.to_vec()));
            }
            Event::Undelivered { token, to, error } => told.undelivered.push((token, to, error.kind())),
            Event::Sent { token, bytes: 0 } => told.room.push(token),
            other => panic!("{other:?}"),
        }
    }
    told
}

/// Closes all, waits until the kernel has given up what it had, and looks that nothing is left.
fn end(mut driver: UringDriver, sockets: impl IntoIterator<Item = Token>) {
    sockets.into_iter().for_each(|token| driver.close(token, Close::Abort));
    let until = Instant::now() + DEADLINE;
    while driver.streams.values_mut().count() > 0 {
        assert!(Instant::now() < until, "the kernel keeps a socket");
        let told = turn(&mut driver);
        assert!(told.datagrams.is_empty() && told.undelivered.is_empty(), "of what was closed: {told:?}");
    }
    // The last one may have been of a closed socket.
    driver.take_back();
    assert_nothing_is_left(&mut driver);
}

/// The datagram of a number: of any length, and none like another.
fn datagram(number: u32) -> Vec<u8> {
    number.to_ne_bytes().into_iter().cycle().take(4 + number as usize * 7 % 1400).collect()
}

/// Sends what may be under way.
fn send(peer: &UdpSocket, to: SocketAddr, sent: &mut u32, done: u32) {
    while *sent < COUNT && *sent < done + WINDOW {
        let data = datagram(*sent);
        assert_eq!(peer.send_to(&data, to).unwrap(), data.len());
        *sent += 1;
    }
}

/// All datagrams come once, in order and whole, and go back so.
fn echo(test: &str, faults: Faults, seed: u64) -> bool {
    let Some(mut driver) = driver(test, faults, seed) else { return false };
    let (token, addr) = open(&mut driver);
    let (peer, mut out, mut buffer) = (peer(), Outbox::new(), [0; 2000]);
    let (mut sent, mut came, mut back) = (0, 0, 0);
    let until = Instant::now() + DEADLINE;
    while back < COUNT {
        assert!(Instant::now() < until, "seed {seed}: {came} came, {back} of {sent} are back");
        send(&peer, addr, &mut sent, back);
        let told = turn(&mut driver);
        // It begins to receive anew each time: that is what goes wrong.
        driver.read(token, false);
        driver.read(token, true);
        for (of, from, data) in told.datagrams {
            assert_eq!((of, from, data), (token, peer.local_addr().unwrap(), datagram(came)), "seed {seed}");
            out.push(Outgoing::new(&from.into(), &datagram(came)));
            came += 1;
        }
        assert!(told.undelivered.is_empty(), "seed {seed}: {:?}", told.undelivered);
        driver.send_to(token, &mut out);
        while let Ok(len) = peer.recv(&mut buffer) {
            assert_eq!(buffer.get(..len), Some(&datagram(back)[..]), "seed {seed}");
            back += 1;
        }
    }
    let counts = driver.ring.counts;
    assert!(counts.datagrams >= COUNT as usize, "they came otherwise: {counts:?}");
    for fault in FAULTS.into_iter().filter(|fault| faults.is_on(*fault)) {
        assert!(counts.of(fault) > 0, "seed {seed}: {fault:?} did not happen");
    }
    end(driver, [token]);
    true
}

#[test]
fn each_fault_alone_loses_no_datagram() {
    for fault in FAULTS {
        if !echo("each_fault_alone_loses_no_datagram", Faults::default().with(fault, 2), 1) {
            return;
        }
    }
}

#[test]
fn all_faults_at_once_lose_no_datagram() {
    for seed in 0..SEEDS {
        let faults = FAULTS.into_iter().fold(Faults::default(), |all, fault| all.with(fault, 3));
        if !echo("all_faults_at_once_lose_no_datagram", faults, seed) {
            return;
        }
    }
}

/// A driver whose inbox is of this shape.
fn with_inbox(test: &str, shape: Shape) -> Option<UringDriver> {
    let mut driver = driver(test, Faults::default(), 0)?;
    driver.inbox = Some(Inbox::of(&driver.ring.submitter(), shape).unwrap());
    Some(driver)
}

#[test]
fn what_finds_no_buffer_comes_later() {
    let shape = Shape { count: 2, size: 4096 };
    let Some(mut driver) = with_inbox("what_finds_no_buffer_comes_later", shape) else { return };
    let ours = [(); 3].map(|()| open(&mut driver));
    let (peer, mut came) = (peer(), [0; 3]);
    let until = Instant::now() + DEADLINE;
    let mut sent = [0; 3];
    while came.iter().any(|came| *came < COUNT) {
        assert!(Instant::now() < until, "{came:?} came of {sent:?}");
        for (place, (_, addr)) in ours.iter().enumerate() {
            send(&peer, *addr, &mut sent[place], came[place]);
        }
        for (of, _, data) in turn(&mut driver).datagrams {
            let place = ours.iter().position(|(token, _)| *token == of).unwrap();
            assert_eq!(data, datagram(came[place]));
            came[place] += 1;
        }
    }
    let counts = driver.ring.counts;
    assert!(counts.dry > 0, "there were buffers enough: {counts:?}");
    assert!(counts.dry <= 2 * counts.datagrams, "a storm: {counts:?}");
    end(driver, ours.map(|(token, _)| token));
}

#[test]
fn what_is_longer_than_its_place_is_told_and_no_piece_of_it_is_handed_out() {
    let shape = Shape { count: 4, size: 512 };
    let Some(mut driver) = with_inbox("what_is_longer_than_its_place", shape) else { return };
    let ((token, addr), peer) = (open(&mut driver), peer());
    for len in [10, 257, 256, 5000, 0] {
        peer.send_to(&[7; 5000][..len], addr).unwrap();
    }
    let (mut lens, mut cut) = (Vec::new(), Vec::new());
    let until = Instant::now() + DEADLINE;
    while lens.len() + cut.len() < 5 {
        assert!(Instant::now() < until, "{lens:?} {cut:?}");
        let told = turn(&mut driver);
        lens.extend(told.datagrams.into_iter().map(|(.., data)| data.len()));
        cut.extend(told.undelivered);
    }
    assert_eq!(lens, [10, 256, 0]);
    assert_eq!(cut, [(token, None, ErrorKind::InvalidData), (token, None, ErrorKind::InvalidData)]);
    end(driver, [token]);
}

#[test]
fn what_the_network_refuses_is_told_and_others_go_on() {
    let Some(mut driver) = driver("what_the_network_refuses", Faults::default(), 0) else { return };
    let ((token, addr), peer) = (open(&mut driver), peer());
    let nobody = Addr::from(self::peer().local_addr().unwrap());
    let (mut refused, mut came) = (Vec::new(), 0);
    let until = Instant::now() + DEADLINE;
    for round in 1..=3 {
        let mut out = Outbox::new();
        out.push(Outgoing::new(&nobody, b"anybody?"));
        driver.send_to(token, &mut out);
        peer.send_to(b"somebody", addr).unwrap();
        while refused.len() < round || came < round {
            assert!(Instant::now() < until, "{refused:?}, {came} came");
            let told = turn(&mut driver);
            refused.extend(told.undelivered);
            came += told.datagrams.len();
        }
    }
    assert!(refused.iter().all(|one| *one == (token, Some(nobody.clone()), ErrorKind::ConnectionRefused)));
    end(driver, [token]);
}

#[test]
fn paused_and_resumed_and_closed() {
    let faults = Faults::default().with(Fault::Late, 2);
    for seed in 0..SEEDS {
        let Some(mut driver) = driver("paused_and_resumed_and_closed", faults, seed) else { return };
        let ((mut token, addr), peer) = (open(&mut driver), peer());
        let (mut sent, mut came) = (0, 0);
        let until = Instant::now() + DEADLINE;
        while came < COUNT {
            assert!(Instant::now() < until, "seed {seed}: {came} of {sent} came");
            send(&peer, addr, &mut sent, came);
            driver.read(token, false);
            let late = turn(&mut driver).datagrams;
            driver.read(token, true);
            for (_, _, data) in late.into_iter().chain(turn(&mut driver).datagrams) {
                assert_eq!(data, datagram(came), "seed {seed}");
                came += 1;
            }
        }
        for _ in 0..20 {
            // What waits in it, or was received late, is nobody's any more; the address is free at once.
            (0..5).for_each(|_| drop(peer.send_to(b"too late", addr)));
            driver.wait(Some(Instant::now())).unwrap();
            driver.close(token, Close::Abort);
            let bound = driver.host().bind_udp(&BindUdp::at(addr)).unwrap();
            token = driver.open(Open::Datagrams(bound)).unwrap();
            let told = turn(&mut driver);
            assert!(told.datagrams.is_empty(), "seed {seed}: {told:?}");
            driver.read(token, true);
        }
        end(driver, [token]);
    }
}

#[test]
fn without_buffers_of_their_own_they_are_the_other_drivers_business() {
    let Some(mut driver) = driver("without_buffers_of_their_own", Faults::default(), 0) else { return };
    let _taken = Buffers::of(&driver.ring.submitter(), GROUP, Shape { count: 1, size: 4096 }, false).unwrap();
    let ((token, addr), peer) = (open(&mut driver), peer());
    assert!(driver.inbox.is_none() && super::super::inner(token).is_none());
    peer.send_to(b"all the same", addr).unwrap();
    let until = Instant::now() + DEADLINE;
    let told = loop {
        assert!(Instant::now() < until);
        let told = turn(&mut driver);
        if !told.datagrams.is_empty() {
            break told;
        }
    };
    assert_eq!(told.datagrams, [(token, peer.local_addr().unwrap(), b"all the same".to_vec())]);
    end(driver, [token]);
}

#[test]
fn a_driver_that_is_dropped_while_it_receives_leaves_the_address() {
    let Some(mut driver) = driver("a_driver_that_is_dropped_while_it_receives", Faults::default(), 0) else {
        return;
    };
    let ((_, addr), peer) = (open(&mut driver), peer());
    driver.wait(Some(Instant::now())).unwrap();
    peer.send_to(b"never read", addr).unwrap();
    drop(driver);
    UdpSocket::bind(addr).unwrap();
}
