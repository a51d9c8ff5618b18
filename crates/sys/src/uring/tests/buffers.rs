//! Far fewer buffers than there are connections that receive at once.

use super::{
    super::UringDriver,
    DEADLINE, Mode, Parts, assert_nothing_is_left, ip, listen,
    peer::{Peer, are_right},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use trenza_core::driver::{Close, Driver, Event, Token};

/// How many send at once, and how much each.
const PEERS: u32 = 100;
const BYTES: usize = 1024 * 1024;

/// Our end of a connection: whose stream it receives, how much of it has come, and whether that was all.
struct Ours {
    token: Token,
    stream: u32,
    got: usize,
    ended: bool,
}

/// By the index of the token.
type All = BTreeMap<u32, Ours>;

/// All bytes arrive, and who finds no buffer does not ask again and again.
fn starve(test: &str, shape: (u16, u32), mode: Mode) {
    let Some(mut driver) = Parts::new(shape, mode).driver(test) else { return };
    let (listener, addr) = listen(&mut driver);
    let mut peers: Vec<Peer> = (0..PEERS).map(|stream| Peer::connect(addr, stream)).collect();
    let mut all = All::new();
    let until = Instant::now() + DEADLINE;
    while all.values().filter(|ours| ours.ended).count() < peers.len() {
        assert!(Instant::now() < until, "not all has come; {:?}", driver.ring.counts);
        for peer in &mut peers {
            peer.write((BYTES - peer.sent).min(100_000));
            if peer.sent == BYTES {
                peer.shut();
            }
        }
        drive(&mut driver, &mut all, &peers);
    }
    let counts = driver.ring.counts;
    assert!(counts.dry > 0, "there were buffers enough: {counts:?}");
    assert!(counts.dry <= 2 * counts.pieces, "a storm: {counts:?}");
    all.values().for_each(|ours| driver.close(ours.token, Close::Graceful));
    driver.close(listener, Close::Graceful);
    while driver.streams.values_mut().count() > 0 {
        drive(&mut driver, &mut All::new(), &[]);
    }
    assert_nothing_is_left(&mut driver);
}

fn drive(driver: &mut UringDriver, all: &mut All, peers: &[Peer]) {
    driver.wait(Some(Instant::now() + Duration::from_millis(1))).unwrap();
    while let Some(event) = driver.next() {
        match event {
            Event::Accepted { new: token, remote, .. } => {
                let peer = peers.iter().find(|peer| peer.ends.0 == ip(&remote)).unwrap();
                all.insert(token.index, Ours { token, stream: peer.stream, got: 0, ended: false });
                driver.read(token, true);
            }
            Event::Received { token, data } => {
                let ours = all.get_mut(&token.index).unwrap();
                assert!(are_right(ours.stream, ours.got, data));
                ours.got += data.len();
            }
            Event::Eof { token } => {
                let ours = all.get_mut(&token.index).unwrap();
                assert_eq!(ours.got, BYTES);
                ours.ended = true;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_incremental_buffer_serves_a_hundred() {
    starve("one_incremental_buffer_serves_a_hundred", (1, 4096), Mode::Incremental);
}

#[test]
fn two_incremental_buffers_serve_a_hundred() {
    starve("two_incremental_buffers_serve_a_hundred", (2, 4096), Mode::Incremental);
}

#[test]
fn eight_incremental_buffers_serve_a_hundred() {
    starve("eight_incremental_buffers_serve_a_hundred", (8, 16 * 1024), Mode::Incremental);
}

#[test]
fn one_whole_buffer_serves_a_hundred() {
    starve("one_whole_buffer_serves_a_hundred", (1, 4096), Mode::Whole);
}

#[test]
fn two_whole_buffers_serve_a_hundred() {
    starve("two_whole_buffers_serve_a_hundred", (2, 4096), Mode::Whole);
}

#[test]
fn eight_whole_buffers_serve_a_hundred() {
    starve("eight_whole_buffers_serve_a_hundred", (8, 16 * 1024), Mode::Whole);
}
