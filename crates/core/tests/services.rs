//! Services: several that are one, ports and timers that are one each.
#![allow(clippy::unwrap_used)]

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::Duration,
};
use trenza_core::{
    Deferred, Input, Left, PortService, Protocol, Reactor, Reason, Result, Service, Services, StartError,
    StopError, TimerService, Transport,
};
use trenza_sim::{Net, for_seeds};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

type Log = Rc<RefCell<Vec<String>>>;

/// Notes what it is told, and takes its time to stop.
struct Noted {
    name: &'static str,
    log: Log,
    reactor: Option<Reactor>,
    /// How long it takes to stop; None: it never does.
    stops: Option<Duration>,
    fails: bool,
}

impl Noted {
    fn new(name: &'static str, log: &Log) -> Self {
        Self { name, log: log.clone(), reactor: None, stops: Some(Duration::ZERO), fails: false }
    }

    fn stops(mut self, stops: Option<Duration>) -> Self {
        self.stops = stops;
        self
    }

    fn fails(mut self) -> Self {
        self.fails = true;
        self
    }

    fn note(&self, what: &str) {
        self.log.borrow_mut().push(format!("{} {what}", self.name));
    }
}

impl Service for Noted {
    fn start(&mut self, reactor: &Reactor) -> Result {
        self.reactor = Some(reactor.clone());
        if self.fails {
            self.note("fails");
            return Err(io::Error::from(io::ErrorKind::AddrInUse).into());
        }
        self.note("starts");
        Ok(())
    }

    fn stop(&mut self) -> Deferred<()> {
        self.note("stops");
        let (reactor, stops) = (self.reactor.clone().unwrap(), self.stops);
        let (name, log) = (self.name, self.log.clone());
        let (over, tell) = reactor.deferred();
        let sleeping = reactor.clone();
        reactor
            .spawn(async move {
                match stops {
                    Some(time) => sleeping.sleep(time).await,
                    None => std::future::pending().await,
                }
                log.borrow_mut().push(format!("{name} is over"));
                tell.fire(Ok(()));
                Ok(())
            })
            .detach();
        over
    }

    fn abort(&mut self) {
        self.note("is aborted");
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.note("is dropped");
    }
}

fn take(log: &Log) -> Vec<String> {
    log.take().into_iter().filter(|line| !line.ends_with("dropped")).collect()
}

#[test]
fn services_start_in_order_and_stop_in_reverse() {
    for_seeds(0..20, |seed| {
        let (net, log) = (Net::new(seed), Log::default());
        let here = net.host("here");
        let mut services = Services::new()
            .with("a", Noted::new("a", &log).stops(Some(secs(2))))
            .with("b", Services::new().with("b1", Noted::new("b1", &log)).with("b2", Noted::new("b2", &log)))
            .with("c", Noted::new("c", &log).stops(Some(secs(3))));
        here.run(|reactor| services.start(reactor)).unwrap();
        assert_eq!(take(&log), ["a starts", "b1 starts", "b2 starts", "c starts"]);
        let stopped = Rc::new(Cell::new(false));
        let seen = stopped.clone();
        here.run(|_| services.stop().then(move |result| seen.set(result.is_ok())));
        net.run();
        assert_eq!(take(&log), ["c stops"]);
        net.advance(secs(4));
        let middle = ["c is over", "b2 stops", "b2 is over", "b1 stops", "b1 is over", "a stops"];
        assert_eq!(take(&log), middle);
        assert!(!stopped.get());
        net.advance(secs(2));
        assert_eq!(take(&log), ["a is over"]);
        assert!(stopped.get());
        assert_eq!(here.left(), Left::default());
    });
}

#[test]
fn what_was_started_is_stopped_when_the_next_one_fails() {
    let (net, log) = (Net::gentle(1), Log::default());
    let here = net.host("here");
    let mut services = Services::new()
        .with("a", Noted::new("a", &log))
        .with("b", Noted::new("b", &log))
        .with("c", Noted::new("c", &log).fails())
        .with("d", Noted::new("d", &log));
    let error = here.run(|reactor| services.start(reactor)).unwrap_err();
    assert!(error.to_string().starts_with("cannot start c: "), "{error}");
    let error = error.downcast::<StartError>().unwrap();
    assert_eq!(error.error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::AddrInUse);
    net.run();
    let told = ["a starts", "b starts", "c fails", "b stops", "b is over", "a stops", "a is over"];
    assert_eq!(take(&log), told);
    assert_eq!(here.left(), Left::default());
}

