//! Clients that connect again and again, to servers that flap, hosts that crash and networks that swallow everything.
#![allow(clippy::unwrap_used)]

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use trenza_core::{
    Backoff, ClientService, Deferred, Input, Left, NotConnected, Protocol, Reactor, Reason, Result, Service,
    Transport,
};
use trenza_sim::{HostHandle, Net, Verdict, for_seeds};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Counts what becomes of connections.
#[derive(Clone, Default)]
struct Count(Rc<Counted>);

#[derive(Default)]
struct Counted {
    made: Cell<usize>,
    live: Cell<usize>,
    stopping: Cell<usize>,
    received: RefCell<Vec<u8>>,
    /// How long it takes to close when it is told to stop.
    slow: Cell<Option<Duration>>,
}

impl Protocol for Count {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.0.made.set(self.0.made.get() + 1);
        self.0.live.set(self.0.live.get() + 1);
        assert_eq!(self.0.live.get(), 1, "one connection at a time");
        transport.set_timeout(Some(secs(20)));
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.0.received.borrow_mut().extend_from_slice(input.rest());
        Ok(())
    }
    fn stopping(&mut self, transport: &Transport) -> Result {
        self.0.stopping.set(self.0.stopping.get() + 1);
        match self.0.slow.get() {
            None => transport.close(),
            Some(time) => {
                let late = transport.clone();
                transport.reactor().call_later(time, move || late.close()).detach();
            }
        }
        Ok(())
    }
    fn connection_lost(&mut self, _: &Transport, _: &Reason) {
        self.0.live.set(self.0.live.get() - 1);
    }
}

/// A client of `srv`, whose pauses are those of [`Backoff`] without chance.
fn client(to: &str, count: &Count) -> ClientService {
    let count = count.clone();
    let exact = Backoff { jitter: 0.0, ..Backoff::default() };
    ClientService::new(to, move |_| count.clone()).retry(exact)
}

fn start(host: &HostHandle, service: &ClientService) {
    let mut service = service.clone();
    host.run(|reactor| service.start(reactor)).unwrap();
}

/// Whether what it is given has fired, and how.
fn outcome<T: 'static>(deferred: Deferred<T>) -> Rc<Cell<Option<Result<T>>>> {
    let place = Rc::new(Cell::new(None));
    let seen = place.clone();
    deferred.then(move |result| seen.set(Some(result)));
    place
}

fn stop(host: &HostHandle, service: &ClientService) -> Rc<Cell<Option<Result>>> {
    let mut service = service.clone();
    host.run(|_| outcome(service.stop()))
}

#[test]
fn pauses_grow_while_nobody_is_there_and_shrink_after_a_stable_connection() {
    let net = Net::gentle(1);
    let (srv, cli, count) = (net.host("srv"), net.host("cli"), Count::default());
    let delays = Rc::new(RefCell::new(Vec::new()));
    let seen = delays.clone();
    let mut backoff = Backoff { jitter: 0.0, ..Backoff::default() };
    let service =
        ClientService::new("tcp:srv:7", move |_| count.clone()).retry(move |failures, reactor: &Reactor| {
            let delay = trenza_core::Retry::delay(&mut backoff, failures, reactor)?;
            seen.borrow_mut().push((failures, delay.as_secs()));
            Some(delay)
        });
    start(&cli, &service);
    net.advance(secs(1 + 2 + 4 + 8 + 1));
    assert_eq!(*delays.borrow(), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16)]);
    assert_eq!(service.failures(), 5);
    let peers = srv.probe_listen("tcp:7");
    net.advance(secs(16));
    let peer = peers.accept().unwrap();
    assert!(service.connection().is_some());
    // Lost too early: that counts as a failure more.
    net.advance(secs(5));
    peer.close();
    net.advance(secs(33));
    assert_eq!(delays.borrow().last(), Some(&(6, 32)));
    // This one is stable.
    let peer = peers.accept().unwrap();
    for _ in 0..4 {
        peer.send("x");
        net.advance(secs(10));
    }
    peer.reset();
    net.run();
    assert_eq!(delays.borrow().last(), Some(&(1, 1)));
    net.advance(secs(2));
    assert!(peers.accept().is_some() && service.failures() == 1);
}

