//! Virtual time, threads and the ends of engines.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use trenza_core::{Protocol, Reason, Result, Transport};
use trenza_sim::{Net, Verdict, for_seeds};
use trenza_wire::Input;

const SECOND: Duration = Duration::from_secs(1);

/// Hears and says nothing, for so long.
struct Patient(Duration);

impl Protocol for Patient {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.set_timeout(Some(self.0));
        Ok(())
    }
    fn data_received(&mut self, _transport: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

#[test]
fn timers_fire_in_order_and_at_their_time() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let fired = Rc::new(RefCell::new(Vec::new()));
        net.advance(10 * SECOND);
        for (name, host) in [("a", net.host("a")), ("b", net.host("b"))] {
            host.run(|reactor| {
                let start = reactor.now();
                for n in [5_u32, 1, 3] {
                    let (fired, reactor2) = (fired.clone(), reactor.clone());
                    let tell = move || {
                        assert_eq!(reactor2.now() - start, n * SECOND);
                        fired.borrow_mut().push((n, name));
                    };
                    reactor.call_later(n * SECOND, tell).detach();
                }
            });
        }
        net.run();
        assert!(fired.borrow().is_empty());
        net.advance(4 * SECOND);
        assert_eq!(fired.borrow().len(), 4);
        net.advance(SECOND);
        fired.borrow_mut().chunks_mut(2).for_each(<[_]>::sort);
        assert_eq!(*fired.borrow(), [(1, "a"), (1, "b"), (3, "a"), (3, "b"), (5, "a"), (5, "b")]);
    });
}

#[test]
fn an_idle_connection_is_lost_and_traffic_puts_it_off() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        net.host("srv").listen("tcp:7007", |_| Patient(300 * SECOND));
        let (quiet, busy) = (net.host("cli").probe("tcp:srv:7007"), net.host("cli").probe("tcp:srv:7007"));
        net.run();
        net.advance(200 * SECOND);
        busy.send("x");
        net.run();
        assert!(!quiet.lost() && !busy.lost());
        net.advance(100 * SECOND);
        assert!(quiet.lost() && !busy.lost());
        net.advance(200 * SECOND);
        assert!(busy.lost());
    });
}

#[test]
fn timers_set_from_outside_count_from_now() {
    let net = Net::gentle(1);
    let reactor = net.host("srv").reactor();
    net.advance(100 * SECOND);
    let fired = Rc::new(Cell::new(false));
    let tell = fired.clone();
    let _timer = reactor.call_later(10 * SECOND, move || tell.set(true));
    net.advance(9 * SECOND);
    assert!(!fired.get());
    net.advance(SECOND);
    assert!(fired.get());
}

#[test]
fn threads_are_simulated_in_an_order_that_the_seed_chooses() {
    let order = |seed| {
        let net = Net::new(seed);
        let done = Rc::new(RefCell::new(Vec::new()));
        net.host("srv").run(|reactor| {
            for n in 0..5 {
                let done = done.clone();
                reactor
                    .in_thread(move || Ok(n * n))
                    .then(move |result| done.borrow_mut().push(result.unwrap()));
            }
        });
        assert!(done.borrow().is_empty());
        net.run();
        done.take()
    };
    let mut distinct = std::collections::BTreeSet::new();
    for_seeds(0..50, |seed| {
        let mut answers = order(seed);
        assert_eq!(answers, order(seed));
        distinct.insert(answers.clone());
        answers.sort_unstable();
        assert_eq!(answers, [0, 1, 4, 9, 16]);
    });
    assert!(distinct.len() > 10 || std::env::var("TRENZA_SEED").is_ok());
}

