//! Queues that the network or other threads fill.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};
use trenza_core::{Engine, Input, Protocol, Reactor, Result, Transport};
use trenza_sim::{Net, PIECE_MAX};

/// Queues a call for each byte.
struct Busy {
    waiting: Rc<Cell<usize>>,
    most: Rc<Cell<usize>>,
}

impl Protocol for Busy {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        for _ in input.rest() {
            let waiting = self.waiting.clone();
            waiting.set(waiting.get() + 1);
            self.most.set(self.most.get().max(waiting.get()));
            transport.handle::<Self>().call(move |_, _| {
                waiting.set(waiting.get() - 1);
                Ok(())
            });
        }
        Ok(())
    }
}

#[test]
fn calls_that_the_network_causes_hold_the_network_up() {
    let net = Net::gentle(1);
    let (waiting, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let srv = net.host("srv");
    let (each, peak) = (waiting.clone(), most.clone());
    srv.listen("tcp:7007", move |_| Busy { waiting: each.clone(), most: peak.clone() });
    let cli = net.host("cli");
    let probes: Vec<_> = (0..40).map(|_| cli.probe("tcp:srv:7007")).collect();
    probes.iter().for_each(|probe| probe.send(vec![0; 20_000]));
    net.run();
    assert_eq!(waiting.get(), 0);
    assert_eq!(srv.reactor().connections().iter().map(|one| one.counts().received).sum::<u64>(), 800_000);
    assert!(most.get() <= 4096 + PIECE_MAX, "{} calls waited", most.get());
}

#[test]
fn calls_of_other_threads_are_limited_but_answers_are_not() {
    let net = Net::gentle(1);
    let srv = net.host("srv");
    let remote = srv.run(|reactor| reactor.remote());
    let (answer, resolver) = srv.run(|reactor| reactor.remote_resolver());
    let taken = std::thread::spawn(move || {
        let taken = (0..1 << 21).take_while(|_| remote.call(|_| ())).count();
        resolver.fire(Ok(7));
        taken
    });
    assert_eq!(taken.join().unwrap(), 1 << 20);
    let told = Rc::new(Cell::new(0));
    let tell = told.clone();
    srv.run(|_| answer.then(move |answer| tell.set(answer.unwrap())));
    net.run();
    assert_eq!(told.get(), 7);
    assert!(srv.run(|reactor| reactor.remote().call(|_| ())));
}

/// Queues itself again and again.
fn tick(reactor: Reactor, count: Rc<Cell<usize>>) {
    count.set(count.get() + 1);
    let (next, resolver) = reactor.deferred();
    next.then(move |_| tick(reactor, count));
    resolver.fire(Ok(()));
}

/// Calls itself from outside again and again.
fn call_again(reactor: &Reactor, count: Arc<AtomicUsize>) {
    count.fetch_add(1, Ordering::Relaxed);
    reactor.remote().call(|reactor| call_again(reactor, count));
}

#[test]
fn no_queue_that_never_empties_starves_the_others() {
    let net = Net::gentle(1);
    let mut engine = Engine::new(Box::new(net.host("srv").driver()));
    let (ticks, calls, polls) = (Rc::new(Cell::new(0)), Arc::new(AtomicUsize::new(0)), Rc::new(Cell::new(0)));
    let polled = polls.clone();
    engine.enter(|reactor| {
        tick(reactor.clone(), ticks.clone());
        call_again(reactor, calls.clone());
        let spins = poll_fn(move |cx| {
            polled.set(polled.get() + 1);
            cx.waker().wake_by_ref();
            Poll::<Result>::Pending
        });
        reactor.spawn(spins).detach();
    });
    for turn in 1..10 {
        assert!(engine.dispatch());
        for count in [ticks.get(), calls.load(Ordering::Relaxed), polls.get()] {
            assert!(count > 100 * turn, "{ticks:?} {calls:?} {polls:?}");
        }
    }
    engine.reactor().remote().call(Reactor::stop);
    engine.dispatch();
    assert!(!engine.dispatch());
}