#[test]
fn chance_takes_away_no_more_than_its_part() {
    let net = Net::gentle(1);
    let cli = net.host("cli");
    let delays: Vec<_> = cli.run(|reactor| {
        let mut backoff = Backoff::default();
        (0..200).map(|_| trenza_core::Retry::delay(&mut backoff, 3, reactor).unwrap()).collect()
    });
    assert!(delays.iter().all(|delay| (secs(2)..=secs(4)).contains(delay)));
    assert!(delays.iter().any(|delay| *delay < Duration::from_millis(2300)));
    assert!(delays.iter().any(|delay| *delay > Duration::from_millis(3700)));
    // Nothing overflows, whatever is asked for.
    cli.run(|reactor| {
        for (first, factor, most) in [
            (Duration::MAX, f64::INFINITY, Duration::MAX),
            (secs(1), f64::NAN, secs(60)),
            (secs(0), 0.0, secs(0)),
        ] {
            let mut odd = Backoff { first, factor, most, jitter: f64::NAN };
            for failures in [0, 1, u32::MAX] {
                assert!(trenza_core::Retry::delay(&mut odd, failures, reactor).unwrap() <= most);
            }
        }
    });
}

#[test]
fn it_comes_back_after_all_that_happens_to_networks() {
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        let (srv, cli, count) = (net.host("srv"), net.host("cli"), Count::default());
        let each = count.clone();
        let service = ClientService::new("tcp:srv:7:timeout=5", move |_| each.clone());
        start(&cli, &service);
        let mut dice = seed;
        for _ in 0..12 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let time = secs(1 + (dice >> 40) % 90);
            match (dice >> 60) % 5 {
                0 => {
                    let peers = (!srv.is_down()).then(|| srv.probe_listen("tcp:7"));
                    net.advance(time);
                    let accepted = peers.as_ref().and_then(|peers| peers.accept());
                    accepted.into_iter().for_each(|peer| peer.close());
                }
                1 => {
                    srv.crash();
                    net.advance(time);
                    srv.restart(|_| ());
                }
                2 => {
                    let _cut = net.partition(&[&srv], &[&cli]);
                    net.advance(time);
                }
                3 => {
                    let _hole = net.rule(|p| if p.to("srv") { Verdict::Drop } else { Verdict::Pass });
                    net.advance(time);
                }
                _ => {
                    let peers = srv.probe_listen("tcp:7");
                    for _ in 0..3 {
                        net.advance(time / 3);
                        peers.accept().into_iter().for_each(|peer| peer.reset());
                    }
                }
            }
        }
        // All is well again: after one pause more there is a connection.
        let peers = srv.probe_listen("tcp:7");
        let wanted = cli.run(|reactor| outcome(service.when_connected(reactor)));
        net.advance(secs(70));
        assert!(matches!(wanted.take(), Some(Ok(_))), "no connection");
        // It may have been lost again, since nobody says anything.
        while service.connection().is_none() {
            net.advance(secs(1));
        }
        let peer = std::iter::from_fn(|| peers.accept()).last().unwrap();
        peer.send("here");
        net.run();
        assert!(count.0.received.borrow().ends_with(b"here"));
        let stopped = stop(&cli, &service);
        net.run();
        peer.close();
        net.advance(secs(6));
        assert!(matches!(stopped.take(), Some(Ok(()))));
        assert_eq!((cli.left(), count.0.live.get()), (Left::default(), 0));
    });
}

#[test]
fn those_who_wait_get_the_connection_or_the_reason() {
    let net = Net::gentle(1);
    let (srv, cli, count) = (net.host("srv"), net.host("cli"), Count::default());
    let service = client("tcp:srv:7", &count);
    // Before the start, too.
    let (early, two, three, dropped) = cli.run(|reactor| {
        (
            outcome(service.when_connected(reactor)),
            outcome(service.when_connected_within(reactor, 2)),
            outcome(service.when_connected_within(reactor, 3)),
            service.when_connected(reactor),
        )
    });
    start(&cli, &service);
    net.advance(secs(2));
    drop(dropped);
    assert!(early.take().is_none() && three.take().is_none());
    let error = two.take().unwrap().unwrap_err();
    assert!(
        error.to_string().starts_with("not connected after 2 failures, the last one: cannot connect"),
        "{error}"
    );
    assert!(matches!(*error.downcast().unwrap(), NotConnected::Failed { failures: 2, .. }));
    let peers = srv.probe_listen("tcp:7");
    net.advance(secs(3));
    let first = early.take().unwrap().unwrap();
    assert_eq!(three.take().unwrap().unwrap(), first);
    // At once, when there is one.
    let now = cli.run(|reactor| outcome(service.when_connected(reactor)));
    net.run();
    assert_eq!(now.take().unwrap().unwrap(), first);
    // Not the one that is lost.
    peers.accept().unwrap().close();
    net.run();
    assert!(service.connection().is_none());
    let next = cli.run(|reactor| outcome(service.when_connected(reactor)));
    net.advance(secs(60));
    assert_ne!(next.take().unwrap().unwrap(), first);
    let stopped = stop(&cli, &service);
    net.run();
    peers.accept().unwrap().close();
    net.advance(secs(6));
    assert!(stopped.take().unwrap().is_ok());
    let late = cli.run(|reactor| outcome(service.when_connected(reactor)));
    net.run();
    let error = late.take().unwrap().unwrap_err();
    assert!(matches!(*error.downcast().unwrap(), NotConnected::Stopped));
}

