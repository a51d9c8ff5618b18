//! Crashes, partitions, narrow lines, and thread pools that fail.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::Duration,
};
use trenza_core::{Left, Protocol, Reason, Result, Transport};
use trenza_sim::{Fate, HostHandle, Net, for_seeds};
use trenza_wire::Input;

const SECOND: Duration = Duration::from_secs(1);

type Log = Rc<RefCell<Vec<String>>>;

/// Echoes, and tells of its end.
struct Echo(Log);

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }

    fn connection_lost(&mut self, transport: &Transport, reason: &Reason) {
        transport.write(b"too late");
        self.0.borrow_mut().push(reason.to_string());
    }
}

fn serve(host: &HostHandle) -> Log {
    let log = Log::default();
    let told = log.clone();
    host.listen("tcp:7007", move |_| Echo(told.clone()));
    log
}

#[test]
fn a_crash_says_nothing_and_a_restart_knows_nothing() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let srv = net.host("srv");
        let log = serve(&srv);
        let (waits, sends) = (net.host("cli").probe("tcp:srv:7007"), net.host("cli").probe("tcp:srv:7007"));
        sends.send("hello");
        net.run();
        assert_eq!(sends.received(), b"hello");
        let ran = Rc::new(Cell::new(false));
        let run = ran.clone();
        srv.run(|reactor| {
            reactor.call_later(SECOND, move || run.set(true)).detach();
            let sleep = reactor.sleep(100 * SECOND);
            reactor
                .spawn(async move {
                    sleep.await;
                    Ok(())
                })
                .detach();
        });

        srv.crash();
        assert_eq!(*log.borrow(), ["the reactor stopped"; 2]);
        assert!(srv.is_down() && !srv.is_running());
        sends.send("anybody there?");
        net.advance(60 * SECOND);
        assert!(!sends.lost() && !waits.lost(), "nobody is there to say anything");
        assert!(!ran.get(), "a timer has outlived the crash");

        srv.restart(|_| ());
        assert_eq!(srv.left(), Left::default());
        net.advance(60 * SECOND);
        assert!(sends.was_reset() && !waits.lost());
        waits.send("?");
        net.advance(60 * SECOND);
        assert!(waits.was_reset());
        let late = net.host("cli").probe("tcp:srv:7007");
        net.run();
        assert_eq!(late.error(), Some(io::ErrorKind::ConnectionRefused));
        drop((sends, waits, late));
        net.run();
        assert_eq!(net.ends(), 0);
    });
}

#[test]
fn who_connects_to_a_host_that_is_down_is_answered_after_the_restart() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let srv = net.host("srv");
        let probes: Vec<_> = ["tcp:srv:7007", "tcp:srv:9"]
            .map(|to| {
                srv.crash();
                net.host("cli").probe(to)
            })
            .into();
        net.advance(60 * SECOND);
        assert!(probes.iter().all(|probe| !probe.connected() && probe.error().is_none()));
        srv.restart(|_| ());
        serve(&srv);
        probes[0].send("hello");
        net.advance(SECOND);
        assert_eq!(probes[0].received(), b"hello");
        assert_eq!(probes[1].error(), Some(io::ErrorKind::ConnectionRefused));
    });
}

#[test]
fn a_host_that_has_not_crashed_restarts_as_well_and_its_ports_are_free() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let srv = net.host("srv");
        let log = serve(&srv);
        let cli = net.host("cli").probe("tcp:localhost:7007");
        let here = srv.probe("tcp:localhost:7007");
        here.send("one");
        net.run();
        assert_eq!((here.received(), cli.lost()), (b"one".to_vec(), true));
        srv.restart(|reactor| reactor.listen("tcp:7007", |_| Echo(Log::default())).map(|_| ())).unwrap();
        assert_eq!(log.borrow().len(), 1);
        let again = net.host("cli").probe("tcp:srv:7007");
        again.send("two");
        net.run();
        assert_eq!(again.received(), b"two");
    });
}

#[test]
#[should_panic(expected = "has crashed")]
fn a_host_that_is_down_runs_nothing() {
    let net = Net::new(0);
    net.host("srv").crash();
    net.host("srv").run(|_| ());
}

#[test]
fn a_partition_holds_back_what_it_cuts_off_and_nothing_else() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let (srv, cli, other) = (net.host("srv"), net.host("cli"), net.host("other"));
        let log = serve(&srv);
        let (before, free) = (cli.probe("tcp:srv:7007"), other.probe("tcp:srv:7007"));
        net.run();
        let partition = net.partition(&[&srv], &[&cli]);
        let within = cli.probe("tcp:srv:7007");
        let long: Vec<u8> = (0..20_000_u32).map(|n| (n * n / 7) as u8).collect();
        before.send(&long);
        before.close_write();
        within.send("2");
        free.send("3");
        net.advance(60 * SECOND);
        assert!(before.received().is_empty() && !within.connected());
        assert_eq!(free.received(), b"3");
        drop(partition);
        net.advance(SECOND);
        assert_eq!((before.received(), within.received()), (long, b"2".to_vec()));
        assert!(before.eof() && log.borrow().len() == 1);
    });
}

