//! Peers that are slow, rude or gone, at every step.

use super::{Echo, Site, connect4a, connect5};
use std::time::Duration;
use trenza_proxy::{ProxyLimits, SocksServer, Users};
use trenza_sim::{Kind, Net, Verdict, for_seeds};

const PASSWORD: &[u8] = b"\x05\x02\0\x02\x01\x03ann\x06secret\x05\x01\0\x03\x03srv\0\x07hello";

#[test]
fn garbage() {
    for garbage in [
        &b"GET http://srv:7/ HTTP/1.1\r\nHost: srv\r\n\r\n"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc",
        b"\0\0\0\0",
        b"\x05\xff",
        &[4; 2000],
        &[5; 2000],
        &[0xff; 100_000],
    ] {
        for_seeds(0..10, |seed| {
            let site = Site::new(Net::new(seed), SocksServer::new());
            let client = site.client();
            client.send(garbage);
            site.advance(30);
            assert!(client.lost() && site.is_quiet(), "{garbage:?}");
            assert!(site.log.only().error.is_some());
        });
    }
}

#[test]
fn half_a_handshake_then_silence() {
    for length in 0..PASSWORD.len() - 5 {
        let users = Users::parse("ann:secret").unwrap();
        let site = Site::new(Net::gentle(1), SocksServer::new().users(users)).echo();
        let client = site.client();
        client.send(&PASSWORD[..length]);
        site.advance(9);
        assert!(!client.lost());
        site.advance(2);
        assert!(client.was_reset() && site.is_quiet(), "{length}");
        assert!(site.log.error().contains("the deadline passed"), "{}", site.log.error());
    }
}

#[test]
fn bytes_that_trickle_do_not_move_the_deadline() {
    let site = Site::gentle().echo();
    let client = site.client();
    client.send_bytewise(connect5("srv", 7), Duration::from_secs(2));
    site.advance(11);
    assert!(client.was_reset() && site.is_quiet());
}

#[test]
fn clients_that_leave_at_every_step() {
    let users = || SocksServer::new().users(Users::parse("ann:secret").unwrap());
    for length in 0..=PASSWORD.len() {
        for how in 0..3 {
            for_seeds(0..4, |seed| {
                let site = Site::new(Net::new(seed), users()).echo();
                let client = site.client();
                client.send(&PASSWORD[..length]);
                match how {
                    0 => client.reset(),
                    1 => client.close(),
                    _ => {
                        site.net.run();
                        client.reset();
                    }
                }
                site.advance(60);
                assert!(site.is_quiet(), "{length} {how}");
                site.log.only();
            });
        }
    }
}

#[test]
fn either_side_may_leave_after_any_step_of_the_network() {
    for_seeds(0..6, |seed| {
        for steps in 0..60 {
            for of_target in [false, true] {
                let site = Site::new(Net::new(seed), SocksServer::new());
                let server = site.net.host("srv");
                site.net.name("one", &server.ips()[..1]);
                let targets = server.probe_listen("tcp:7");
                let client = site.client();
                client.send([&connect4a("one", 7)[..], b"hello"].concat());
                let (mut step, mut target) = (0, None);
                // Without a last step it would have nothing left to do.
                site.net
                    .host("clock")
                    .run(|reactor| reactor.call_later(Duration::from_secs(1), || ()).detach());
                site.net.run_until(|| {
                    target = target.take().or_else(|| targets.accept());
                    step += usize::from(!of_target || target.is_some());
                    step > steps || site.net.elapsed() >= Duration::from_secs(1)
                });
                match &target {
                    Some(target) if of_target => target.reset(),
                    _ => client.reset(),
                }
                site.advance(70);
                target = target.take().or_else(|| targets.accept());
                assert!(client.lost() && target.is_none_or(|target| target.lost()), "{steps} {of_target}");
                assert!(site.is_quiet(), "{steps} {of_target}");
                site.log.only();
            }
        }
    });
}

#[test]
fn a_client_that_leaves_while_it_waits_ends_the_connect() {
    let site = Site::gentle().echo();
    let _hole = site.net.rule(|packet| {
        if packet.to("srv") && packet.kind() == Kind::Connect { Verdict::Drop } else { Verdict::Pass }
    });
    let client = site.client();
    client.send(connect5("srv", 7));
    site.advance(1);
    client.reset();
    site.advance(1);
    assert!(site.is_quiet());
    assert!(site.log.error().contains("while it waited"), "{}", site.log.error());
}

#[test]
fn a_client_that_sends_before_it_is_answered_is_not_read_for_ever() {
    let site = Site::gentle();
    let hole = site.net.rule(|packet| {
        if packet.to("srv") && packet.kind() == Kind::Connect { Verdict::Drop } else { Verdict::Pass }
    });
    site.net.host("srv").listen("tcp:7", |_| Echo);
    let client = site.client();
    client.send(connect5("srv", 7));
    client.send(vec![b'x'; 4 << 20]);
    site.advance(5);
    let gate = site.net.host("gate").run(|reactor| reactor.connections());
    assert!(!client.lost() && gate[0].counts().unread < 128 << 10, "{:?}", gate[0].counts());
    assert!(client.unsent() > 3 << 20);
    drop(hole);
}

#[test]
fn a_huge_user_name() {
    for_seeds(0..10, |seed| {
        let site = Site::new(Net::new(seed), SocksServer::new());
        let client = site.client();
        client.send(b"\x04\x01\0\x07\x0a\0\0\x02");
        for _ in 0..10 {
            client.send(vec![b'u'; 100_000]);
        }
        site.advance(30);
        assert_eq!(client.received(), b"\0\x5b\0\0\0\0\0\0");
        assert!(site.log.error().contains("too long") && site.is_quiet());
    });
}

