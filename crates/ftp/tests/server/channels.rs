//! PASV, EPSV, PORT, EPRT: who may connect, and who is connected to.

use crate::Site;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use trenza_ftp::address;
use trenza_sim::Net;

fn ip_of(site: &Site) -> String {
    let [v4, _] = site.cli.ips();
    v4.to_string().replace('.', ",")
}

#[test]
fn passive_and_extended_passive() {
    let site = Site::ann();
    site.write("a", "hello");
    assert_eq!(site.get("RETR a"), b"hello");
    let reply = site.ask("EPSV", "229");
    let port = address::parse_229(reply.as_bytes()).unwrap();
    let [v4, _] = site.srv.ips();
    let data = site.cli.probe_to(SocketAddr::new(v4, port));
    site.ask("RETR a", "150");
    site.expect("226");
    site.net.run();
    assert_eq!(data.received(), b"hello");
    site.ask("EPSV 1", "229");
    site.ask("EPSV 2", "522");
    site.ask("EPSV 3", "522");
    site.ask("EPSV ALL", "200");
    site.ask("PASV", "503");
    site.ask(format!("PORT {},4,1", ip_of(&site)), "503");
    site.leaves_nothing();
}

#[test]
fn active_and_extended_active() {
    let site = Site::ann();
    site.write("a", "hello");
    let listener = site.cli.probe_listen("tcp:5000");
    let [v4, _] = site.cli.ips();
    for command in [format!("PORT {},19,136", ip_of(&site)), format!("EPRT |1|{v4}|5000|")] {
        site.ask(command, "200");
        site.ask("RETR a", "150");
        site.expect("226");
        site.net.run();
        let data = listener.accept().unwrap();
        assert_eq!(data.received(), b"hello");
        assert!(data.eof());
        // From the address that the client knows.
        assert_eq!(data.remote_addr().ip(), Some(site.srv.ips()[0]));
    }
    site.ask(format!("PORT {},19,137", ip_of(&site)), "200");
    site.ask("RETR a", "150");
    site.expect("425");
    site.leaves_nothing();
}

#[test]
fn nobody_else_is_connected_to() {
    let site = Site::ann();
    let victim = site.net.host("victim");
    let [v4, _] = victim.ips();
    let victim_port = format!("PORT {},19,136", v4.to_string().replace('.', ","));
    let listener = victim.probe_listen("tcp:5000");
    site.ask(victim_port, "504");
    site.ask(format!("EPRT |1|{v4}|5000|"), "504");
    site.ask("EPRT |3|x|5000|", "522");
    // Nor is a service at the client's own address.
    site.ask(format!("PORT {},0,25", ip_of(&site)), "504");
    site.ask("PORT 1,2,3", "501");
    site.write("a", "hello");
    site.ask("RETR a", "425");
    site.net.run();
    assert!(listener.accept().is_none());
}

#[test]
fn a_data_connection_of_somebody_else_takes_nothing() {
    let site = Site::ann();
    site.write("a", "hello");
    let to = site.passive_address();
    let thief = site.net.host("thief").probe_to(to);
    site.net.run();
    assert!(thief.was_reset());
    let data = site.cli.probe_to(to);
    site.net.run();
    // It was for one connection.
    let second = site.cli.probe_to(to);
    site.net.run();
    assert!(second.error().is_some() || second.was_reset());
    site.ask("RETR a", "150");
    site.expect("226");
    site.net.run();
    assert_eq!(data.received(), b"hello");
    assert!(thief.received().is_empty());
    site.leaves_nothing();
}

#[test]
fn nobody_is_waited_for_for_ever() {
    let site = Site::ann();
    site.write("a", "hello");
    let to = site.passive_address();
    site.net.advance(Duration::from_secs(20));
    site.ask("RETR a", "150");
    site.net.advance(Duration::from_secs(29));
    assert!(site.is_quiet());
    site.net.advance(Duration::from_secs(2));
    site.expect("425");
    // The port is gone.
    let late = site.cli.probe_to(to);
    site.net.run();
    assert!(late.error().is_some());
    // Neither does a port wait for a command.
    let data = site.passive();
    site.net.advance(Duration::from_secs(31));
    assert!(data.was_reset());
    site.ask("RETR a", "425");
    // Who has come and gone is not there.
    let data = site.passive();
    site.net.run();
    data.reset();
    site.net.run();
    site.ask("RETR a", "425");
    site.leaves_nothing();
}

#[test]
fn a_port_is_closed_by_the_next_one_and_with_its_session() {
    let site = Site::ann();
    let first = site.passive();
    let second = site.passive_address();
    site.net.run();
    assert!(first.was_reset());
    site.ask("REIN", "220");
    let late = site.cli.probe_to(second);
    site.net.run();
    assert!(late.error().is_some());
    site.leaves_nothing();
    let site = Site::ann();
    let _waiting = site.passive();
    site.control.reset();
    site.leaves_nothing();
}

#[test]
fn ports_come_from_the_range() {
    let site = Site::logged_in(Net::gentle(3), |server| server.passive_ports(50000..=50001));
    let mut seen = Vec::new();
    for _ in 0..20 {
        let port = site.passive_address().port();
        assert!((50000..=50001).contains(&port), "{port}");
        seen.push(port);
    }
    seen.dedup();
    assert!(seen.len() > 1, "ports are random");
    // One each for two sessions; a third one finds none.
    let others: Vec<_> = (0..2)
        .map(|_| {
            let other = site.cli.probe("tcp:srv:21");
            other.send("USER bob\r\nPASS b\r\nPASV\r\n");
            site.net.advance(Duration::from_secs(1));
            other
        })
        .collect();
    let last = |probe: &trenza_sim::Probe| {
        let replies = String::from_utf8(probe.received()).unwrap();
        replies.lines().last().unwrap()[..3].to_owned()
    };
    assert_eq!((last(&others[0]).as_str(), last(&others[1]).as_str()), ("227", "425"));
}

#[test]
fn clients_outside_get_the_public_address() {
    let site = Site::logged_in(Net::gentle(1), |server| server.public_address([203, 0, 113, 5].into()));
    let near = matches!(site.cli.ips()[0], IpAddr::V4(ip) if ip.is_private());
    let ip = site.passive_address().ip();
    assert_eq!(ip == IpAddr::from([203, 0, 113, 5]), !near);
}

#[test]
fn ipv6() {
    let mut site = Site::gentle();
    let ([_, there], [_, here]) = (site.srv.ips(), site.cli.ips());
    site.control = site.cli.probe_to(SocketAddr::new(there, 21));
    site.log_in();
    site.write("a", "hello");
    site.ask("PASV", "425");
    site.ask("EPSV 1", "522");
    let reply = site.ask("EPSV 2", "229");
    let data = site.cli.probe_to(SocketAddr::new(there, address::parse_229(reply.as_bytes()).unwrap()));
    site.ask("RETR a", "150");
    site.expect("226");
    site.net.run();
    assert_eq!(data.received(), b"hello");
    let listener = site.cli.probe_listen("tcp:5000");
    site.ask(format!("EPRT |2|{here}|5000|"), "200");
    site.ask("RETR a", "150");
    site.expect("226");
    site.net.run();
    assert_eq!(listener.accept().unwrap().received(), b"hello");
    site.ask(format!("EPRT |1|{}|5000|", site.cli.ips()[0]), "504");
    site.leaves_nothing();
}
