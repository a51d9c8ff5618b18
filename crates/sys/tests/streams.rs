//! The driver's connections against the sockets of the standard library.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

#[macro_use]
mod common;

use common::{Net, Told, pattern};
use rustix::net::SendFlags;
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};
use trenza_core::driver::{Close, Event, Open, SECOND, Token};
use trenza_sys::DriverKind;
use trenza_wire::OutBuf;

cases! {
    echoes_writes_of_1_mib
    echoes_writes_of_64_kib
    echoes_writes_of_777_bytes
    accepted_tells_both_ends
    wildcard_without_dual_stack_refuses_ipv4
    new_connection_is_not_read_until_asked
    send_that_was_short_resumes_when_there_is_room
    more_pieces_than_one_call_gathers_arrive_in_order
    one_connection_does_not_hold_the_others
    connect_tells_its_address_and_carries_bytes
    refused_connect_ends_its_token
    connect_may_be_closed_before_it_ends
    half_closed_by_the_peer_can_still_be_written
    half_closed_by_us_can_still_be_read
    abort_resets_the_peer
    reset_while_paused_costs_nothing_and_is_told_by_reading
    reset_while_paused_is_told_by_sending
    reset_of_a_blocked_send_is_told_once
    failure_of_a_send_is_not_told_after_close
    urgent_bytes_are_read_in_line_and_do_not_spin
    stopped_listener_leaves_connections_in_the_backlog
    paused_connection_is_not_read_although_harvested
    wait_returns_at_once_while_events_are_left
    used_places_never_get_events_of_their_former_owners
    waker_ends_a_wait_from_another_thread
    waker_ends_a_wait_that_begins_later
    waker_outlives_its_driver
    wait_ends_at_its_time_and_not_before
    adopted_listener_serves
    listener_that_others_have_too_goes_on_without_us
    taken_port_is_an_error
    only_listening_streams_are_adopted
    names_resolve_and_random_bytes_differ
}

/// How many places three connections and a listener need, some of which the kernel is not done with when they are given up.
const PLACES: u32 = 8;

/// Echoes 20 MB that the peer writes in pieces of one size, reading at the same time.
fn echo(kind: DriverKind, piece: usize) {
    let mut net = Net::new(kind);
    let (token, peer) = net.pair();
    let sent = pattern(20_000_000);
    let expected = sent.clone();
    let mut writer = peer.try_clone().unwrap();
    let writer = thread::spawn(move || {
        sent.chunks(piece).for_each(|piece| writer.write_all(piece).unwrap());
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        (&peer).read_to_end(&mut all).unwrap();
        all
    });
    net.driver.read(token, true);
    let mut out = OutBuf::new();
    let mut ended = false;
    while !(ended && out.is_empty()) {
        match net.next() {
            Told::Received(_, data) => out.push_slice(&data),
            Told::Sent(_, bytes) => out.landed(bytes),
            Told::Eof(_) => ended = true,
            other => panic!("{other:?}"),
        }
        net.driver.send(token, &mut out);
        net.driver.read(token, out.len() < 256 * 1024);
    }
    net.driver.close(token, Close::Write);
    writer.join().unwrap();
    assert!(reader.join().unwrap() == expected);
}

fn echoes_writes_of_1_mib(kind: DriverKind) {
    echo(kind, 1024 * 1024);
}

fn echoes_writes_of_64_kib(kind: DriverKind) {
    echo(kind, 64 * 1024);
}

fn echoes_writes_of_777_bytes(kind: DriverKind) {
    echo(kind, 777);
}

