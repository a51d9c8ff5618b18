//! Drivers that listen on the same sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

#[macro_use]
mod common;

use common::{DEADLINE, Net};
use std::{
    net::TcpStream,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use trenza_core::driver::{Close, Open};
use trenza_sys::{DriverKind, SharedSockets};

cases! {
    one_port_is_accepted_from_by_all
    a_new_connection_goes_from_one_to_another
    whoever_looks_again_finds_who_waits
}

fn one_port_is_accepted_from_by_all(kind: DriverKind) {
    let sockets = SharedSockets::default();
    let (mut one, mut other) = (Net::sharing(kind, &sockets), Net::sharing(kind, &sockets));
    let ((here, addr), (there, same)) = (one.listen(), other.listen());
    assert_eq!(addr, same);
    other.driver.read(there, false);
    other.settle();
    let _first = TcpStream::connect(addr).unwrap();
    one.accept();
    one.driver.close(here, Close::Graceful);
    other.driver.read(there, true);
    let _second = TcpStream::connect(addr).unwrap();
    other.accept();
}

fn a_new_connection_goes_from_one_to_another(kind: DriverKind) {
    let (mut one, mut other) = (Net::new(kind), Net::new(kind));
    let (new, peer) = one.pair();
    let released = one.driver.release(new).expect("nothing was asked of it");
    let taken = other.driver.open(Open::Accepted(released, peer.peer_addr().unwrap().into())).unwrap();
    other.driver.read(taken, true);
    drop(peer);
    assert!(matches!(other.next(), common::Told::Eof(token) if token == taken));
}

/// The system tells one of those who accept. If that one does not take the connection, the others hear nothing of it.
fn whoever_looks_again_finds_who_waits(kind: DriverKind) {
    let sockets = SharedSockets::default();
    let mut other = Net::sharing(kind, &sockets);
    let ((tell, told), (go_on, end)) = (mpsc::channel(), mpsc::channel::<()>());
    let one = thread::spawn(move || {
        let mut one = Net::sharing(kind, &sockets);
        let (here, _) = one.listen();
        one.driver.wait(Some(Instant::now())).unwrap();
        tell.send(()).unwrap();
        if kind == DriverKind::Poll {
            // Only who waits is told. Then it changes its mind.
            one.driver.wait(Some(Instant::now() + DEADLINE)).unwrap();
            one.driver.read(here, false);
            assert!(one.next_until(Instant::now()).is_none());
            tell.send(()).unwrap();
        }
        end.recv().unwrap();
    });
    told.recv().unwrap();
    if kind == DriverKind::Poll {
        thread::sleep(Duration::from_millis(20));
    }
    let (there, addr) = other.listen();
    other.settle();
    let _peer = TcpStream::connect(addr).unwrap();
    if kind == DriverKind::Poll {
        told.recv().unwrap();
    }
    other.driver.read(there, true);
    other.accept();
    go_on.send(()).unwrap();
    one.join().unwrap();
}
