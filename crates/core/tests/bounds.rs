//! Queues that the network or other threads fill.
#![allow(clippy::unwrap_used)]

use std::{cell::Cell, rc::Rc};
use trenza_core::{Input, Protocol, Result, Transport};
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