fn accepted_tells_both_ends(kind: DriverKind) {
    for (at, dual_stack) in
        [("127.0.0.1:0", false), ("0.0.0.0:0", false), ("[::]:0", true), ("[::1]:0", false)]
    {
        let mut net = Net::new(kind);
        let (listener, addr) = net.listen_at(at, dual_stack);
        let host = if at.starts_with("[::1]") { "::1" } else { "127.0.0.1" };
        let peer = TcpStream::connect((host, addr.port())).unwrap();
        match net.next() {
            Told::Accepted { on, remote, local, .. } => {
                assert_eq!(on, listener);
                assert_eq!((remote, local), (peer.local_addr().unwrap(), peer.peer_addr().unwrap()));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn wildcard_without_dual_stack_refuses_ipv4(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (_, addr) = net.listen_at("[::]:0", false);
    let refused = TcpStream::connect(("127.0.0.1", addr.port())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

fn new_connection_is_not_read_until_asked(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, mut peer) = net.pair();
    peer.write_all(b"early").unwrap();
    net.is_quiet(Duration::from_millis(50));
    net.driver.read(token, true);
    assert!(matches!(net.next(), Told::Received(of, data) if of == token && data == b"early"));
}

fn send_that_was_short_resumes_when_there_is_room(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, mut peer) = net.pair();
    let data = pattern(20_000_000);
    let mut out = bytes_out(&data);
    net.send_until_blocked(token, &mut out);
    let reader = thread::spawn(move || {
        let mut all = vec![0; 20_000_000];
        peer.read_exact(&mut all).unwrap();
        all
    });
    net.send_all(token, &mut out);
    assert!(reader.join().unwrap() == data);
    // Room is told only after a short send.
    net.settle();
}

fn more_pieces_than_one_call_gathers_arrive_in_order(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, mut peer) = net.pair();
    let data = pattern(300 * 1000);
    let mut out = OutBuf::new();
    for piece in data.chunks(1000) {
        out.push_bytes(bytes::Bytes::copy_from_slice(piece));
    }
    net.send_all(token, &mut out);
    net.driver.close(token, Close::Graceful);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert!(all == data);
}

fn one_connection_does_not_hold_the_others(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (first, mut busy) = net.pair();
    let (second, mut other) = net.pair();
    let writer = thread::spawn(move || {
        let piece = pattern(64 * 1024);
        while busy.write_all(&piece).is_ok() {}
    });
    net.driver.read(first, true);
    assert!(matches!(net.next(), Told::Received(of, _) if of == first));
    other.write_all(b"x").unwrap();
    net.driver.read(second, true);
    let mut before = 0;
    while !matches!(net.next(), Told::Received(of, _) if of == second) {
        before += 1;
    }
    assert!(before < 10, "{before} receives of the busy connection came first");
    net.driver.close(first, Close::Abort);
    net.settle();
    writer.join().unwrap();
}

fn connect_tells_its_address_and_carries_bytes(kind: DriverKind) {
    let mut net = Net::new(kind);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let from: SocketAddr = "127.0.0.2:0".parse().unwrap();
    let to = listener.local_addr().unwrap();
    let token = net.driver.open(Open::Connect { to: to.into(), from: Some(from.into()) }).unwrap();
    let (mut peer, remote) = listener.accept().unwrap();
    match net.next() {
        Told::Connected(of, Ok(local)) => assert_eq!((of, local), (token, remote)),
        other => panic!("{other:?}"),
    }
    assert_eq!(remote.ip(), from.ip());
    net.settle();
    net.send(token, b"ping");
    let mut data = [0; 4];
    peer.read_exact(&mut data).unwrap();
    assert_eq!(&data, b"ping");
    peer.write_all(b"pong").unwrap();
    net.driver.read(token, true);
    assert!(matches!(net.next(), Told::Received(of, data) if of == token && data == b"pong"));
}

fn refused_connect_ends_its_token(kind: DriverKind) {
    let mut net = Net::new(kind);
    // Bound, so that nobody else gets the port, but not listening.
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    bound.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    let to = bound.local_addr().unwrap().as_socket().unwrap();
    let refused = match net.driver.open(Open::Connect { to: to.into(), from: None }) {
        Err(error) => error,
        Ok(token) => match net.next() {
            Told::Connected(of, Err(error)) => {
                assert_eq!(of, token);
                let (listener, _) = net.listen();
                assert_eq!(listener.index, token.index, "its place is free");
                assert_ne!(listener.generation, token.generation);
                error
            }
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    net.settle();
}

fn connect_may_be_closed_before_it_ends(kind: DriverKind) {
    let mut net = Net::new(kind);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let token = net.driver.open(Open::Connect { to: to.into(), from: None }).unwrap();
    net.driver.close(token, Close::Abort);
    net.settle();
}

fn half_closed_by_the_peer_can_still_be_written(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, mut peer) = net.pair();
    peer.shutdown(Shutdown::Write).unwrap();
    net.driver.read(token, true);
    assert!(matches!(net.next(), Told::Eof(of) if of == token));
    net.driver.read(token, true);
    // The end is told once.
    net.settle();
    net.send(token, b"late");
    net.driver.close(token, Close::Graceful);
    let mut all = String::new();
    peer.read_to_string(&mut all).unwrap();
    assert_eq!(all, "late");
}

fn half_closed_by_us_can_still_be_read(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, mut peer) = net.pair();
    net.send(token, b"last words");
    net.driver.close(token, Close::Write);
    let mut all = String::new();
    peer.read_to_string(&mut all).unwrap();
    assert_eq!(all, "last words");
    peer.write_all(b"answer").unwrap();
    net.driver.read(token, true);
    assert!(matches!(net.next(), Told::Received(of, data) if of == token && data == b"answer"));
    drop(peer);
    assert!(matches!(net.next(), Told::Eof(of) if of == token));
}

fn abort_resets_the_peer(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, mut peer) = net.pair();
    net.driver.close(token, Close::Abort);
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    // Nothing names the token again.
    net.settle();
}

/// Closes with RST.
fn reset(peer: TcpStream) {
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
}

fn reset_while_paused_costs_nothing_and_is_told_by_reading(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, peer) = net.pair();
    net.driver.read(token, true);
    net.settle();
    net.driver.read(token, false);
    net.settle();
    reset(peer);
    net.is_quiet(Duration::from_millis(100));
    net.driver.read(token, true);
    match net.next() {
        Told::Failed(of, error) => assert_eq!((of, error.kind()), (token, ErrorKind::ConnectionReset)),
        other => panic!("{other:?}"),
    }
    net.driver.read(token, true);
    net.driver.send(token, &mut bytes_out(b"x"));
    // A failure is told once.
    net.settle();
}

fn reset_while_paused_is_told_by_sending(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, peer) = net.pair();
    reset(peer);
    net.is_quiet(Duration::from_millis(50));
    let told = loop {
        // The second send finds it broken too, which is not told again.
        net.driver.send(token, &mut bytes_out(b"x"));
        net.driver.send(token, &mut bytes_out(b"x"));
        if let Some(told) = net.poll() {
            break told;
        }
    };
    match told {
        Told::Failed(of, error) => assert_eq!((of, error.kind()), (token, ErrorKind::ConnectionReset)),
        other => panic!("{other:?}"),
    }
    net.driver.read(token, true);
    // A failure is told once.
    net.settle();
}

