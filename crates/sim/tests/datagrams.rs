//! Datagrams in a simulated network: what becomes of them, and who hears of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};
use trenza_core::{
    Addr, Datagram, DatagramProtocol, LeftKind, Outbox, Outgoing, Reason, Result, UdpOption, UdpPort,
    UnixAddr,
    driver::{BindUdp, Close, Driver, Event, Open, Token},
};
use trenza_sim::{DatagramProbe, HostHandle, Hostility, Kind, Net, Verdict, for_seeds};

/// What a port has heard.
#[derive(Clone, Default)]
struct Ear(Rc<RefCell<Vec<String>>>);

impl Ear {
    fn heard(&self) -> Vec<String> {
        self.0.take()
    }

    fn note(&self, what: String) {
        self.0.borrow_mut().push(what);
    }
}

impl DatagramProtocol for Ear {
    fn datagram_received(&mut self, _: &UdpPort, datagram: Datagram<'_>) -> Result {
        self.note(String::from_utf8_lossy(datagram.data).into_owned());
        Ok(())
    }
    fn failed(&mut self, _: &UdpPort, to: Option<&Addr>, error: &io::Error) -> Result {
        self.note(format!("{} {:?}", to.map(Addr::to_string).unwrap_or_default(), error.kind()));
        Ok(())
    }
    fn stopped(&mut self, _: &UdpPort, reason: &Reason) {
        self.note(format!("stopped: {reason}"));
    }
}

fn open(host: &HostHandle, on: &str) -> (UdpPort, Ear) {
    let ear = Ear::default();
    let port = host.run(|reactor| reactor.udp(on, ear.clone())).unwrap();
    (port, ear)
}

fn addr(host: &HostHandle, port: u16) -> SocketAddr {
    SocketAddr::new(host.ips()[0], port)
}

fn numbers(probe: &DatagramProbe) -> Vec<u8> {
    probe.take_received().iter().map(|received| received.data[0]).collect()
}

/// What of 200 datagrams arrives.
fn of_200(hostility: Hostility) -> Vec<u8> {
    let net = Net::with(1, hostility);
    let [srv, cli] = ["srv", "cli"].map(|name| net.host(name));
    let probe = srv.datagram_probe("udp:7");
    let (port, _) = open(&cli, "udp:0");
    for n in 0..200 {
        port.send_to(&addr(&srv, 7).into(), &[n]);
    }
    net.run();
    numbers(&probe)
}

#[test]
fn a_gentle_network_delivers_all_in_order() {
    assert!(of_200(Hostility::none()).into_iter().eq(0..200));
}

#[test]
fn some_are_lost() {
    let arrived = of_200(Hostility { loss: 0.3, ..Hostility::none() });
    assert!((100..180).contains(&arrived.len()) && arrived.is_sorted(), "{}", arrived.len());
    assert_eq!(of_200(Hostility { loss: 1.0, ..Hostility::none() }), []);
}

#[test]
fn some_are_doubled() {
    let mut arrived = of_200(Hostility { duplicate: 0.3, ..Hostility::none() });
    assert!((220..300).contains(&arrived.len()), "{}", arrived.len());
    arrived.dedup();
    assert!(arrived.into_iter().eq(0..200));
}

#[test]
fn some_overtake_others() {
    let mut arrived = of_200(Hostility { reorder: 0.3, ..Hostility::none() });
    assert!(!arrived.is_sorted());
    arrived.sort_unstable();
    assert!(arrived.into_iter().eq(0..200));
}

#[test]
fn within_a_host_nothing_is_lost() {
    for_seeds(0..20, |seed| {
        let net = Net::with(seed, Hostility { loss: 1.0, reorder: 1.0, ..Net::new(seed).hostility() });
        let host = net.host("here");
        let (to, ear) = open(&host, "udp:7");
        let (port, _) = open(&host, "udp:0");
        (0..9).for_each(|n| assert!(port.send_to(&addr(&host, 7).into(), &[b'0' + n])));
        net.run();
        assert_eq!(ear.heard().concat(), "012345678");
        assert_eq!(to.counts().received, 9);
    });
}