#[test]
fn jobs_take_the_time_that_they_are_given() {
    for_seeds(0..20, |seed| {
        let net = Net::new(seed);
        net.job_time(3 * SECOND);
        let done = Rc::new(Cell::new(0));
        let host = net.host("srv");
        host.run(|reactor| {
            for _ in 0..5 {
                let done = done.clone();
                reactor.in_thread(|| Ok(())).then(move |_| done.set(done.get() + 1));
            }
        });
        net.advance(2 * SECOND);
        assert_eq!(done.get(), 0);
        net.advance(SECOND);
        assert_eq!(done.get(), 5);
        // Those that are at it when the network ends are dropped.
        let held = Arc::new(());
        let holds = held.clone();
        host.run(|reactor| reactor.in_thread(move || Ok(holds)).detach());
        drop((host, net));
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

/// Tells when it is dropped and whether it was told of the end.
struct Mortal(Rc<RefCell<Vec<&'static str>>>);

impl Protocol for Mortal {
    fn data_received(&mut self, _transport: &Transport, _input: &mut Input<'_>) -> Result {
        Ok(())
    }
    fn connection_lost(&mut self, transport: &Transport, _reason: &Reason) {
        assert!(!transport.is_open());
        self.0.borrow_mut().push("lost");
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.0.borrow_mut().push("dropped");
    }
}

#[test]
fn killed_engines_close_their_connections_and_drop_their_protocols() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let (srv, told) = (net.host("srv"), Rc::new(RefCell::new(Vec::new())));
        let tell = told.clone();
        srv.listen("tcp:7007", move |_| Mortal(tell.clone()));
        let cli = net.host("cli").probe("tcp:srv:7007");
        net.run();
        assert!(told.borrow().is_empty() && srv.is_running());
        srv.kill();
        net.run();
        assert!(cli.lost() && !srv.is_running());
        assert_eq!(told.borrow().last(), Some(&"dropped"));
        srv.listen("tcp:7007", |_| Patient(SECOND));
        let again = net.host("cli").probe("tcp:srv:7007");
        net.run();
        assert!(again.connected());
    });
}

#[test]
fn a_stopped_reactor_ends_its_engine() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let (srv, told) = (net.host("srv"), Rc::new(RefCell::new(Vec::new())));
        let tell = told.clone();
        srv.listen("tcp:7007", move |_| Mortal(tell.clone()));
        let cli = net.host("cli").probe("tcp:srv:7007");
        net.run();
        srv.run(|reactor| reactor.stop());
        net.run();
        assert!(cli.eof());
        cli.close();
        net.run();
        assert_eq!(*told.borrow(), ["lost", "dropped"]);
        assert!(!srv.is_running());
    });
}

#[test]
fn a_network_that_ends_drops_what_its_hosts_run() {
    let told = Rc::new(RefCell::new(Vec::new()));
    let net = Net::new(1);
    let (srv, tell) = (net.host("srv"), told.clone());
    srv.listen("tcp:7007", move |_| Mortal(tell.clone()));
    let cli = net.host("cli").probe("tcp:srv:7007");
    net.run();
    drop(net);
    assert_eq!(told.borrow().last(), Some(&"dropped"));
    drop((srv, cli));
    assert_eq!(Rc::strong_count(&told), 1);
}

#[test]
fn an_engine_that_ends_drops_those_who_wait_for_a_connect() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let (host, waiting) = (net.host("a"), Rc::new(()));
        let _rule = net.rule(|_| Verdict::Drop);
        for to in ["tcp:b:1", "tcp:10.0.0.2:1", "tcp:nobody:1"] {
            let waits = waiting.clone();
            let made = move |_: &Transport| Patient(SECOND);
            host.run(|reactor| reactor.connect(to, made).then(move |_| drop(waits)));
        }
        net.host("b");
        if seed % 2 == 0 {
            // The connects have begun, else their lookups have not ended.
            net.run();
        }
        host.kill();
        drop(net);
        assert_eq!(Rc::strong_count(&waiting), 1);
    });
}

#[test]
#[should_panic(expected = "nothing is left that could happen (seed 9")]
fn waiting_for_what_cannot_happen_is_a_panic_with_the_seed() {
    Net::gentle(9).run_until(|| false);
}

#[test]
fn run_until_passes_through_timers() {
    let net = Net::new(2);
    let slept = net.block_on(&net.host("a"), async {
        let reactor = trenza_core::Reactor::current();
        let start = reactor.now();
        reactor.sleep(3600 * SECOND).await;
        Ok(reactor.now() - start)
    });
    assert_eq!(slept.unwrap(), 3600 * SECOND);
}
