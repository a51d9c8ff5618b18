//! Replies say why.

use super::{Site, answer5, connect4a, connect5};
use std::{net::IpAddr, time::Duration};
use trenza_proxy::{ProxyLimits, Rules, SocksServer};
use trenza_sim::{Kind, Net, Verdict};

/// What a client gets, and what the log says.
fn told(site: &Site, ask: &[u8]) -> (Vec<u8>, String) {
    let client = site.client();
    client.send(ask);
    site.advance(45);
    assert!(client.eof(), "{:?} {:?}", client.received(), client.error());
    assert!(site.is_quiet());
    (client.received(), site.log.error())
}

#[test]
fn refused() {
    let site = Site::gentle();
    site.net.host("srv");
    let (answer, said) = told(&site, &connect5("srv", 7));
    assert_eq!(answer, answer5(5));
    assert!(said.contains("refused") && said.contains(":7"), "{said}");
    let site = Site::gentle();
    site.net.host("srv");
    assert_eq!(told(&site, &connect4a("srv", 7)).0, b"\0\x5b\0\0\0\0\0\0");
}

#[test]
fn a_name_that_nobody_knows() {
    let (answer, said) = told(&Site::gentle(), &connect5("nobody", 7));
    assert_eq!(answer, answer5(4));
    assert!(said.contains("\"nobody\""), "{said}");
}

#[test]
fn a_name_without_addresses() {
    let site = Site::gentle();
    site.net.name("empty", &[]);
    assert_eq!(told(&site, &connect5("empty", 7)).0, answer5(4));
}

#[test]
fn nobody_answers_in_time() {
    let site = Site::gentle().echo();
    let _hole = site.net.rule(|packet| {
        if packet.to("srv") && packet.kind() == Kind::Connect { Verdict::Drop } else { Verdict::Pass }
    });
    let (answer, said) = told(&site, &connect5("srv", 7));
    assert_eq!(answer, answer5(6));
    assert!(said.contains("30s"), "{said}");
}

#[test]
fn a_lookup_that_never_ends_is_out_of_time() {
    let limits = ProxyLimits { connect: Duration::from_secs(5), ..ProxyLimits::default() };
    let site = Site::new(Net::gentle(1), SocksServer::new().limits(limits)).echo();
    site.net.job_time(Duration::from_secs(3600));
    assert_eq!(told(&site, &connect5("srv", 7)).0, answer5(6));
}

#[test]
fn not_allowed() {
    let rules = || Rules::new().deny("*.example".parse().unwrap()).deny("10.0.0.2:7".parse().unwrap());
    let site = || Site::new(Net::gentle(1), SocksServer::new().rules(rules())).echo();
    for name in ["srv", "10.0.0.2", "a.example", "127.0.0.1", "localhost"] {
        let site = site();
        site.net.host("srv");
        site.net.name("localhost", &["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]);
        // Only what the rules do not forbid is left.
        site.net.name("srv", &["10.0.0.2".parse::<IpAddr>().unwrap()]);
        let (answer, said) = told(&site, &connect5(name, 7));
        assert_eq!(answer, answer5(2), "{name}");
        assert!(said.contains("rules do not allow"), "{said}");
    }
}

#[test]
fn of_several_addresses_the_allowed_ones_are_tried() {
    let rules = Rules::new().deny("0.0.0.0/0".parse().unwrap());
    let site = Site::new(Net::gentle(1), SocksServer::new().rules(rules)).echo();
    let client = site.client();
    client.send([connect5("srv", 7), b"hello".to_vec()].concat());
    site.net.run();
    assert!(client.received().ends_with(b"hello"));
    client.close();
    site.advance(30);
    assert_eq!(site.log.only().far.map(|far| far.to_string()).as_deref(), Some("[fd00::2]:7"));
}

#[test]
fn commands_that_are_not_there() {
    let (answer, said) = told(&Site::gentle(), b"\x05\x01\0\x05\x09");
    assert_eq!(answer, answer5(7));
    assert!(said.contains("broke the protocol"), "{said}");
}