#[test]
fn rules_judge_each_datagram() {
    let net = Net::gentle(1);
    let [srv, cli] = ["srv", "cli"].map(|name| net.host(name));
    let probe = srv.datagram_probe("udp:7");
    let (port, ear) = open(&cli, "udp:9:interface=10.0.0.2");
    let _rule = net.rule(|packet| match packet.kind() {
        Kind::Datagram(1) => Verdict::Drop,
        Kind::Datagram(2) => Verdict::Delay(Duration::from_secs(1)),
        Kind::Datagram(3) => Verdict::Reset,
        _ => Verdict::Pass,
    });
    for data in ["1", "22", "333", "4444"] {
        port.send_to(&addr(&srv, 7).into(), data.as_bytes());
    }
    net.run();
    let data: Vec<_> = probe.take_received().into_iter().map(|received| received.data).collect();
    assert_eq!(data, [b"4444".to_vec(), b"22".to_vec()]);
    assert_eq!(ear.heard(), ["10.0.0.1:7 ConnectionRefused"]);
    assert!(net.trace().iter().any(|line| line.contains("10.0.0.2:9 > srv 10.0.0.1:7 Datagram(1) Drop")));
}

#[test]
fn a_partition_loses_datagrams() {
    let net = Net::gentle(1);
    let [srv, cli] = ["srv", "cli"].map(|name| net.host(name));
    let probe = srv.datagram_probe("udp:7");
    let (port, ear) = open(&cli, "udp:0");
    let partition = net.partition(&[&srv], &[&cli]);
    port.send_to(&addr(&srv, 7).into(), b"1");
    net.run();
    drop(partition);
    port.send_to(&addr(&srv, 7).into(), b"2");
    net.run();
    assert_eq!((numbers(&probe), ear.heard()), (vec![b'2'], vec![]));
}

#[test]
fn nobody_and_nowhere_are_told() {
    let net = Net::gentle(1);
    let [srv, cli] = ["srv", "cli"].map(|name| net.host(name));
    let (port, ear) = open(&cli, "udp:0");
    port.send_to(&addr(&srv, 7).into(), b"nobody");
    port.send_to(&SocketAddr::from(([10, 9, 9, 9], 7)).into(), b"nowhere");
    net.run();
    let mut heard = ear.heard();
    heard.sort();
    assert_eq!(heard, ["10.0.0.1:7 ConnectionRefused", "10.9.9.9:7 HostUnreachable"]);
    assert!(port.is_open());
    let probe = cli.datagram_probe("udp:0");
    probe.send((srv.ips()[1], 7), "nobody");
    net.run();
    let to = SocketAddr::new(srv.ips()[1], 7);
    assert_eq!(probe.take_refused(), [(to, io::ErrorKind::ConnectionRefused)]);
}

#[test]
fn a_crash_takes_ports_and_what_was_for_them() {
    let net = Net::gentle(1);
    let [srv, cli] = ["srv", "cli"].map(|name| net.host(name));
    let (before, ear) = open(&srv, "udp:7");
    net.run();
    let (port, refused) = open(&cli, "udp:0");
    port.send_to(&addr(&srv, 7).into(), b"never told");
    srv.crash();
    net.run();
    assert_eq!((ear.heard(), before.is_open()), (vec!["stopped: the reactor stopped".into()], false));
    assert_eq!(refused.heard(), [""; 0], "a dead machine says nothing");
    srv.restart(|_| ());
    port.send_to(&addr(&srv, 7).into(), b"anybody?");
    net.run();
    assert_eq!(refused.heard(), ["10.0.0.1:7 ConnectionRefused"]);
}

#[test]
fn groups_reach_members_on_all_hosts() {
    let net = Net::gentle(1);
    let hosts = ["one", "two", "three"].map(|name| net.host(name));
    let ports = hosts.map(|host| open(&host, "udp:7"));
    for group in ["239.1.2.3", "ff02::123"] {
        let group: IpAddr = group.parse().unwrap();
        let to = SocketAddr::new(group, 7).into();
        let send = |text: &str| {
            ports[0].0.send_to(&to, text.as_bytes());
            net.run();
            [0, 1, 2].map(|n| ports[n].1.heard().concat())
        };
        assert_eq!(send("a"), ["", "", ""]);
        ports[0].0.join(group).detach();
        ports[1].0.join(group).detach();
        assert_eq!(send("b"), ["b", "b", ""]);
        ports[0].0.set_option(UdpOption::MulticastLoop(false)).detach();
        assert_eq!(send("c"), ["", "c", ""]);
        ports[0].0.set_option(UdpOption::MulticastTtl(0)).detach();
        assert_eq!(send("d"), ["", "", ""], "it does not leave the host");
        ports[0].0.set_option(UdpOption::MulticastTtl(1)).detach();
        ports[1].0.leave(group).detach();
        assert_eq!(send("e"), ["", "", ""]);
        ports[0].0.set_option(UdpOption::MulticastLoop(true)).detach();
        assert_eq!(send("f"), ["f", "", ""]);
    }
}

