//! Policies in the simulator: exact in virtual time, and safe against what drivers may do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_core::{
    Bucket, Endpoint, Input, IntoEndpoint, Policy, Protocol, Rate, Reason, Result, Seen, Transport,
};
use trenza_sim::{Hostility, Net, Probe, for_seeds};

/// Sends this much, then ends.
struct Source(usize);

impl Protocol for Source {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(&vec![b'x'; self.0]);
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

/// Counts what it receives.
#[derive(Clone, Default)]
struct Sink(Rc<Cell<usize>>);

impl Protocol for Sink {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        self.0.set(self.0.get() + input.rest().len());
        Ok(())
    }
}

fn on(policy: Policy) -> Endpoint {
    "tcp:7007".into_endpoint().unwrap().policy(policy)
}

fn listen<P: Protocol>(net: &Net, policy: Policy, build: impl FnMut(&Transport) -> P + 'static) {
    net.window(1 << 20);
    net.host("srv").run(|reactor| reactor.listen(on(policy), build).map(drop)).unwrap();
}

/// Asserts that in every second so much came, within a burst and a portion; gives what came in all.
fn seconds(net: &Net, probes: &[Probe], rate: usize, within: usize) -> Vec<usize> {
    let count = || probes.iter().map(|probe| probe.received().len()).collect::<Vec<_>>();
    net.advance(Duration::from_secs(1));
    let mut before = count();
    for second in 1..20 {
        net.advance(Duration::from_secs(1));
        let now = count();
        let came = now.iter().sum::<usize>() - before.iter().sum::<usize>();
        assert!(came.abs_diff(rate) <= within, "{came} bytes in second {second}, not {rate}");
        before = now;
    }
    before
}

#[test]
fn every_second_has_its_bytes() {
    for rate in [700, 10_000, 400_000] {
        let net = Net::gentle(rate as u64);
        let limit = Rate::new(rate as u64).burst(2000);
        listen(&net, Policy::new().rate_out(limit), move |_| Source(30 * rate));
        let probes = [net.host("cli").probe("tcp:srv:7007")];
        // A portion is a hundredth of a second, or what 1 KiB takes; the clock of `advance` settles for a tenth.
        let all = seconds(&net, &probes, rate, 2048 + rate / 50);
        assert!(all[0].abs_diff(20 * rate) <= 2000 + 2048 + rate / 10, "{all:?}");
    }
}

#[test]
fn connections_share_what_their_parents_have() {
    for_seeds(0..4, |seed| {
        let net = Net::gentle(seed);
        let all = Bucket::new(Rate::new(90_000).burst(4000));
        let policy = Policy::new().share_out(&all).rate_out(Rate::new(60_000).burst(4000));
        listen(&net, policy, |_| Source(10_000_000));
        let probes: Vec<_> = (0..3).map(|_| net.host("cli").probe("tcp:srv:7007")).collect();
        let each = seconds(&net, &probes, 90_000, 4000 + 3 * 1024);
        assert!(each.iter().all(|own| own.abs_diff(600_000) <= 12_000), "{each:?}");
    });
}

#[test]
fn a_user_with_many_connections_gets_no_more() {
    let net = Net::gentle(1);
    let all = Bucket::new(Rate::new(100_000).burst(2000));
    let users = [all.within(Rate::new(20_000).burst(2000)), all.within(Rate::new(40_000).burst(2000))];
    let number = Cell::new(0);
    listen(&net, Policy::new(), move |transport| {
        let one = number.replace(number.get() + 1) == 0;
        transport.set_rate_out(Some(&users[usize::from(one)]));
        Source(3_000_000)
    });
    let probes: Vec<_> = (0..5).map(|_| net.host("cli").probe("tcp:srv:7007")).collect();
    let mut each = seconds(&net, &probes, 60_000, 8000);
    each.sort_unstable();
    assert!(each[4].abs_diff(800_000) <= 10_000 && each[0].abs_diff(100_000) <= 10_000, "{each:?}");
}

#[test]
fn what_is_received_is_bounded_over_time_by_every_driver() {
    for_seeds(0..30, |seed| {
        let net = Net::new(seed);
        let sink = Sink::default();
        let inner = sink.clone();
        listen(&net, Policy::new().rate_in(Rate::new(100_000).burst(1000)), move |_| inner.clone());
        let probe = net.host("cli").probe("tcp:srv:7007");
        probe.send(vec![b'x'; 3_000_000]);
        net.advance(Duration::from_secs(20));
        // What is late may be all that was there: a window.
        let most = 1000 + 100_000 * 21 + (1 << 20);
        let count = sink.0.get();
        assert!((1_500_000..=most).contains(&count), "{count} bytes in 20 s");
    });
}