fn bytes_out(data: &[u8]) -> OutBuf {
    let mut out = OutBuf::new();
    out.push_slice(data);
    out
}

fn reset_of_a_blocked_send_is_told_once(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, peer) = net.pair();
    let mut out = bytes_out(&pattern(20_000_000));
    net.send_until_blocked(token, &mut out);
    reset(peer);
    loop {
        match net.next() {
            Told::Sent(_, bytes) => {
                out.landed(bytes);
                net.driver.send(token, &mut out);
            }
            Told::Failed(of, _) => break assert_eq!(of, token),
            other => panic!("{other:?}"),
        }
    }
    net.settle();
}

fn failure_of_a_send_is_not_told_after_close(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, peer) = net.pair();
    reset(peer);
    net.driver.send(token, &mut bytes_out(b"x"));
    net.driver.close(token, Close::Abort);
    assert!(net.poll().is_none());
    net.settle();
}

fn urgent_bytes_are_read_in_line_and_do_not_spin(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, mut peer) = net.pair();
    net.driver.read(token, true);
    peer.write_all(b"ab").unwrap();
    assert_eq!(rustix::net::send(&peer, b"!", SendFlags::OOB).unwrap(), 1);
    let mut all = Vec::new();
    while all.len() < 3 {
        match net.next() {
            Told::Received(_, data) => all.extend(data),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(all, b"ab!");
    net.is_quiet(Duration::from_millis(50));
}

fn stopped_listener_leaves_connections_in_the_backlog(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (listener, addr) = net.listen();
    let mut peers: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(addr).unwrap()).collect();
    net.accept();
    net.driver.read(listener, false);
    // What the system had accepted by then is told.
    let mut accepted = 1;
    while net.next_until(Instant::now() + Duration::from_millis(20)).is_some() {
        accepted += 1;
    }
    peers.extend((0..5).map(|_| TcpStream::connect(addr).unwrap()));
    net.is_quiet(Duration::from_millis(50));
    net.driver.read(listener, true);
    for _ in accepted..peers.len() {
        net.accept();
    }
    net.settle();
}

