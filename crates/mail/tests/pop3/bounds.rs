//! Clients that send too much, too often, too slowly, or read nothing: what they cost is bounded.

use crate::{MESSAGES, Site, deliver, serve, server};
use std::time::Duration;
use trenza_mail::pop3::Pop3Limits;
use trenza_sim::Net;

fn held(site: &Site) -> (usize, usize) {
    site.srv.run(|reactor| {
        let counts = reactor.connections().iter().map(|one| one.counts()).collect::<Vec<_>>();
        let most = |of: fn(&trenza_core::Counts) -> usize| counts.iter().map(of).max().unwrap_or(0);
        (most(|counts| counts.unread), most(|counts| counts.unsent))
    })
}

#[test]
fn a_line_of_10_mb_is_refused_once_and_passed_over() {
    let site = Site::open(&server());
    let piece = vec![b'x'; 100_000];
    for _ in 0..100 {
        site.client.send(&piece);
        site.net.run();
        assert!(held(&site).0 <= 1024, "{:?}", held(&site));
    }
    site.ask("", "-ERR The line is too long");
    site.ask("NOOP", "+OK");
}

#[test]
fn who_asks_and_does_not_read_is_not_read_either() {
    let site = Site::open(&server());
    site.client.read(false);
    for _ in 0..300 {
        site.client.send("LIST\r\nUIDL\r\nCAPA\r\nSTAT\r\n".repeat(50));
        site.net.advance(Duration::from_millis(100));
        let (unread, unsent) = held(&site);
        assert!(unread <= 128 * 1024 && unsent <= 128 * 1024, "{unread} {unsent}");
    }
    assert!(site.client.unsent() > 0, "everything was read");
    site.client.read(true);
    site.net.advance(Duration::from_secs(60));
    let said = String::from_utf8(site.client.take_received()).unwrap();
    assert_eq!(said.matches("IMPLEMENTATION").count(), 15_000);
    site.ask("NOOP", "+OK");
}

#[test]
fn too_many_sessions_are_told_so() {
    let net = Net::gentle(1);
    let srv = net.host("srv");
    let limits = Pop3Limits { sessions: 1000, per_address: 300, ..Pop3Limits::default() };
    serve(&srv, &server().limits(limits));
    let hosts: Vec<_> = (0..4).map(|n| net.host(&format!("cli{n}"))).collect();
    let probes: Vec<_> = (0..1400).map(|n| hosts[n % 4].probe("tcp:srv:110")).collect();
    net.advance(Duration::from_secs(10));
    let starts = |start: &[u8]| probes.iter().filter(|probe| probe.received().starts_with(start)).count();
    assert_eq!((starts(b"+OK "), starts(b"-ERR [SYS/TEMP] ")), (1000, 400));
    for probe in &probes {
        probe.close();
    }
    net.advance(Duration::from_secs(10));
    let again: Vec<_> = (0..310).map(|_| hosts[0].probe("tcp:srv:110")).collect();
    net.advance(Duration::from_secs(10));
    assert_eq!(again.iter().filter(|probe| probe.received().starts_with(b"+OK ")).count(), 300);
}

#[test]
fn who_is_silent_is_gone_without_a_word_and_deletes_nothing() {
    for text in [
        "",
        "USER ann\r\n",
        "USER ann\r\nPASS secret\r\nDELE 1\r\n",
        "USER ann\r\nPASS secret\r\nDELE 1\r\nQU",
    ] {
        let site = Site::new(Net::gentle(1), &server());
        site.client.send(text);
        site.net.advance(Duration::from_secs(5));
        let said = site.client.received();
        site.net.advance(Duration::from_secs(590));
        assert!(!site.client.eof(), "{text}");
        site.net.advance(Duration::from_secs(20));
        assert!(site.client.eof() && site.client.received() == said, "{text}");
        assert_eq!(site.left().len(), 3);
    }
    // Who never comes to the end of a line is not silent, and too slow all the same.
    let site = Site::new(Net::gentle(1), &server());
    site.client.send_bytewise("x".repeat(100), Duration::from_secs(30));
    site.net.advance(Duration::from_secs(620));
    assert!(site.client.eof());
}

#[test]
fn who_takes_a_message_slowly_gets_it_whole() {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    let message = b"0123456789abcde\r\n".repeat(40_000);
    deliver(&srv, "ann", &[&message]);
    // A tenth of what it takes.
    let limits = Pop3Limits { idle: Duration::from_secs(70), ..Pop3Limits::default() };
    serve(&srv, &server().limits(limits));
    let client = cli.probe("tcp:srv:110");
    net.bandwidth(1000);
    client.send("USER ann\r\nPASS secret\r\nRETR 1\r\n");
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n.\r\n") {
        net.advance(Duration::from_secs(5));
        read.extend(client.take_received());
        assert!(net.elapsed() < Duration::from_secs(2000), "after {} bytes", read.len());
    }
    client.send("DELE 1\r\nQUIT\r\n");
    net.advance(Duration::from_secs(60));
    assert!(net.elapsed() > Duration::from_secs(600), "that was no test: {:?}", net.elapsed());
    assert!(crate::left(&srv.disk(), "ann").is_empty());
    // Who takes nothing is gone.
    let site = Site { net, srv, client, read: Default::default() };
    deliver(&site.srv, "ann", &[&message.repeat(8), MESSAGES[0]]);
    let stuck = site.net.host("stuck").probe("tcp:srv:110");
    stuck.read(false);
    stuck.send("USER ann\r\nPASS secret\r\nDELE 2\r\nRETR 1\r\nQUIT\r\n");
    site.net.advance(Duration::from_secs(300));
    assert_eq!((site.srv.left().connections, site.left().len()), (0, 2));
}
