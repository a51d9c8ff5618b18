//! The driver's connections against the sockets of the standard library.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

mod common;

use common::{Net, Told, pattern};
use rustix::net::SendFlags;
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};
use trenza_core::driver::{Close, Driver, Open, Token};
use trenza_wire::OutBuf;

/// Echoes 20 MB that the peer writes in pieces of one size, reading at the same time.
fn echo(piece: usize) {
    let mut net = Net::new();
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
            Told::Sent(_) => {}
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

#[test]
fn echoes_writes_of_1_mib() {
    echo(1024 * 1024);
}

#[test]
fn echoes_writes_of_64_kib() {
    echo(64 * 1024);
}

#[test]
fn echoes_writes_of_777_bytes() {
    echo(777);
}

#[test]
fn accepted_tells_both_ends() {
    for (at, dual_stack) in
        [("127.0.0.1:0", false), ("0.0.0.0:0", false), ("[::]:0", true), ("[::1]:0", false)]
    {
        let mut net = Net::new();
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

#[test]
fn wildcard_without_dual_stack_refuses_ipv4() {
    let mut net = Net::new();
    let (_, addr) = net.listen_at("[::]:0", false);
    let refused = TcpStream::connect(("127.0.0.1", addr.port())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn new_connection_is_not_read_until_asked() {
    let mut net = Net::new();
    let (token, mut peer) = net.pair();
    peer.write_all(b"early").unwrap();
    assert_eq!(net.wakeups(Duration::from_millis(50)), 1, "only the time ran out");
    net.driver.read(token, true);
    assert!(matches!(net.next(), Told::Received(of, data) if of == token && data == b"early"));
}

#[test]
fn send_that_was_short_resumes_when_there_is_room() {
    let mut net = Net::new();
    let (token, mut peer) = net.pair();
    let data = pattern(20_000_000);
    let mut out = OutBuf::new();
    out.push_slice(&data);
    net.driver.send(token, &mut out);
    while let Some(told) = net.next_until(Instant::now() + Duration::from_millis(100)) {
        assert!(matches!(told, Told::Sent(of) if of == token), "{told:?}");
        net.driver.send(token, &mut out);
    }
    assert!(!out.is_empty(), "the system took 20 MB for a peer that does not read");
    let reader = thread::spawn(move || {
        let mut all = vec![0; 20_000_000];
        peer.read_exact(&mut all).unwrap();
        all
    });
    let before = out.len();
    while out.len() == before {
        assert!(matches!(net.next(), Told::Sent(_)));
        net.driver.send(token, &mut out);
    }
    net.send_all(token, &mut out);
    assert!(reader.join().unwrap() == data);
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1, "room is told only after a short send");
}

#[test]
fn more_pieces_than_one_call_gathers_arrive_in_order() {
    let mut net = Net::new();
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

#[test]
fn one_connection_does_not_hold_the_others() {
    let mut net = Net::new();
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
    writer.join().unwrap();
}

#[test]
fn connect_tells_its_address_and_carries_bytes() {
    let mut net = Net::new();
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
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1);
    net.send(token, b"ping");
    let mut data = [0; 4];
    peer.read_exact(&mut data).unwrap();
    assert_eq!(&data, b"ping");
    peer.write_all(b"pong").unwrap();
    net.driver.read(token, true);
    assert!(matches!(net.next(), Told::Received(of, data) if of == token && data == b"pong"));
}

#[test]
fn refused_connect_ends_its_token() {
    let mut net = Net::new();
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
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1);
}

#[test]
fn connect_may_be_closed_before_it_ends() {
    let mut net = Net::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let token = net.driver.open(Open::Connect { to: to.into(), from: None }).unwrap();
    net.driver.close(token, Close::Abort);
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1);
}

#[test]
fn half_closed_by_the_peer_can_still_be_written() {
    let mut net = Net::new();
    let (token, mut peer) = net.pair();
    peer.shutdown(Shutdown::Write).unwrap();
    net.driver.read(token, true);
    assert!(matches!(net.next(), Told::Eof(of) if of == token));
    net.driver.read(token, true);
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1, "the end is told once");
    net.send(token, b"late");
    net.driver.close(token, Close::Graceful);
    let mut all = String::new();
    peer.read_to_string(&mut all).unwrap();
    assert_eq!(all, "late");
}

#[test]
fn half_closed_by_us_can_still_be_read() {
    let mut net = Net::new();
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

#[test]
fn abort_resets_the_peer() {
    let mut net = Net::new();
    let (token, mut peer) = net.pair();
    net.driver.close(token, Close::Abort);
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1, "nothing names the token again");
}

/// Closes with RST.
fn reset(peer: TcpStream) {
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn reset_while_paused_costs_nothing_and_is_told_by_reading() {
    let mut net = Net::new();
    let (token, peer) = net.pair();
    net.driver.read(token, true);
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1);
    net.driver.read(token, false);
    reset(peer);
    assert_eq!(net.wakeups(Duration::from_millis(100)), 1, "only the time ran out");
    net.driver.read(token, true);
    match net.next() {
        Told::Failed(of, error) => assert_eq!((of, error.kind()), (token, ErrorKind::ConnectionReset)),
        other => panic!("{other:?}"),
    }
    net.driver.read(token, true);
    net.driver.send(token, &mut bytes_out(b"x"));
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1, "a failure is told once");
}

#[test]
fn reset_while_paused_is_told_by_sending() {
    let mut net = Net::new();
    let (token, peer) = net.pair();
    reset(peer);
    assert_eq!(net.wakeups(Duration::from_millis(50)), 1, "only the time ran out");
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
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1, "a failure is told once");
}