fn paused_connection_is_not_read_although_harvested(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (first, mut one) = net.pair();
    let (second, mut two) = net.pair();
    one.write_all(b"1").unwrap();
    two.write_all(b"1").unwrap();
    net.driver.read(first, true);
    net.driver.read(second, true);
    let Told::Received(of, _) = net.next() else { panic!("expected bytes") };
    let (paused, mut peer) = if of == first { (second, two) } else { (first, one) };
    net.driver.read(paused, false);
    // What was received by then is told.
    let mut before = Vec::new();
    while let Some(told) = net.next_until(Instant::now() + Duration::from_millis(20)) {
        assert!(matches!(told, Told::Received(of, data) if of == paused && data == b"1"));
        before.push(b'1');
    }
    peer.write_all(b"2").unwrap();
    net.settle();
    net.driver.read(paused, true);
    while before != b"12" {
        match net.next() {
            Told::Received(of, data) if of == paused => before.extend(data),
            other => panic!("{other:?}"),
        }
    }
}

fn wait_returns_at_once_while_events_are_left(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (_, addr) = net.listen();
    let _peers = (TcpStream::connect(addr).unwrap(), TcpStream::connect(addr).unwrap());
    net.accept();
    net.driver.wait(None).unwrap();
    net.accept();
}

/// What is written in answer to a turn is to be in the processor's cache when it is sent.
#[test]
fn a_turn_over_readiness_receives_so_much_and_the_next_begins_at_once() {
    const EACH: usize = 32 * 1024;
    let mut net = Net::new(DriverKind::Poll);
    let pairs: Vec<_> = (0..20).map(|_| net.pair()).collect();
    for (token, peer) in &pairs {
        (&mut &*peer).write_all(&pattern(EACH)).unwrap();
        net.driver.read(*token, true);
    }
    let mut turns = Vec::new();
    while turns.iter().sum::<usize>() < pairs.len() * EACH {
        // It would wait for ever if it waited for more than what is there.
        net.driver.wait(None).unwrap();
        let mut received = 0;
        while let Some(event) = net.driver.next() {
            if let Event::Received { data, .. } = event {
                received += data.len();
            }
        }
        turns.push(received);
    }
    let most = turns.iter().max().copied();
    assert!(turns.len() >= 3 && most.is_some_and(|most| most <= 320 * 1024), "{turns:?}");
}

fn used_places_never_get_events_of_their_former_owners(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (_, addr) = net.listen();
    for round in 0..200_u32 {
        // Both are harvested together; the event of one is left while its place is given out again.
        let peers: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let tokens: Vec<Token> = peers.iter().map(|_| net.accept()).collect();
        assert!(tokens.iter().all(|token| token.index & !SECOND <= PLACES), "{tokens:?}");
        for (token, mut peer) in tokens.iter().zip(&peers) {
            peer.write_all(&round.to_be_bytes()).unwrap();
            net.driver.read(*token, true);
        }
        let Told::Received(of, data) = net.next() else { panic!("expected bytes") };
        assert_eq!(data, round.to_be_bytes());
        let other = tokens.iter().copied().find(|token| *token != of).unwrap();
        net.driver.close(other, Close::Graceful);
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = silent.local_addr().unwrap();
        let heir = net.driver.open(Open::Connect { to: to.into(), from: None }).unwrap();
        assert_ne!(heir, other);
        assert!(matches!(net.next(), Told::Connected(of, Ok(_)) if of == heir));
        net.driver.read(heir, true);
        net.driver.read(other, true);
        net.driver.send(other, &mut bytes_out(b"stray"));
        assert!(net.poll().is_none());
        net.driver.close(of, Close::Abort);
        net.driver.close(heir, Close::Abort);
    }
}

