//! A driver that is dropped, and a connection that is aborted, while the kernel does something for it.

use super::{
    super::{
        UringDriver,
        faulty::{Fault, Faults},
    },
    DEADLINE, Mode, Parts, assert_nothing_is_left, listen,
    peer::are_right,
};
use crate::rest::REST;
use bytes::Bytes;
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use trenza_core::driver::{Close, Driver, Event, Token};
use trenza_wire::OutBuf;

/// More than any system takes for a peer that does not read.
const BYTES: usize = 32 << 20;

fn driver(test: &str) -> Option<UringDriver> {
    Parts::new((8, 256 * 1024), Mode::Incremental).driver(test)
}

/// A connection, and its far end.
fn pair(driver: &mut UringDriver) -> (Token, TcpStream) {
    let (listener, addr) = listen(driver);
    let peer = TcpStream::connect(addr).unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    let token = loop {
        driver.wait(Some(Instant::now() + DEADLINE)).unwrap();
        if let Some(Event::Accepted { new, .. }) = driver.next() {
            break new;
        }
    };
    driver.close(listener, Close::Graceful);
    (token, peer)
}

/// Lets the driver tell the kernel what it was asked for.
fn settle(driver: &mut UringDriver) {
    for _ in 0..3 {
        driver.wait(Some(Instant::now() + Duration::from_millis(5))).unwrap();
        assert!(driver.next().is_none());
    }
}

/// Sends until the kernel has something that it cannot send.
fn block(driver: &mut UringDriver, token: Token, out: &mut OutBuf) {
    loop {
        // As among many others: sends are put together.
        driver.busy = true;
        driver.send(token, out);
        driver.wait(Some(Instant::now() + Duration::from_millis(100))).unwrap();
        match driver.next() {
            Some(Event::Sent { bytes, .. }) => out.landed(bytes),
            None => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(out.lent() > 0, "it took it all for a peer that does not read");
}

/// Nobody has the other end any more, and that was told: with a FIN, or with a reset where bytes were left.
fn assert_ended(peer: &mut TcpStream) {
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    match peer.read(&mut [0]) {
        Ok(got) => assert_eq!(got, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it is still open"),
    }
}

/// Bytes that tell when nobody has them any more.
struct Owned(Vec<u8>, Arc<AtomicBool>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Whoever still sends them sends something else.
        self.0.fill(0);
        self.1.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_blocked_send_is_ended_and_its_bytes_are_freed() {
    let Some(mut driver) = driver("a_blocked_send_is_ended_and_its_bytes_are_freed") else { return };
    let (token, mut peer) = pair(&mut driver);
    let freed = Arc::new(AtomicBool::new(false));
    let bytes: Vec<u8> = super::peer::bytes(0, 0, BYTES / 64).repeat(64);
    let mut out = OutBuf::new();
    out.push_bytes(Bytes::from_owner(Owned(bytes, freed.clone())));
    block(&mut driver, token, &mut out);
    drop(out);
    assert!(!freed.load(Ordering::Relaxed), "the kernel still reads it");
    drop(driver);
    assert!(freed.load(Ordering::Relaxed), "its bytes are left");
    let mut got = Vec::new();
    let end = peer.read_to_end(&mut got).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset, "a part was told as the whole");
    for (piece, n) in got.chunks(BYTES / 64).zip(0..) {
        assert!(are_right(0, 0, piece), "piece {n}: bytes were sent that were freed");
    }
}

#[test]
fn a_send_that_waits_for_memory_is_not_sent_after_an_abort() {
    let Some(mut driver) = driver("a_send_that_waits_for_memory_is_not_sent_after_an_abort") else { return };
    let (token, mut peer) = pair(&mut driver);
    driver.read(token, true);
    let mut out = OutBuf::new();
    out.push_vec(vec![0; BYTES]);
    block(&mut driver, token, &mut out);
    // What follows finds no memory, and then the peer reads no more.
    driver.ring.faults = Faults::default().with(Fault::NoMemory, 1);
    while driver.rests.until().is_none() {
        peer.read_exact(&mut [0; 4096]).unwrap();
        driver.wait(Some(Instant::now())).unwrap();
        if let Some(Event::Sent { bytes, .. }) = driver.next() {
            out.landed(bytes);
            driver.busy = true;
            driver.send(token, &mut out);
        }
    }
    driver.close(token, Close::Abort);
    driver.ring.faults = Faults::default();
    thread::sleep(2 * REST);
    let sends = driver.ring.counts.sends;
    while driver.streams.values_mut().count() > 0 {
        driver.wait(Some(Instant::now() + Duration::from_millis(1))).unwrap();
        assert!(driver.next().is_none());
    }
    assert_eq!(driver.ring.counts.sends, sends, "it was sent again");
    assert_nothing_is_left(&mut driver);
}

#[test]
fn armed_receives_are_ended() {
    let Some(mut driver) = driver("armed_receives_are_ended") else { return };
    let mut peers = Vec::new();
    for _ in 0..50 {
        let (token, peer) = pair(&mut driver);
        driver.read(token, true);
        peers.push(peer);
    }
    settle(&mut driver);
    // Some have come, and nobody has seen them.
    peers.iter_mut().step_by(2).for_each(|peer| peer.write_all(b"unseen").unwrap());
    driver.wait(Some(Instant::now())).unwrap();
    drop(driver);
    peers.iter_mut().for_each(assert_ended);
}

#[test]
fn connections_that_nobody_was_told_of_are_closed() {
    let Some(mut driver) = driver("connections_that_nobody_was_told_of_are_closed") else { return };
    let (_, addr) = listen(&mut driver);
    settle(&mut driver);
    let mut peers: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(addr).unwrap()).collect();
    driver.wait(Some(Instant::now() + DEADLINE)).unwrap();
    drop(driver);
    peers.iter_mut().for_each(assert_ended);
}

#[test]
fn what_was_closed_ends_as_it_was_told() {
    let Some(mut driver) = driver("what_was_closed_ends_as_it_was_told") else { return };
    let (aborted, mut reset) = pair(&mut driver);
    let (closed, mut ended) = pair(&mut driver);
    for token in [aborted, closed] {
        driver.read(token, true);
    }
    settle(&mut driver);
    ended.write_all(b"unread").unwrap();
    driver.close(aborted, Close::Abort);
    driver.close(closed, Close::Graceful);
    // Nobody waits any more, so the kernel was told neither.
    drop(driver);
    assert_eq!(reset.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(ended.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_driver_that_never_waited_ends_at_once() {
    let Some(mut driver) = driver("a_driver_that_never_waited_ends_at_once") else { return };
    let (_, addr) = listen(&mut driver);
    let mut peer = TcpStream::connect(addr).unwrap();
    drop(driver);
    assert_ended(&mut peer);
}
