//! Names are looked up on threads, by the system's resolver or by another one.
#![allow(clippy::unwrap_used)]

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};
use trenza_core::{Error, Left, Reactor, Result};
use trenza_sim::{HostHandle, JOBS_MAX, Net, for_seeds};

/// What a lookup has ended with.
type Found = Rc<RefCell<Option<Result<Vec<SocketAddr>>>>>;

fn look_up(cli: &HostHandle, name: &str) -> Found {
    let found = Found::default();
    let place = found.clone();
    cli.run(|reactor| reactor.lookup(name, 80).then(move |result| *place.borrow_mut() = Some(result)));
    found
}

fn error_of(found: &Found) -> (io::ErrorKind, String) {
    let error: Error = found.take().unwrap().unwrap_err();
    (error.downcast_ref::<io::Error>().unwrap().kind(), error.to_string())
}

#[test]
fn names_have_the_addresses_of_the_table_in_its_order() {
    for_seeds(0..20, |seed| {
        let net = Net::new(seed);
        let [v4, v6] = net.host("srv").ips();
        net.name("reversed", &[v6, v4]);
        let cli = net.host("cli");
        for (name, ips) in [("srv", [v4, v6]), ("reversed", [v6, v4])] {
            let found = look_up(&cli, name);
            net.run();
            assert_eq!(found.take().unwrap().unwrap(), ips.map(|ip| SocketAddr::new(ip, 80)));
        }
        assert_eq!(cli.left(), Left::default());
    });
}

#[test]
fn an_address_is_its_own_answer_and_asks_nobody() {
    let net = Net::new(1);
    let cli = net.host("cli");
    cli.run(|reactor| reactor.set_resolver(|name, _| panic!("{name} was looked up")));
    for (address, is) in [("10.1.2.3", "10.1.2.3:80"), ("fd00::7", "[fd00::7]:80")] {
        let found = look_up(&cli, address);
        net.run();
        assert_eq!(found.take().unwrap().unwrap(), [is.parse().unwrap()]);
    }
}

#[test]
fn errors_name_the_name_and_the_cause() {
    let net = Net::new(1);
    net.allow_panics();
    let cli = net.host("cli");
    let found = look_up(&cli, "nowhere");
    net.run();
    let (kind, text) = error_of(&found);
    assert_eq!(kind, io::ErrorKind::NotFound);
    assert_eq!(text, r#"cannot look up "nowhere": no host is called nowhere"#);
    cli.run(|reactor| {
        reactor.set_resolver(|name, _| match name {
            "broken" => panic!("the table is torn"),
            _ => Err(io::Error::new(io::ErrorKind::TimedOut, "the server is silent")),
        });
    });
    for (name, kind, cause) in [
        ("slow", io::ErrorKind::TimedOut, "the server is silent"),
        ("broken", io::ErrorKind::Other, "a blocking call panicked: the table is torn"),
    ] {
        let found = look_up(&cli, name);
        net.run();
        assert_eq!(error_of(&found), (kind, format!("cannot look up {name:?}: {cause}")));
    }
}

#[test]
fn another_resolver_serves_lookups_and_connects() {
    let net = Net::new(1);
    let peers = net.host("srv").probe_listen("tcp:7007");
    let at = net.host("srv").ips()[0];
    let asked = Arc::new(Mutex::new(Vec::new()));
    let note = asked.clone();
    let cli = net.host("cli");
    cli.run(|reactor| {
        reactor.set_resolver(move |name, port| {
            note.lock().unwrap().push(format!("{name} {port}"));
            Ok(vec![SocketAddr::new(at, port)])
        });
    });
    let found = look_up(&cli, "anything");
    let made = cli.run(|reactor| reactor.open("tcp:whatever:7007"));
    net.run();
    assert_eq!(found.take().unwrap().unwrap(), [SocketAddr::new(at, 80)]);
    assert!(peers.accept().unwrap().connected());
    let mut asked = asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked, ["anything 80", "whatever 7007"]);
    drop(made);
}

#[test]
fn a_full_pool_is_told_by_lookups_and_connects() {
    let net = Net::new(1);
    let cli = net.host("cli");
    net.job_time(Duration::from_secs(1));
    cli.run(|reactor| (0..JOBS_MAX).for_each(|_| reactor.in_thread(|| Ok(())).detach()));
    let found = look_up(&cli, "srv");
    let told = Rc::new(RefCell::new(None));
    let tell = told.clone();
    cli.run(|reactor| reactor.open("tcp:srv:7007").then(move |made| *tell.borrow_mut() = made.err()));
    net.advance(Duration::from_millis(1));
    let full =
        format!("cannot look up \"srv\": the thread pool is full: {JOBS_MAX} jobs wait for a thread already");
    assert_eq!(error_of(&found), (io::ErrorKind::QuotaExceeded, full.clone()));
    assert_eq!(told.take().unwrap().to_string(), full);
    net.run();
    assert_eq!(cli.left(), Left::default());
}

#[test]
fn a_lookup_that_is_dropped_tells_nobody() {
    let net = Net::new(1);
    net.host("srv");
    net.job_time(Duration::from_millis(10));
    let cli = net.host("cli");
    let pending = cli.run(|reactor: &Reactor| reactor.lookup("srv", 80));
    net.advance(Duration::from_millis(5));
    cli.run(|_| drop(pending));
    net.run();
    assert_eq!(cli.left(), Left::default());
}