#[test]
fn two_partitions_end_one_by_one() {
    let net = Net::new(3);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    serve(&srv);
    let (one, two) = (net.partition(&[&srv], &[&cli]), net.partition(&[&cli], &[&srv]));
    let probe = cli.probe("tcp:srv:7007");
    for guard in [one, two] {
        net.advance(SECOND);
        assert!(!probe.connected());
        drop(guard);
    }
    net.advance(SECOND);
    assert!(probe.connected());
}

#[test]
fn who_gives_up_in_a_partition_is_not_made_later() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        let log = serve(&srv);
        let partition = net.partition(&[&srv], &[&cli]);
        let result = net.block_on(&cli, async {
            trenza_core::Reactor::current().connect("tcp:srv:7007:timeout=2", |_| Echo(Log::default())).await
        });
        assert!(result.unwrap_err().to_string().contains("no answer within"));
        drop(partition);
        net.advance(60 * SECOND);
        assert!(log.borrow().len() <= 2, "once for each address that was tried");
        assert_eq!((net.ends(), srv.left().connections, cli.left()), (0, 0, Left::default()));
    });
}

#[test]
fn a_line_takes_its_time_and_is_shared() {
    for_seeds(0..30, |seed| {
        let net = Net::gentle(seed);
        net.latency(Duration::ZERO);
        net.window(1 << 20);
        net.bandwidth(1000);
        let (srv, cli, other) = (net.host("srv"), net.host("cli"), net.host("other"));
        net.bandwidth_between(&srv, &other, 1_000_000);
        let listener = srv.probe_listen("tcp:7007");
        let (one, two) = (cli.probe("tcp:srv:7007"), cli.probe("tcp:srv:7007"));
        let fast = other.probe("tcp:srv:7007");
        net.run();
        let began = net.elapsed();
        one.send([1; 4000]);
        two.send([2; 4000]);
        fast.send([3; 4000]);
        let ends: Vec<_> = std::iter::from_fn(|| listener.accept()).collect();
        let came = |n: u8| ends.iter().any(|end| end.received() == [n; 4000]);
        net.run_until(|| came(3));
        assert_eq!(net.elapsed() - began, Duration::from_millis(4));
        net.run_until(|| came(1));
        assert_eq!(net.elapsed() - began, 4 * SECOND);
        // The other direction is not busy.
        let back = ends.iter().find(|end| end.received() == [1; 4000]).unwrap();
        back.send([9; 1000]);
        net.run_until(|| one.received() == [9; 1000]);
        assert_eq!(net.elapsed() - began, 5 * SECOND);
        net.run_until(|| came(2));
        assert_eq!(net.elapsed() - began, 8 * SECOND);
    });
}

#[test]
fn a_pool_refuses_loses_and_hangs() {
    for_seeds(0..30, |seed| {
        let net = Net::new(seed);
        let host = net.host("a");
        let ask = |fate| {
            let rule = net.job_rule(move |name| if name == "a" { fate } else { Fate::Run });
            let answer = Rc::new(RefCell::new(None));
            let place = answer.clone();
            host.run(|reactor| {
                reactor.in_thread(|| Ok(7)).then(move |result: Result<i32>| {
                    *place.borrow_mut() = Some(result.map_err(|error| error.to_string()));
                });
            });
            net.run();
            drop(rule);
            answer.take()
        };
        assert_eq!(ask(Fate::Run), Some(Ok(7)));
        assert!(matches!(ask(Fate::Refuse), Some(Err(_))));
        assert!(matches!(ask(Fate::Fail), Some(Err(_))));
        assert_eq!(ask(Fate::Hang), None);
        // A lookup that never ends is given up by the connect that waits for it.
        let rule = net.job_rule(|_| Fate::Hang);
        let failed = net.block_on(&host, async {
            trenza_core::Reactor::current().connect("tcp:a:9:timeout=3", |_| Echo(Log::default())).await
        });
        assert!(failed.unwrap_err().to_string().contains("no address within"));
        drop(rule);
    });
}

#[test]
fn jobs_that_hang_fill_the_pool() {
    let net = Net::new(1);
    let host = net.host("a");
    net.job_rule(|_| Fate::Hang).detach();
    let refused = Rc::new(Cell::new(0));
    for _ in 0..trenza_sim::JOBS_MAX + 3 {
        let refused = refused.clone();
        host.run(|reactor| {
            reactor
                .in_thread(|| Ok(()))
                .then(move |result| refused.set(refused.get() + usize::from(result.is_err())));
        });
    }
    net.run();
    assert_eq!(refused.get(), 3);
}