#[test]
fn what_is_not_over_at_the_deadline_is_aborted_and_named() {
    let (net, log) = (Net::gentle(1), Log::default());
    let here = net.host("here");
    let mut services = Services::new()
        .with("a", Noted::new("a", &log))
        .with("b", Noted::new("b", &log).stops(None))
        .with("c", Noted::new("c", &log).stops(Some(secs(3))))
        .deadline(secs(5));
    here.run(|reactor| services.start(reactor)).unwrap();
    let error = Rc::new(RefCell::new(String::new()));
    let seen = error.clone();
    here.run(|_| {
        services.stop().then(move |result| {
            let error = result.unwrap_err().downcast::<StopError>().unwrap();
            assert_eq!(error.left.len(), 2);
            *seen.borrow_mut() = error.to_string();
        });
    });
    net.advance(secs(5));
    // Those behind the deadline are asked, but not waited for.
    assert_eq!(
        take(&log)[3..],
        ["c stops", "c is over", "b stops", "b is aborted", "a stops", "a is aborted", "a is over"]
    );
    let said = "not all services have stopped: b was not over in time; a was not over in time";
    assert_eq!(*error.borrow(), said);
}

#[test]
fn a_service_that_panics_while_it_stops_keeps_no_other_from_it() {
    struct Broken;
    impl Service for Broken {
        fn start(&mut self, _: &Reactor) -> Result {
            Ok(())
        }
        fn stop(&mut self) -> Deferred<()> {
            panic!("on purpose")
        }
    }
    let (net, log) = (Net::gentle(1), Log::default());
    net.allow_panics();
    let here = net.host("here");
    let services = || Services::new().with("a", Noted::new("a", &log)).with("broken", Broken);
    let mut first = services();
    here.run(|reactor| first.start(reactor)).unwrap();
    here.run(|_| {
        first.stop().then(|result| assert!(result.unwrap_err().to_string().contains("broken panicked")))
    });
    net.run();
    assert_eq!(take(&log), ["a starts", "a stops", "a is over"]);
    // The loop's own are no different.
    here.run(|reactor| reactor.start(services())).unwrap();
    here.run(|reactor| reactor.start(Broken)).unwrap();
    here.run(|reactor| reactor.stop());
    net.run();
    assert_eq!(take(&log), ["a starts", "a stops", "a is over"]);
    assert!(!here.is_running());
}

/// Answers each line, and takes three seconds to stop.
struct Slow {
    lost: Log,
}

impl Protocol for Slow {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
    fn stopping(&mut self, transport: &Transport) -> Result {
        let late = transport.clone();
        transport.reactor().call_later(secs(3), move || late.close()).detach();
        Ok(())
    }
    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.lost.borrow_mut().push(reason.to_string());
    }
}

fn slow(on: &str, lost: &Log) -> PortService {
    let lost = lost.clone();
    PortService::new(on, move |_| Slow { lost: lost.clone() })
}

#[test]
fn a_reactor_stops_its_services_first_and_the_last_one_first() {
    for_seeds(0..20, |seed| {
        let (net, log, lost) = (Net::new(seed), Log::default(), Log::default());
        let srv = net.host("srv");
        srv.run(|reactor| {
            reactor.start(slow("tcp:1", &lost))?;
            reactor.start(Noted::new("between", &log).stops(Some(secs(1))))?;
            reactor.start(slow("tcp:2", &lost))
        })
        .unwrap();
        let connect = |to| {
            let probe = net.host("cli").probe(to);
            net.run();
            probe
        };
        let (one, two) = (connect("tcp:srv:1"), connect("tcp:srv:2"));
        two.send("x");
        net.run();
        assert_eq!(two.received(), b"x");
        srv.run(|reactor| {
            reactor.stop();
            assert!(reactor.is_stopping());
        });
        // The second port drains, then something else, and only then the first one stops accepting.
        net.advance(secs(2));
        assert_eq!(connect("tcp:srv:2").error(), Some(io::ErrorKind::ConnectionRefused));
        let late = connect("tcp:srv:1");
        assert!(late.connected() && !late.lost() && !two.eof());
        late.close();
        net.advance(secs(2));
        two.close();
        net.run();
        net.advance(secs(2));
        assert_eq!(take(&log), ["between starts", "between stops", "between is over"]);
        assert_eq!(connect("tcp:srv:1").error(), Some(io::ErrorKind::ConnectionRefused));
        assert!(srv.is_running() && !one.eof());
        net.advance(secs(4));
        one.close();
        net.run();
        assert!(!srv.is_running());
    });
}