#[test]
fn a_target_that_never_reads_holds_its_client_back() {
    let site = Site::gentle();
    let targets = site.net.host("srv").probe_listen("tcp:7");
    let client = site.client();
    client.send(connect4a("srv", 7));
    client.send(vec![b'x'; 8 << 20]);
    site.net.run_until(|| client.received().len() == 8);
    let target = targets.accept().unwrap();
    target.read(false);
    site.advance(5);
    let unsent: usize = site
        .net
        .host("gate")
        .run(|reactor| reactor.connections().iter().map(|one| one.counts().unsent).sum());
    assert!(unsent < 512 << 10, "{unsent}");
    assert!(client.unsent() > 4 << 20);
    target.read(true);
    site.advance(60);
    assert_eq!(target.received().len(), 8 << 20);
}

#[test]
fn resets_go_through() {
    for of_target in [true, false] {
        for_seeds(0..20, |seed| {
            let site = Site::new(Net::new(seed), SocksServer::new());
            let targets = site.net.host("srv").probe_listen("tcp:7");
            let client = site.client();
            client.send(connect4a("srv", 7));
            site.net.run();
            let target = targets.accept().unwrap();
            client.send("hello");
            target.send("hi");
            site.net.run();
            let (dies, other) = if of_target { (&target, &client) } else { (&client, &target) };
            dies.reset();
            site.net.run();
            assert!(other.was_reset() && site.is_quiet());
            let who = if of_target { "the target: " } else { "the client: " };
            assert!(site.log.error().starts_with(who), "{}", site.log.error());
        });
    }
}

#[test]
fn a_target_that_ends_at_once() {
    for_seeds(0..100, |seed| {
        let site = Site::new(Net::new(seed), SocksServer::new());
        let server = site.net.host("srv");
        site.net.name("one", &server.ips()[..1]);
        let targets = server.probe_listen("tcp:7");
        let client = site.client();
        client.send(connect4a("one", 7));
        let mut target = None;
        site.net.run_until(|| {
            target = target.take().or_else(|| targets.accept());
            target.is_some()
        });
        // While its acceptance is on the way, or when it has just arrived.
        site.net.advance(Duration::from_micros(seed * 50));
        target.unwrap().reset();
        site.advance(30);
        assert!(client.lost() && site.is_quiet());
        assert!(site.log.only().error.is_some());
    });
}

#[test]
fn silence_ends() {
    let limits = ProxyLimits { idle: Duration::from_secs(10), ..ProxyLimits::default() };
    let site = Site::new(Net::gentle(1), SocksServer::new().limits(limits));
    let targets = site.net.host("srv").probe_listen("tcp:7");
    let client = site.client();
    client.send(connect4a("srv", 7));
    site.net.run();
    let target = targets.accept().unwrap();
    // What only one of them says keeps both.
    for _ in 0..5 {
        site.advance(8);
        target.send("tick");
    }
    site.advance(9);
    assert!(!client.lost());
    site.advance(2);
    assert!(client.was_reset() && target.was_reset() && site.is_quiet());
    assert!(site.log.error().contains("no traffic"), "{}", site.log.error());
}

#[test]
fn half_closes_go_through_both_ways() {
    for_seeds(0..30, |seed| {
        let site = Site::new(Net::new(seed), SocksServer::new());
        let targets = site.net.host("srv").probe_listen("tcp:7");
        let client = site.client();
        client.send([&connect4a("srv", 7)[..], b"question"].concat());
        // Before there is a target at all.
        client.close_write();
        site.net.run();
        let target = targets.accept().unwrap();
        assert!(target.received() == b"question" && target.eof() && !client.eof());
        site.advance(20);
        target.send("answer");
        target.close();
        site.net.run();
        assert!(client.received().ends_with(b"answer") && client.eof() && site.is_quiet());
        assert_eq!(site.log.only().error, None);
    });
}

#[test]
fn a_stop_ends_who_waits_and_leaves_who_is_served_their_time() {
    let site = Site::gentle().echo();
    let [served, waits] = [site.client(), site.client()];
    served.send(connect4a("srv", 7));
    waits.send(b"\x05");
    site.net.run();
    site.net.host("gate").run(|reactor| reactor.stop());
    site.net.run();
    assert!(waits.eof() && !served.lost());
    served.send("hello");
    site.net.run();
    assert!(served.received().ends_with(b"hello"));
    served.close();
    site.advance(5);
    assert!(!site.net.host("gate").is_running());
}

#[test]
fn a_port_that_stops_while_a_connect_is_on_its_way_leaves_no_target_behind() {
    let site = Site::gentle();
    let (gate, server) = (site.net.host("gate"), site.net.host("srv"));
    site.net.name("one", &server.ips()[..1]);
    site.net.latency_between(&gate, &server, Duration::from_secs(1));
    let targets = server.probe_listen("tcp:7");
    let port = gate.run(|reactor| reactor.listen_with("tcp:1081", SocksServer::new())).unwrap();
    let client = site.net.host("cli").probe("tcp:gate:1081");
    client.send(connect4a("one", 7));
    site.net.advance(Duration::from_millis(500));
    port.stop().detach();
    // The client does not close, so that its connection lingers; meanwhile the target's is made.
    site.advance(4);
    assert!(client.eof() && targets.accept().unwrap().lost());
    client.close();
    site.advance(3);
    assert!(site.is_quiet());
}