#[test]
fn broadcasts_reach_all_hosts() {
    let net = Net::gentle(1);
    let hosts = ["one", "two", "three"].map(|name| net.host(name));
    let probes = hosts.clone().map(|host| host.datagram_probe("udp:7"));
    let (port, ear) = open(&hosts[0], "udp:0");
    let to = SocketAddr::from((Ipv4Addr::BROADCAST, 7)).into();
    port.send_to(&to, &[1]);
    net.run();
    assert_eq!(ear.heard(), ["255.255.255.255:7 PermissionDenied"]);
    port.set_option(UdpOption::Broadcast(true)).detach();
    port.send_to(&to, &[2]);
    net.run();
    for (probe, host) in probes.iter().zip(&hosts) {
        let received = probe.take_received();
        assert_eq!((received.len(), received[0].to, &*received[0].data), (1, host.ips()[0], &[2][..]));
    }
}

#[test]
fn what_is_longer_than_the_path_takes_is_refused() {
    let net = Net::gentle(1);
    net.mtu(1400);
    let [srv, cli] = ["srv", "cli"].map(|name| net.host(name));
    let probe = srv.datagram_probe("udp:7");
    let (port, ear) = open(&cli, "udp:0");
    port.send_to(&addr(&srv, 7).into(), &[1; 1401]);
    port.send_to(&addr(&srv, 7).into(), &[2; 1400]);
    let strides = [3; 2800];
    port.send(Outgoing { stride: Some(1400), ..Outgoing::new(&addr(&srv, 7).into(), &strides) });
    net.run();
    assert_eq!(numbers(&probe), [2, 3, 3]);
    assert_eq!(ear.heard().len(), 1);
    assert_eq!(port.counts().sent, 3);
}

#[test]
fn narrow_lines_take_their_time() {
    let net = Net::gentle(1);
    net.bandwidth(1000);
    let [srv, cli] = ["srv", "cli"].map(|name| net.host(name));
    let probe = srv.datagram_probe("udp:7");
    let (port, _) = open(&cli, "udp:0");
    (0..4).for_each(|n| assert!(port.send_to(&addr(&srv, 7).into(), &[n; 500])));
    net.advance(Duration::from_millis(900));
    assert_eq!(numbers(&probe), [0]);
    net.advance(Duration::from_millis(700));
    assert_eq!(numbers(&probe), [1, 2]);
}

#[test]
fn who_does_not_read_loses_what_comes() {
    let net = Net::gentle(1);
    let [srv, cli] = ["srv", "cli"].map(|name| net.host(name));
    // A loop that does not come to it.
    let mut driver = srv.driver();
    let bind = BindUdp::at(addr(&srv, 7));
    let bound = driver.host().bind_udp(&bind).unwrap();
    let token = driver.open(Open::Datagrams(bound)).unwrap();
    driver.read(token, true);
    let probe = cli.datagram_probe("udp:0");
    (0..300).for_each(|_| probe.send(addr(&srv, 7), [b'x'; 1000]));
    net.run();
    driver.wait(None).unwrap();
    let mut came = 0;
    while let Some(event) = driver.next() {
        assert!(matches!(event, Event::Datagram { datagram, .. } if datagram.data.len() == 1000));
        came += 1;
    }
    assert!((100..200).contains(&came), "{came}");
    assert!(net.trace().iter().any(|line| line.contains("finds no room")));
}