#[test]
fn the_grace_is_for_services_and_connections_together() {
    let (net, log, lost) = (Net::gentle(1), Log::default(), Log::default());
    let srv = net.host("srv");
    srv.run(|reactor| {
        reactor.set_grace(secs(10));
        let lost = lost.clone();
        reactor.listen("tcp:1", move |_| Slow { lost: lost.clone() })?;
        reactor.start(Noted::new("stuck", &log).stops(None))
    })
    .unwrap();
    let client = net.host("cli").probe("tcp:srv:1");
    net.run();
    srv.run(|reactor| reactor.stop());
    net.advance(secs(9));
    assert!(srv.is_running() && lost.borrow().is_empty());
    net.advance(secs(1));
    assert_eq!(take(&log), ["stuck starts", "stuck stops", "stuck is aborted"]);
    assert!(!srv.is_running() && client.was_reset());
    assert_eq!(*lost.borrow(), ["the reactor stopped"]);
}

#[test]
fn an_engine_that_is_dropped_drops_its_services() {
    let (net, log) = (Net::gentle(1), Log::default());
    let srv = net.host("srv");
    srv.run(|reactor| reactor.start(Noted::new("a", &log))).unwrap();
    net.run();
    srv.kill();
    assert_eq!(*log.borrow(), ["a starts", "a is dropped"]);
}

#[test]
fn a_port_that_is_aborted_resets_what_is_left() {
    for_seeds(0..20, |seed| {
        let (net, lost) = (Net::new(seed), Log::default());
        let srv = net.host("srv");
        let mut services = Services::new().with("port", slow("tcp:1", &lost)).deadline(secs(1));
        srv.run(|reactor| services.start(reactor)).unwrap();
        let client = net.host("cli").probe("tcp:srv:1");
        net.run();
        srv.run(|_| services.stop().then(|result| assert!(result.is_err())));
        net.advance(secs(1));
        assert!(client.was_reset());
        assert_eq!(*lost.borrow(), ["the reactor stopped"]);
        net.advance(secs(5));
        assert_eq!(srv.left(), Left::default());
    });
}

#[test]
fn a_port_with_a_wrong_endpoint_or_a_taken_one_does_not_start() {
    let (net, lost) = (Net::gentle(1), Log::default());
    let srv = net.host("srv");
    let start = |on| srv.run(|reactor| slow(on, &lost).start(reactor)).unwrap_err().to_string();
    assert!(start("tcp:x").contains("not a port"));
    assert!(start("tcp:[").contains("not closed"));
    srv.listen("tcp:1", |_| Slow { lost: Log::default() });
    assert!(start("tcp:1").starts_with("cannot listen on tcp:1"));
}

#[test]
fn a_timer_comes_to_the_end_of_its_call() {
    let net = Net::gentle(1);
    let here = net.host("here");
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let mut timer = TimerService::new(secs(10), async move |_| {
        Reactor::current().sleep(secs(3)).await;
        count.set(count.get() + 1);
        Ok(())
    });
    here.run(|reactor| timer.start(reactor)).unwrap();
    net.advance(secs(21));
    assert_eq!(calls.get(), 2);
    let over = Rc::new(Cell::new(false));
    let seen = over.clone();
    here.run(|_| timer.stop().then(move |result| seen.set(result.is_ok())));
    net.advance(secs(1));
    assert!(!over.get());
    net.advance(secs(1));
    assert!(over.get());
    assert_eq!(calls.get(), 3);
    net.advance(secs(60));
    assert_eq!((calls.get(), here.left()), (3, Left::default()));
}

#[test]
fn a_timer_between_calls_stops_at_once_and_an_aborted_one_within() {
    let net = Net::gentle(1);
    let here = net.host("here");
    let stop = |timer: &mut TimerService| {
        let over = Rc::new(Cell::new(false));
        let seen = over.clone();
        here.run(|_| timer.stop().then(move |result| seen.set(result.is_ok())));
        net.run();
        over
    };
    let mut quick = TimerService::new(secs(10), async |_| Ok(()));
    here.run(|reactor| quick.start(reactor)).unwrap();
    net.advance(secs(5));
    assert!(stop(&mut quick).get());
    let mut stuck = TimerService::new(secs(10), async |_| std::future::pending().await);
    here.run(|reactor| stuck.start(reactor)).unwrap();
    net.advance(secs(1));
    let over = stop(&mut stuck);
    assert!(!over.get());
    here.run(|_| stuck.abort());
    net.run();
    assert_eq!(here.left(), Left::default());
}
