//! An engine in somebody else's loop, which watches one descriptor and one time.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

#[macro_use]
mod common;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    future::pending,
    io::{Read, Write},
    net::TcpStream,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};
use trenza_core::{Addr, Engine, Input, Protocol, Result, Transport};
use trenza_sys::DriverKind;

cases! {
    a_host_drives_an_engine_by_its_descriptor
    a_quiet_engine_leaves_its_host_alone
    timers_and_other_threads_reach_a_hosted_engine
    handles_that_outlive_the_engine_hold_nothing
}

const DEADLINE: Duration = Duration::from_secs(30);

/// How many times the host's loop may go round in a test that should take a few; far fewer than a loop that spins.
const ROUNDS_MAX: usize = 2000;

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
}

fn engine(kind: DriverKind) -> (Engine, Addr) {
    let mut engine = Engine::new(kind.driver().unwrap());
    let port = engine.enter(|reactor| reactor.listen("tcp:0:interface=127.0.0.1", |_| Echo)).unwrap();
    (engine, port.addr())
}

/// Has the driver look, then blocks on the descriptor alone. False when the time came first.
fn watch(engine: &mut Engine, most: Duration) -> bool {
    let now = engine.driver().host().now();
    engine.driver().wait(Some(now)).unwrap();
    let left = engine.until().map_or(most, |until| until.saturating_duration_since(now).min(most));
    let timeout = Timespec::try_from(left).unwrap();
    let mut watched = [PollFd::from_borrowed_fd(engine.descriptor().unwrap(), PollFlags::IN)];
    poll(&mut watched, Some(&timeout)).unwrap() > 0
}

/// The host's loop, until the engine has ended.
fn run(engine: &mut Engine) -> usize {
    let late = Instant::now() + DEADLINE;
    let mut rounds = 0;
    while engine.dispatch() {
        assert!(Instant::now() < late, "nothing made the descriptor readable");
        rounds += 1;
        watch(engine, DEADLINE);
    }
    rounds
}

fn a_host_drives_an_engine_by_its_descriptor(kind: DriverKind) {
    let (mut engine, addr) = engine(kind);
    let remote = engine.reactor().remote();
    let client = thread::spawn(move || {
        let mut peers: Vec<_> = (0..10).map(|_| TcpStream::connect(addr.to_string()).unwrap()).collect();
        // More than the system holds, both ways: the host must be told of room as well.
        let message = vec![7; 1 << 20];
        for peer in &mut peers {
            let (mut writer, copy) = (peer.try_clone().unwrap(), message.clone());
            let write = thread::spawn(move || writer.write_all(&copy).unwrap());
            let mut echo = vec![0; message.len()];
            peer.read_exact(&mut echo).unwrap();
            write.join().unwrap();
            assert!(echo == message);
        }
        drop(peers);
        remote.call(|reactor| reactor.stop());
    });
    run(&mut engine);
    client.join().unwrap();
}

fn a_quiet_engine_leaves_its_host_alone(kind: DriverKind) {
    let (mut engine, addr) = engine(kind);
    let peer = TcpStream::connect(addr.to_string()).unwrap();
    let mut rounds = 0;
    engine.dispatch();
    while watch(&mut engine, Duration::from_millis(50)) || engine.until().is_some() {
        engine.dispatch();
        rounds += 1;
        assert!(rounds < ROUNDS_MAX, "the descriptor stays readable");
    }
    assert_eq!(engine.left().connections, 1);
    drop(peer);
}

fn timers_and_other_threads_reach_a_hosted_engine(kind: DriverKind) {
    let (mut engine, _) = engine(kind);
    let remote = engine.reactor().remote();
    engine.enter(|reactor| {
        let reactor = reactor.clone();
        let later = reactor.clone().call_later(Duration::from_millis(20), move || {
            thread::spawn(move || remote.call(|reactor| reactor.stop()));
            drop(reactor);
        });
        later.detach();
    });
    assert!(run(&mut engine) < ROUNDS_MAX);
}

fn handles_that_outlive_the_engine_hold_nothing(kind: DriverKind) {
    let driver = kind.driver().unwrap();
    let host = driver.host();
    let mut engine = Engine::new(driver);
    let reactor = engine.reactor();
    let (task, connect) = engine.enter(|reactor| {
        let task = reactor.spawn(async { pending::<Result>().await });
        (task, reactor.open("tcp:127.0.0.1:1"))
    });
    engine.dispatch();
    drop(engine);
    drop((task, connect));
    let itself = reactor.clone();
    reactor.call_later(Duration::ZERO, move || drop(itself)).detach();
    let itself = reactor.clone();
    let (deferred, resolver) = reactor.deferred::<()>();
    deferred.then(move |_| drop(itself));
    resolver.fire(Ok(()));
    let itself = reactor.clone();
    reactor.in_thread(|| Ok(())).then(move |_| drop(itself));
    let itself = reactor.clone();
    reactor.lookup("localhost", 1).then(move |_| drop(itself));
    drop(reactor);
    assert_eq!(Rc::strong_count(&host), 1);
}