fn bytes_out(data: &[u8]) -> OutBuf {
    let mut out = OutBuf::new();
    out.push_slice(data);
    out
}

#[test]
fn reset_of_a_blocked_send_is_told_once() {
    let mut net = Net::new();
    let (token, peer) = net.pair();
    let mut out = bytes_out(&pattern(20_000_000));
    net.driver.send(token, &mut out);
    while let Some(told) = net.next_until(Instant::now() + Duration::from_millis(50)) {
        assert!(matches!(told, Told::Sent(_)));
        net.driver.send(token, &mut out);
    }
    reset(peer);
    loop {
        match net.next() {
            Told::Sent(_) => net.driver.send(token, &mut out),
            Told::Failed(of, _) => break assert_eq!(of, token),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1);
}

#[test]
fn failure_of_a_send_is_not_told_after_close() {
    let mut net = Net::new();
    let (token, peer) = net.pair();
    reset(peer);
    net.driver.send(token, &mut bytes_out(b"x"));
    net.driver.close(token, Close::Abort);
    assert!(net.poll().is_none());
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1);
}

#[test]
fn urgent_bytes_are_read_in_line_and_do_not_spin() {
    let mut net = Net::new();
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
    assert_eq!(net.wakeups(Duration::from_millis(50)), 1, "only the time ran out");
}

#[test]
fn stopped_listener_leaves_connections_in_the_backlog() {
    let mut net = Net::new();
    let (listener, addr) = net.listen();
    let _peers: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(addr).unwrap()).collect();
    net.accept();
    net.driver.read(listener, false);
    assert!(net.poll().is_none(), "harvested, but not wanted any more");
    assert_eq!(net.wakeups(Duration::from_millis(50)), 1);
    net.driver.read(listener, true);
    for _ in 0..4 {
        net.accept();
    }
    assert_eq!(net.wakeups(Duration::from_millis(20)), 1);
}

#[test]
fn paused_connection_is_not_read_although_harvested() {
    let mut net = Net::new();
    let (first, mut one) = net.pair();
    let (second, mut two) = net.pair();
    one.write_all(b"1").unwrap();
    two.write_all(b"2").unwrap();
    net.driver.read(first, true);
    net.driver.read(second, true);
    let Told::Received(of, _) = net.next() else { panic!("expected bytes") };
    let other = if of == first { second } else { first };
    net.driver.read(other, false);
    assert!(net.poll().is_none());
    net.driver.read(other, true);
    assert!(matches!(net.next(), Told::Received(of, _) if of == other));
}

#[test]
fn wait_returns_at_once_while_events_are_left() {
    let mut net = Net::new();
    let (_, addr) = net.listen();
    let _peers = (TcpStream::connect(addr).unwrap(), TcpStream::connect(addr).unwrap());
    net.accept();
    net.driver.wait(None).unwrap();
    net.accept();
}

#[test]
fn used_places_never_get_events_of_their_former_owners() {
    let mut net = Net::new();
    let (_, addr) = net.listen();
    for round in 0..200_u32 {
        // Both are harvested together; the event of one is left while its place is given out again.
        let peers: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let tokens: Vec<Token> = peers.iter().map(|_| net.accept()).collect();
        assert!(tokens.iter().all(|token| token.index <= 4), "{tokens:?}");
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
        assert_eq!(heir.index, other.index);
        assert!(matches!(net.next(), Told::Connected(of, Ok(_)) if of == heir));
        net.driver.read(heir, true);
        net.driver.read(other, true);
        net.driver.send(other, &mut bytes_out(b"stray"));
        assert!(net.poll().is_none());
        net.driver.close(of, Close::Abort);
        net.driver.close(heir, Close::Abort);
    }
}

#[test]
fn waker_ends_a_wait_from_another_thread() {
    let mut net = Net::new();
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

#[test]
fn waker_ends_a_wait_that_begins_later() {
    let mut net = Net::new();
    net.driver.waker().wake();
    net.driver.wait(None).unwrap();
    let until = Instant::now() + Duration::from_millis(30);
    while Instant::now() < until {
        net.driver.wait(Some(until)).unwrap();
    }
    net.driver.waker().wake();
    net.driver.wait(None).unwrap();
}

#[test]
fn waker_outlives_its_driver() {
    let waker = Net::new().driver.waker();
    waker.wake();
}

#[test]
fn wait_ends_at_its_time_and_not_before() {
    let mut net = Net::new();
    for nanos in [1, 700_000, 3_000_000] {
        let until = Instant::now() + Duration::from_nanos(nanos);
        net.driver.wait(Some(until)).unwrap();
        assert!(Instant::now() >= until);
    }
}

#[test]
fn adopted_listener_serves() {
    let mut net = Net::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let bound = net.driver.host().adopt(listener.into()).unwrap();
    assert_eq!(bound.addr, addr.into());
    let token = net.driver.open(Open::Listen(bound)).unwrap();
    net.driver.read(token, true);
    let _peer = TcpStream::connect(addr).unwrap();
    net.accept();
}

#[test]
fn only_listening_streams_are_adopted() {
    let host = Net::new().driver.host();
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(host.adopt(datagrams.into()).unwrap_err().kind(), ErrorKind::InvalidInput);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_eq!(host.adopt(stream.into()).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn taken_port_is_an_error() {
    let mut net = Net::new();
    let (_, addr) = net.listen();
    let bind = trenza_core::driver::Bind { addr: addr.into(), dual_stack: false, mode: None, backlog: 1 };
    assert_eq!(net.driver.host().bind(&bind).unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn names_resolve_and_random_bytes_differ() {
    let host = Net::new().driver.host();
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