fn waker_ends_a_wait_from_another_thread(kind: DriverKind) {
    let mut net = Net::new(kind);
    let waker = net.driver.waker();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        waker.wake_by_ref();
        waker.wake();
    });
    net.driver.wait(None).unwrap();
    other.join().unwrap();
    assert!(net.poll().is_none());
}

fn waker_ends_a_wait_that_begins_later(kind: DriverKind) {
    let mut net = Net::new(kind);
    net.driver.waker().wake();
    net.driver.wait(None).unwrap();
    let until = Instant::now() + Duration::from_millis(30);
    while Instant::now() < until {
        net.driver.wait(Some(until)).unwrap();
    }
    net.driver.waker().wake();
    net.driver.wait(None).unwrap();
}

fn waker_outlives_its_driver(kind: DriverKind) {
    let waker = kind.driver().unwrap().waker();
    waker.wake();
}

fn wait_ends_at_its_time_and_not_before(kind: DriverKind) {
    let mut net = Net::new(kind);
    for nanos in [1, 700_000, 3_000_000] {
        let until = Instant::now() + Duration::from_nanos(nanos);
        net.driver.wait(Some(until)).unwrap();
        assert!(Instant::now() >= until);
    }
}

fn adopted_listener_serves(kind: DriverKind) {
    let mut net = Net::new(kind);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let bound = net.driver.host().adopt(listener.into()).unwrap();
    assert_eq!(bound.addr, addr.into());
    let token = net.driver.open(Open::Listen(bound)).unwrap();
    net.driver.read(token, true);
    let _peer = TcpStream::connect(addr).unwrap();
    net.accept();
}

fn listener_that_others_have_too_goes_on_without_us(kind: DriverKind) {
    let mut net = Net::new(kind);
    let others = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = others.local_addr().unwrap();
    let bound = net.driver.host().adopt(others.try_clone().unwrap().into()).unwrap();
    let token = net.driver.open(Open::Listen(bound)).unwrap();
    net.driver.read(token, true);
    net.driver.wait(Some(Instant::now())).unwrap();
    net.driver.close(token, Close::Abort);
    let peer = TcpStream::connect(addr).unwrap();
    let (_, remote) = others.accept().unwrap();
    assert_eq!(remote, peer.local_addr().unwrap());
}

fn only_listening_streams_are_adopted(kind: DriverKind) {
    let host = kind.driver().unwrap().host();
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(host.adopt(datagrams.into()).unwrap_err().kind(), ErrorKind::InvalidInput);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_eq!(host.adopt(stream.into()).unwrap_err().kind(), ErrorKind::InvalidInput);
}

fn taken_port_is_an_error(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (_, addr) = net.listen();
    let bind = trenza_core::driver::Bind { addr: addr.into(), dual_stack: false, mode: None, backlog: 1 };
    assert_eq!(net.driver.host().bind(&bind).unwrap_err().kind(), ErrorKind::AddrInUse);
}

fn names_resolve_and_random_bytes_differ(kind: DriverKind) {
    let host = kind.driver().unwrap().host();
    let resolve = host.resolver();
    let found = resolve("localhost", 80).unwrap();
    assert!(found.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80));
    assert!(!found.is_empty());
    resolve("no such name.invalid", 80).unwrap_err();
    let (mut one, mut two) = ([0; 1000], [0; 1000]);
    host.random(&mut one);
    host.random(&mut two);
    assert_ne!(one, two);
}
