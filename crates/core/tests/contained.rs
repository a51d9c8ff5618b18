//! What is left behind when code of the user's panics, or runs when it is least expected.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use trenza_core::{
    Buf, Engine, Error, Factory, Flow, Input, IntoEndpoint, Layer, OutBuf, Protocol, Reason, Result,
    Transport, Wire,
};
use trenza_sim::{Net, Verdict, for_seeds};

/// Panics when it is dropped, unless that would end the process.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        &[b'b'; 2000]
    }
}

struct Talker(Rc<RefCell<Vec<String>>>);

impl Protocol for Talker {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        transport.write_bytes(Bytes::from_owner(Bomb));
        transport.write_bytes(Bytes::from(vec![b'x'; 100_000]));
        Ok(())
    }
    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.0.borrow_mut().push(reason.to_string());
    }
}

#[test]
fn a_panic_while_bytes_are_sent_ends_their_connection() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        net.allow_panics();
        let (log, srv) = (Rc::new(RefCell::new(Vec::new())), net.host("srv"));
        let written = log.clone();
        srv.listen("tcp:7007", move |_| Talker(written.clone()));
        let cli = net.host("cli").probe("tcp:srv:7007");
        cli.send("!");
        net.run();
        // Bytes that were dropped when all of them had left cost nothing; else there would be a hole.
        if cli.was_reset() {
            assert_eq!(*log.borrow(), ["a callback panicked"]);
            assert_eq!(srv.left().connections, 0);
        } else {
            assert_eq!((log.borrow().len(), cli.received().len()), (0, 102_000));
        }
    });
}

/// Throws a bomb.
struct Thrower(Rc<RefCell<Vec<String>>>);

impl Protocol for Thrower {
    fn data_received(&mut self, transport: &Transport, _: &mut Input<'_>) -> Result {
        transport.attach(Bomb);
        std::panic::panic_any(Bomb)
    }
    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.0.borrow_mut().push(reason.to_string());
        std::panic::panic_any(Bomb)
    }
}

#[test]
fn what_a_panic_throws_may_panic_when_it_is_dropped() {
    let net = Net::gentle(1);
    net.allow_panics();
    let (log, srv) = (Rc::new(RefCell::new(Vec::new())), net.host("srv"));
    let written = log.clone();
    srv.listen("tcp:7007", move |_| Thrower(written.clone()));
    let [one, other] = ["one", "other"].map(|name| net.host(name).probe("tcp:srv:7007"));
    one.send("!");
    net.run();
    assert!(one.was_reset() && !other.lost());
    assert_eq!(*log.borrow(), ["a callback panicked"]);
    let told = Rc::new(Cell::new(false));
    let tell = told.clone();
    srv.run(|reactor| {
        let job = reactor.in_thread(|| -> Result { std::panic::panic_any(Bomb) });
        job.then(move |result| tell.set(result.unwrap_err().is::<trenza_core::JobPanicked>()));
        reactor.call_later(Duration::ZERO, || std::panic::panic_any(Bomb)).detach();
    });
    net.run();
    other.send("!");
    net.run();
    assert!(told.get() && other.was_reset());
}

struct Plain;

