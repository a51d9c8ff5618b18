//! Connects that do not come about leave nothing behind, and who asked is told.
#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::{Buf, Flow, Input, IntoEndpoint, Layer, Left, OutBuf, Protocol, Result, Transport, Wire};
use trenza_sim::{Net, Verdict};

struct Plain;

impl Protocol for Plain {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

#[test]
fn a_connect_on_its_way_is_dropped_with_the_loop() {
    let net = Net::new(1);
    net.host("srv");
    let _silence = net.rule(|_| Verdict::Drop);
    let cli = net.host("cli");
    let held = Rc::new(());
    for to in ["tcp:srv:7007", "tcp:srv:7008"] {
        let (callback, build) = (held.clone(), held.clone());
        let connect = move |reactor: &trenza_core::Reactor| {
            let made = reactor.connect(to, move |_| {
                let _ = &build;
                Plain
            });
            made.then(move |_| drop(callback));
        };
        cli.run(connect);
    }
    net.run();
    assert_eq!(cli.left().connections, 2);
    cli.kill();
    net.run();
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn who_waits_for_a_connect_is_told_when_the_loop_stops() {
    let net = Net::new(1);
    net.host("srv");
    let _silence = net.rule(|packet| if packet.to("srv") { Verdict::Drop } else { Verdict::Pass });
    let cli = net.host("cli");
    let told = Rc::new(RefCell::new(None));
    let tell = told.clone();
    cli.run(move |reactor| {
        let made = reactor.connect("tcp:srv:7007", |_| Plain);
        made.then(move |result| *tell.borrow_mut() = Some(result.is_err()));
    });
    net.run();
    // Somebody keeps the loop up for a while.
    cli.listen("tcp:1", |_| Lingers);
    let peer = net.host("peer").probe("tcp:cli:1");
    net.run();
    assert!(peer.connected());
    cli.run(|reactor| reactor.stop());
    net.advance(Duration::from_secs(1));
    assert!(cli.is_running());
    assert_eq!(*told.borrow(), Some(true));
}

/// Does not end when it is asked to.
struct Lingers;

impl Protocol for Lingers {
    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
    fn stopping(&mut self, _: &Transport) -> Result {
        Ok(())
    }
}

/// Fails when it hears something.
struct Refusing;

impl Layer for Refusing {
    fn decode(&mut self, _: &mut Wire<'_>, _: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
        Err("refused".into())
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

struct Hello;

impl Protocol for Hello {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(b"hello");
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
}

#[test]
fn a_connect_that_is_at_its_second_address_can_be_cancelled() {
    let net = Net::gentle(1);
    let srv = net.host("srv");
    let other = net.host("other");
    srv.listen("tcp:7007", |_| Hello);
    let [first, second] = [srv.ips()[0], other.ips()[0]];
    net.name("both", &[first, second]);
    let _silence = net.rule(|packet| if packet.to("other") { Verdict::Drop } else { Verdict::Pass });
    let cli = net.host("cli");
    let pending = cli.run(|reactor| {
        let layered = "tcp:both:7007".into_endpoint().unwrap().layered(|| vec![Box::new(Refusing)]);
        reactor.connect(layered, |_| Plain)
    });
    // The first address accepts and the layer refuses it; nobody answers at the second one.
    net.advance(Duration::from_secs(5));
    assert_eq!(cli.left().connections, 1);
    cli.run(|_| drop(pending));
    net.run();
    assert_eq!(cli.left(), Left::default());
}