#[test]
fn a_new_connection_pays_for_what_others_have_received() {
    let net = Net::gentle(1);
    let sink = Sink::default();
    let inner = sink.clone();
    let all = Bucket::new(Rate::new(1000).burst(1000));
    listen(&net, Policy::new().share_in(&all), move |_| inner.clone());
    for _ in 0..20 {
        let probe = net.host("cli").probe("tcp:srv:7007");
        probe.send(vec![b'x'; 10_000]);
        net.advance(Duration::from_secs(1));
    }
    assert!(sink.0.get() <= 1000 + 21 * 1000 + 10_000, "{} bytes", sink.0.get());
}

#[test]
fn timers_are_few() {
    let net = Net::gentle(1);
    let policy = Policy::new().rate_out(Rate::new(1_000_000)).rate_in(Rate::new(1_000_000));
    listen(&net, policy, |_| Source(2_000_000));
    let probe = net.host("cli").probe("tcp:srv:7007");
    probe.send(vec![b'x'; 2_000_000]);
    net.advance(Duration::from_secs(1));
    assert!(probe.received().len() > 500_000);
    // One for the handshake, idle time and so on, one for the rates.
    assert!(net.host("srv").left().timers <= 2, "{:?}", net.host("srv").left());
}

#[test]
fn a_full_port_never_has_one_more() {
    for_seeds(0..60, |seed| {
        let net = Net::with(seed, Hostility { late: 1.0, ..Hostility::none() });
        let live = Rc::new(Cell::new((0_i32, 0_i32, 0_i32)));
        struct Counted(Rc<Cell<(i32, i32, i32)>>);
        impl Protocol for Counted {
            fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
                input.rest();
                Ok(())
            }
            fn connection_lost(&mut self, _: &Transport, _: &Reason) {
                let (live, most, all) = self.0.get();
                self.0.set((live - 1, most, all));
            }
        }
        let seen = live.clone();
        let port = net.host("srv").run(|reactor| {
            reactor.listen(on(Policy::new().connections(2)), move |_| {
                let (live, most, all) = seen.get();
                seen.set((live + 1, most.max(live + 1), all + 1));
                Counted(seen.clone())
            })
        });
        let probes: Vec<_> = (0..10).map(|_| net.host("cli").probe("tcp:srv:7007")).collect();
        for probe in &probes {
            net.advance(Duration::from_secs(1));
            probe.close();
        }
        net.run();
        assert_eq!(live.get(), (0, 2, 10));
        assert_eq!(port.unwrap().connections(), 0);
    });
}

#[test]
fn who_waits_for_a_full_port_ends_with_it() {
    for_seeds(0..20, |seed| {
        let net = Net::with(seed, Hostility { late: 1.0, ..Hostility::none() });
        let port = net
            .host("srv")
            .run(|reactor| reactor.listen(on(Policy::new().connections(1)), |_| Sink::default()))
            .unwrap();
        let probes: Vec<_> = (0..3).map(|_| net.host("cli").probe("tcp:srv:7007")).collect();
        net.run();
        assert_eq!(port.connections(), 1);
        // One of those who wait goes; the others are told.
        probes[1].reset();
        net.run();
        net.host("srv").run(|_| port.stop().detach());
        net.advance(Duration::from_secs(20));
        assert!(probes[0].eof() && probes[2].lost());
        assert_eq!(net.host("srv").left(), trenza_core::Left::default());
    });
}

#[test]
fn a_tap_keeps_nobody_alive_and_costs_nothing_afterwards() {
    let net = Net::gentle(1);
    let alive = Rc::new(());
    let inner = alive.clone();
    let policy = Policy::new().tap(move |_: &Transport| {
        let held = inner.clone();
        move |_: &Transport, _: Seen<'_>| drop(held.clone())
    });
    listen(&net, policy.rate_out(Rate::new(1)), |_| Source(1000));
    let probe = net.host("cli").probe("tcp:srv:7007");
    net.run_until(|| !probe.received().is_empty());
    assert_eq!(Rc::strong_count(&alive), 3);
    probe.reset();
    net.advance(Duration::from_secs(3));
    assert_eq!(Rc::strong_count(&alive), 2, "that of the policy");
    assert_eq!(net.host("srv").left().timers, 0);
}