#[test]
fn a_policy_that_gives_up_ends_it() {
    let net = Net::gentle(1);
    let cli = net.host("cli");
    let service = client("tcp:srv:7", &Count::default())
        .retry(|failures: u32, _: &Reactor| (failures < 3).then_some(secs(1)));
    net.host("srv");
    let wanted = cli.run(|reactor| outcome(service.when_connected(reactor)));
    start(&cli, &service);
    net.advance(secs(10));
    let error = wanted.take().unwrap().unwrap_err().downcast().unwrap();
    assert!(matches!(*error, NotConnected::Failed { failures: 3, .. }));
    assert_eq!(cli.left(), Left::default());
    let stopped = stop(&cli, &service);
    net.run();
    assert!(stopped.take().unwrap().is_ok());
}

#[test]
fn a_connection_is_prepared_before_anybody_gets_it() {
    for_seeds(0..20, |seed| {
        let net = Net::new(seed);
        let (srv, cli, count) = (net.host("srv"), net.host("cli"), Count::default());
        let inner = count.clone();
        let service = client("tcp:srv:7", &count).prepare(secs(5), move |transport| {
            let (count, transport) = (inner.clone(), transport.clone());
            async move {
                transport.write(b"who?");
                loop {
                    transport.reactor().sleep(Duration::from_millis(10)).await;
                    match &count.0.received.take()[..] {
                        b"" => {}
                        b"y" => return Ok(()),
                        _ => return Err("the wrong one".into()),
                    }
                }
            }
        });
        let peers = srv.probe_listen("tcp:7");
        let wanted = cli.run(|reactor| outcome(service.when_connected_within(reactor, 4)));
        start(&cli, &service);
        let next = |after| {
            net.advance(after);
            peers.accept().unwrap()
        };
        // Refused.
        let one = next(secs(1));
        assert_eq!(one.received(), b"who?");
        assert!(service.connection().is_none());
        one.send("n");
        net.advance(Duration::from_millis(100));
        assert!(one.was_reset());
        // Lost while it is prepared.
        let two = next(secs(1));
        two.close();
        // Silent.
        let three = next(secs(3));
        net.advance(secs(5));
        assert!(three.was_reset());
        let four = next(secs(4));
        four.send("y");
        net.advance(secs(1));
        assert!(matches!(wanted.take(), Some(Ok(_))));
        assert!(service.connection().is_some());
        assert_eq!(service.failures(), 3);
    });
}

#[test]
fn it_stops_whatever_it_is_at() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let (srv, cli, count) = (net.host("srv"), net.host("cli"), Count::default());
        let service = client("tcp:srv:7", &count).prepare(secs(60), |transport| {
            let reactor = transport.reactor().clone();
            async move {
                reactor.sleep(secs(10)).await;
                Ok(())
            }
        });
        let mut hole = None;
        let mut peers = None;
        match seed % 4 {
            0 => hole = Some(net.rule(|p| if p.to("srv") { Verdict::Drop } else { Verdict::Pass })),
            1 => {}
            _ => peers = Some(srv.probe_listen("tcp:7")),
        }
        start(&cli, &service);
        net.advance(secs(if seed % 4 == 3 { 12 } else { 3 }));
        assert_eq!(service.connection().is_some(), seed % 4 == 3);
        let waiting = cli.run(|reactor| outcome(service.when_connected(reactor)));
        let (one, other) = (stop(&cli, &service), stop(&cli, &service));
        net.run();
        let peer = peers.as_ref().and_then(|peers| peers.accept());
        assert_eq!(peer.is_some(), seed % 4 >= 2);
        assert_eq!(count.0.stopping.get(), usize::from(peer.is_some()));
        peer.iter().for_each(|peer| peer.close());
        net.advance(secs(6));
        assert!(one.take().unwrap().is_ok() && other.take().unwrap().is_ok());
        assert_eq!(waiting.take().unwrap().is_ok(), seed % 4 == 3);
        assert_eq!((cli.left(), count.0.live.get()), (Left::default(), 0));
        drop(hole);
    });
}