impl Protocol for Plain {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

#[test]
fn a_panic_while_the_loop_stops_does_not_keep_it_from_stopping() {
    let net = Net::gentle(1);
    net.allow_panics();
    let _silence = net.rule(|packet| if packet.to("nowhere") { Verdict::Drop } else { Verdict::Pass });
    net.host("nowhere");
    let srv = net.host("srv");
    let bomb = Bomb;
    srv.run(|reactor| {
        let made = reactor.connect("tcp:nowhere:1", move |_| {
            let _ = &bomb;
            Plain
        });
        made.detach();
    });
    net.run();
    let peers = net.host("cli").probe_listen("tcp:7007");
    srv.run(|reactor| reactor.connect("tcp:cli:7007", |_| Plain).detach());
    net.run();
    let cli = peers.accept().unwrap();
    srv.run(|reactor| reactor.stop());
    net.run();
    assert!(cli.eof() && !cli.was_reset());
    cli.close();
    net.run();
    assert!(!srv.is_running());
}

struct Told(Rc<Cell<usize>>);

impl Factory for Told {
    fn build(&mut self, _: &Transport) -> Option<Box<dyn Protocol>> {
        None
    }
    fn stopped(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_port_that_is_asked_for_while_the_loop_stops_is_stopped() {
    let net = Net::new(1);
    let stopped = Rc::new(Cell::new(0));
    let srv = net.host("srv");
    srv.run(|reactor| {
        reactor.stop();
        reactor.listen_with("tcp:7007", Told(stopped.clone())).unwrap();
    });
    net.advance(Duration::from_secs(1));
    assert_eq!((stopped.get(), srv.is_running()), (1, false));
}

#[test]
fn an_engine_may_outlive_its_threads_locals() {
    thread_local! {
        static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
    }
    let ended = std::thread::spawn(|| {
        // Made first, so dropped last, as a host that keeps its engine in a thread local does.
        ENGINE.with(|_| ());
        let net = Net::new(1);
        let mut engine = Engine::new(Box::new(net.host("srv").driver()));
        engine.enter(|reactor| reactor.call_later(Duration::ZERO, || ()).detach());
        ENGINE.set(Some(engine));
    });
    ended.join().unwrap();
}

/// Fails at its first byte, and before is never ready.
struct Failing;

impl Layer for Failing {
    fn decode(&mut self, _: &mut Wire<'_>, _: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        down.push_slice(&[b'x'; 50_000]);
        Err("told to".into())
    }
    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        down.append(plain);
        Ok(())
    }
    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }
}

impl std::fmt::Debug for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bomb")
    }
}

impl std::fmt::Display for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bomb")
    }
}

impl std::error::Error for Bomb {}

#[test]
fn an_error_whose_drop_panics_ends_its_connection_all_the_same() {
    let net = Net::gentle(1);
    net.allow_panics();
    let srv = net.host("srv");
    let on = "tcp:7007".into_endpoint().unwrap().layered(|| vec![Box::new(Failing)]);
    srv.run(|reactor| reactor.listen(on, |_| Plain)).unwrap();
    let cli = net.host("cli").probe("tcp:srv:7007");
    cli.window(10);
    cli.read(false);
    cli.send("!");
    net.run();
    // The layer's error is the reason that counts; it closes as soon as its last words have left.
    assert_eq!(srv.left().connections, 1);
    let transport = srv.reactor().connections().remove(0);
    srv.run(|_| transport.handle::<Plain>().call(|_, _| Err(Error::from(Box::new(Bomb) as Box<_>))));
    net.run();
    assert_eq!(srv.left().connections, 0);
}

struct Never;

impl Layer for Never {
    fn decode(&mut self, _: &mut Wire<'_>, _: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
        Ok(Flow::More)
    }
    fn encode(&mut self, _: &mut OutBuf, _: &mut OutBuf) -> Result {
        Ok(())
    }
    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }
    fn ready(&self) -> bool {
        false
    }
}

#[test]
fn nobody_is_told_of_a_connection_whose_layers_are_not_ready() {
    let net = Net::gentle(1);
    let srv = net.host("srv");
    let on = "tcp:7007".into_endpoint().unwrap().layered(|| vec![Box::new(Never)]);
    srv.run(|reactor| reactor.listen(on, |_| Plain)).unwrap();
    let _cli = net.host("cli").probe("tcp:srv:7007");
    net.run();
    let log = Rc::new(RefCell::new(Vec::new()));
    srv.reactor().connections().remove(0).switch_to(Talker(log.clone()));
    net.advance(Duration::from_secs(20));
    assert!(log.borrow().is_empty());
    assert_eq!(srv.left().connections, 0);
}
