//! The forwarder.

use super::{Log, Site};
use std::time::Duration;
use trenza_proxy::{Forward, ProxyLimits};
use trenza_sim::{Net, Probe, for_seeds};

fn site(net: Net, change: impl FnOnce(Forward) -> Forward) -> Site {
    let log = Log::default();
    let site = Site { net, log: log.clone() };
    site.serve("tcp:80", change(Forward::new("tcp:srv:7").unwrap()).on_end(log.keep()));
    site
}

fn client(site: &Site) -> Probe {
    site.net.host("cli").probe("tcp:gate:80")
}

#[test]
fn bytes_and_ends_go_through() {
    for_seeds(0..50, |seed| {
        let site = site(Net::new(seed), |forward| forward).echo();
        let one = client(&site);
        one.send_bytewise("hello", Duration::from_millis(1));
        one.close_write();
        let two = client(&site);
        let long: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        two.send(&long);
        two.close_write();
        site.net.run();
        assert!(one.received() == b"hello" && one.eof());
        assert!(two.received() == long && two.eof());
        site.advance(30);
        assert!(site.is_quiet());
        let records = site.log.0.borrow();
        assert!(records.iter().all(|record| record.error.is_none() && record.sent == record.received));
        assert_eq!(records.iter().map(|record| record.sent).sum::<u64>(), 300_005);
        assert_eq!(records[0].target.as_deref(), Some("tcp:srv:7"));
    });
}

#[test]
fn the_target_may_speak_first_and_close_first() {
    for_seeds(0..30, |seed| {
        let site = site(Net::new(seed), |forward| forward);
        let targets = site.net.host("srv").probe_listen("tcp:7");
        let client = client(&site);
        site.net.run();
        let target = targets.accept().unwrap();
        target.send("220 hello\r\n");
        target.close_write();
        site.net.run();
        assert!(client.received() == b"220 hello\r\n" && client.eof() && !target.eof());
        client.send("bye");
        client.close();
        site.net.run();
        assert!(target.received() == b"bye" && target.eof() && site.is_quiet());
    });
}

#[test]
fn a_target_that_is_not_there_resets_the_client() {
    let site = site(Net::gentle(1), |forward| forward);
    site.net.host("srv");
    let client = client(&site);
    site.net.run();
    assert!(client.was_reset() && site.is_quiet());
    let said = site.log.error();
    assert!(said.contains("srv:7") && said.contains("refused"), "{said}");
}

#[test]
fn the_limits_hold() {
    let limits = ProxyLimits { idle: Duration::from_secs(5), ..ProxyLimits::default() };
    let site = site(Net::gentle(1), |forward| forward.limits(limits)).echo();
    let client = client(&site);
    client.send("a");
    site.advance(4);
    assert!(!client.lost());
    site.advance(2);
    assert!(client.was_reset() && site.is_quiet());
}

#[test]
fn a_slow_reader_slows_the_other_side() {
    for_seeds(0..10, |seed| {
        let site = site(Net::new(seed), |forward| forward);
        let targets = site.net.host("srv").probe_listen("tcp:7");
        let client = client(&site);
        client.read(false);
        site.net.run();
        let target = targets.accept().unwrap();
        target.send(vec![b'x'; 4 << 20]);
        site.advance(5);
        let held: usize = site.net.host("gate").run(|reactor| {
            let counts = reactor.connections().into_iter().map(|one| one.counts());
            counts.map(|counts| counts.unsent + counts.unread).sum()
        });
        assert!(held < 1 << 20, "{held}");
        client.read(true);
        site.advance(60);
        assert_eq!(client.received().len(), 4 << 20);
    });
}