#[test]
fn congestion_bits_and_addresses_are_told_to_probes() {
    let net = Net::gentle(1);
    let [srv, cli] = ["srv", "cli"].map(|name| net.host(name));
    let [one, other] = [srv.datagram_probe("udp:7"), cli.datagram_probe("udp:0")];
    other.send_with(addr(&srv, 7), "x", Some(3));
    net.run();
    let received = one.take_received();
    assert_eq!((received[0].ecn, received[0].to), (Some(3), srv.ips()[0]));
    assert_eq!(received[0].from, addr(&cli, other.port()));
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = |seed| {
        let net = Net::new(seed);
        let hosts = ["one", "two"].map(|name| net.host(name));
        let ports = hosts.clone().map(|host| open(&host, "udp:7").0);
        for n in 0..50 {
            let (port, to) = (&ports[n % 2], &hosts[(n + 1) % 2]);
            port.send_to(&addr(to, 7).into(), &vec![n as u8; n * 20]);
            net.advance(Duration::from_micros(n as u64 * 100));
        }
        net.run();
        (net.events(), net.fingerprint())
    };
    for_seeds(0..10, |seed| assert_eq!(run(seed), run(seed)));
    assert_ne!(run(1), run(2));
}

#[test]
fn what_is_left_is_named_with_its_line() {
    let net = Net::gentle(1);
    let host = net.host("here");
    let line = line!() + 1;
    let port = host.run(|reactor| reactor.udp("udp:7:interface=127.0.0.1", Ear::default())).unwrap();
    net.run();
    let left = host.leftovers();
    assert_eq!((left.len(), left[0].kind, left[0].made.line()), (1, LeftKind::UdpPort, line));
    assert!(left[0].to_string().starts_with("a UDP port on 127.0.0.1:7, made at "));
    assert_eq!((host.left().ports, net.ends()), (1, 1));
    port.close();
    net.run();
    assert_eq!((host.left().ports, net.ends(), host.leftovers().len()), (0, 0, 0));
}

/// A UNIX socket of a loop that does not come to it.
fn unread(driver: &mut impl Driver, at: &UnixAddr, to: Option<&UnixAddr>) -> Token {
    let how = BindUdp { to: to.cloned().map(Addr::from), ..BindUdp::at(at.clone()) };
    let bound = driver.host().bind_udp(&how).unwrap();
    let token = driver.open(Open::Datagrams(bound)).unwrap();
    driver.read(token, true);
    token
}

/// Waits, and gives what is told, without what datagrams say.
fn told(driver: &mut impl Driver) -> Vec<String> {
    driver.wait(None).unwrap();
    let mut told = Vec::new();
    while let Some(event) = driver.next() {
        told.push(match event {
            Event::Datagram { .. } => "got".into(),
            Event::Undelivered { error, .. } => format!("{:?}", error.kind()),
            Event::Sent { .. } => "room".into(),
            other => format!("{other:?}"),
        });
    }
    told
}

#[test]
fn a_full_unix_socket_holds_up_who_has_it_as_peer_and_refuses_others() {
    let net = Net::gentle(1);
    let mut driver = net.host("srv").driver();
    let [full, other] = ["/full", "/other"].map(UnixAddr::path);
    let receiver = unread(&mut driver, &full, None);
    let peer = unread(&mut driver, &UnixAddr::Unnamed, Some(&full));
    let stranger = unread(&mut driver, &other, None);
    let to = Addr::from(full.clone());
    let mut out = Outbox::new();
    (0..50).for_each(|_| out.push(Outgoing::new(&to, b"hello")));
    let all = out.cost();
    driver.send_to(peer, &mut out);
    let taken = all - out.cost();
    assert!(taken > 0 && taken < all);
    let mut late = Outbox::new();
    late.push(Outgoing::new(&to, b"me too"));
    driver.send_to(stranger, &mut late);
    assert!(late.is_empty());
    let mut heard = told(&mut driver);
    while !out.is_empty() {
        driver.send_to(peer, &mut out);
        heard.extend(told(&mut driver));
    }
    let count = |what: &str| heard.iter().filter(|told| *told == what).count();
    assert_eq!((count("got"), count("WouldBlock")), (50, 1));
    assert!(count("room") > 0 && heard.len() == 51 + count("room"), "{heard:?}");
    // Who waits for a socket that is closed is told to go on, and then refused.
    (0..50).for_each(|_| out.push(Outgoing::new(&to, b"hello")));
    driver.send_to(peer, &mut out);
    driver.close(receiver, Close::Abort);
    assert_eq!(told(&mut driver), ["room"]);
    driver.send_to(peer, &mut out);
    assert!(out.is_empty());
    assert!(told(&mut driver).iter().all(|told| told == "NotFound"));
}