#[test]
fn it_waits_for_the_end_of_the_connection_unless_it_is_aborted() {
    for abort in [false, true] {
        let net = Net::gentle(1);
        let (srv, cli, count) = (net.host("srv"), net.host("cli"), Count::default());
        count.0.slow.set(Some(secs(10)));
        let mut service = client("tcp:srv:7", &count);
        let peers = srv.probe_listen("tcp:7");
        start(&cli, &service);
        net.run();
        let peer = peers.accept().unwrap();
        let stopped = stop(&cli, &service);
        net.advance(secs(5));
        assert!(stopped.take().is_none() && count.0.live.get() == 1);
        if abort {
            cli.run(|_| service.abort());
            net.run();
            assert!(peer.was_reset());
        } else {
            net.advance(secs(5));
            assert!(stopped.take().is_none());
            peer.close();
            net.run();
        }
        assert!(stopped.take().unwrap().is_ok());
        assert_eq!((cli.left().connections, cli.left().tasks), (0, 0));
    }
}

#[test]
fn a_reactor_that_stops_ends_it_in_whatever_phase() {
    for_seeds(0..30, |seed| {
        let net = Net::new(seed);
        let (srv, cli, count) = (net.host("srv"), net.host("cli"), Count::default());
        let service = client("tcp:srv:7", &count);
        let peers = (seed % 3 == 0).then(|| srv.probe_listen("tcp:7"));
        // Kept by the reactor, or on its own.
        match seed % 2 {
            0 => cli.run(|reactor| reactor.start(service.clone())).unwrap(),
            _ => start(&cli, &service),
        }
        net.advance(secs(2));
        let waiting = (seed % 3 != 0).then(|| cli.run(|reactor| outcome(service.when_connected(reactor))));
        cli.run(|reactor| reactor.stop());
        net.run();
        peers.and_then(|peers| peers.accept()).into_iter().for_each(|peer| peer.close());
        net.advance(secs(6));
        assert!(!cli.is_running() && count.0.live.get() == 0);
        drop(waiting);
    });
}

#[test]
fn wrong_endpoints_are_errors_of_the_start() {
    let net = Net::gentle(1);
    net.host("cli").run(|reactor| {
        for wrong in ["tcp:[", "tcp:h", "quic:h:1"] {
            let mut service = client(wrong, &Count::default());
            assert!(service.start(reactor).is_err(), "{wrong}");
        }
        let mut service = client("tcp:h:1", &Count::default());
        service.start(reactor).unwrap();
        assert!(service.start(reactor).unwrap_err().to_string().contains("started once"));
        drop(service.stop());
    });
}

/// What the program gives may hold the service itself: that must not keep both for ever.
#[test]
fn nothing_is_left_of_a_service_whose_protocols_know_it() {
    let net = Net::gentle(1);
    let cli = net.host("cli");
    let witness = Rc::new(());
    let (held, slot) = (witness.clone(), Rc::new(RefCell::new(None::<ClientService>)));
    let known = slot.clone();
    let mut service = ClientService::new("tcp:srv:7", move |_| {
        let _ = (&held, known.borrow().as_ref().map(ClientService::failures));
        Count::default()
    });
    *slot.borrow_mut() = Some(service.clone());
    let _peers = net.host("srv").probe_listen("tcp:7");
    cli.run(|reactor| service.start(reactor)).unwrap();
    net.advance(secs(1));
    assert_eq!(Rc::strong_count(&witness), 2);
    let stopped = cli.run(|_| outcome(service.stop()));
    net.advance(secs(60));
    assert!(stopped.take().unwrap().is_ok());
    drop((service, slot));
    assert_eq!(Rc::strong_count(&witness), 1);
}

#[test]
fn it_names_the_line_that_made_it() {
    let net = Net::gentle(1);
    let cli = net.host("cli");
    net.host("srv");
    let service = ClientService::new("tcp:srv:7", |_| Count::default());
    start(&cli, &service);
    net.run();
    let left = cli.leftovers();
    assert!(left.iter().any(|left| left.made.file() == file!()), "{left:?}");
}
