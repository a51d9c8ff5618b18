//! Whatever may go wrong between client, server and disk, at each step of a session: what was not marked is there
//! afterwards, and without QUIT everything is.

use crate::{deliver, left, serve, server};
use std::time::Duration;
use trenza_sim::{DiskFate, Fault, Net, for_seeds};

const SCRIPT: &str =
    "USER ann\r\nPASS secret\r\nLIST\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\nDELE 2\r\nDELE 4\r\nQUIT\r\n";

fn messages() -> Vec<Vec<u8>> {
    (0..5).map(|n| format!("Subject: {n}\r\n\r\n{}\r\n", "y".repeat(n * 9000)).into_bytes()).collect()
}

fn prepare(srv: &trenza_sim::HostHandle) {
    let messages = messages();
    let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    deliver(srv, "ann", &slices);
    serve(srv, &server());
}

const KEPT: [&str; 2] = ["3.a.srv", "5.a.srv"];

#[test]
fn any_fault_at_any_time() {
    for (number, fault) in (0..).zip(Fault::all()) {
        for step in 0..6 {
            let net = fault.net(number * 10 + step);
            let (srv, cli) = (net.host("srv"), net.host("cli"));
            prepare(&srv);
            let client = cli.probe("tcp:srv:110");
            client.send(SCRIPT);
            net.advance(Duration::from_millis(step * 17));
            let guard = fault.strike(&net, &srv, &cli);
            net.advance(Duration::from_secs(700));
            drop(guard);
            net.advance(Duration::from_secs(3000));
            let when = format!("{fault:?} at {step}");
            let left = left(&srv.disk(), "ann");
            assert!(KEPT.iter().all(|kept| left.iter().any(|name| name == kept)), "{when}: {left:?}");
            let said = String::from_utf8(client.received()).unwrap();
            if said.contains("+OK Goodbye") {
                assert_eq!(left, KEPT, "{when}");
            }
            if fault.is_harmless() {
                assert!(said.ends_with("+OK Goodbye\r\n"), "{when}: {said}");
            }
            if srv.is_running() {
                let left = srv.left();
                assert!(left.connections == 0 && left.ports <= 1, "{when}: {:?}", srv.leftovers());
            }
        }
    }
}

#[test]
fn hostile_networks_do_no_harm() {
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        prepare(&srv);
        let client = cli.probe("tcp:srv:110");
        client.send(SCRIPT);
        net.advance(Duration::from_secs(60));
        let said = client.received();
        assert!(said.ends_with(b"+OK Goodbye\r\n"), "{}", String::from_utf8_lossy(&said));
        assert_eq!(left(&srv.disk(), "ann"), KEPT);
        assert_eq!(srv.left().connections, 0, "{:?}", srv.leftovers());
    });
}

/// What is left after the power failed before the disk's call of this number; whether the client was told that all is well.
fn crashed(seed: u64, step: usize) -> (bool, Vec<String>) {
    let net = Net::new(seed);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    prepare(&srv);
    let mut calls = 0;
    let guard = srv.disk().rule(move |_| {
        calls += 1;
        if calls == step { DiskFate::PowerOff } else { DiskFate::Go }
    });
    let client = cli.probe("tcp:srv:110");
    client.send(SCRIPT);
    net.advance(Duration::from_secs(5));
    srv.crash();
    drop(guard);
    let said = String::from_utf8(client.received()).unwrap();
    let told = said.matches("+OK Deleted").count() == 3 && said.ends_with("+OK Goodbye\r\n");
    (told, left(&srv.disk(), "ann"))
}

#[test]
fn the_power_fails_at_every_step_of_quit() {
    let steps = (1..500).find(|step| crashed(0, *step).0).unwrap();
    assert!(steps > 10, "{steps}");
    let mut some = 0;
    for seed in 0..30 {
        for step in 1..=steps + 1 {
            let (told, left) = crashed(seed, step);
            assert!(KEPT.iter().all(|kept| left.iter().any(|name| name == kept)), "{seed} {step}: {left:?}");
            // What was told to be deleted does not come back.
            assert!(!told || left == KEPT, "{seed} {step}: {left:?}");
            some += usize::from(left.len() > 2 && left.len() < 5);
        }
    }
    assert!(some > 0, "no run was cut in the middle of a deletion");
}

#[test]
fn a_disk_that_fails_at_quit_is_told() {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    prepare(&srv);
    let mut unlinks = 0;
    let _guard = srv.disk().rule(move |access| {
        unlinks += usize::from(access.verb() == trenza_sim::DiskVerb::Unlink);
        if unlinks == 2 && access.verb() == trenza_sim::DiskVerb::Unlink {
            DiskFate::Fail
        } else {
            DiskFate::Go
        }
    });
    let client = cli.probe("tcp:srv:110");
    client.send(SCRIPT);
    net.advance(Duration::from_secs(5));
    let said = String::from_utf8(client.received()).unwrap();
    assert!(said.ends_with("-ERR [SYS/TEMP] Some messages could not be deleted\r\n"), "{said}");
    assert_eq!(left(&srv.disk(), "ann"), ["2.a.srv", "3.a.srv", "5.a.srv"]);
}
