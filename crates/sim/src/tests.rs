//! The driver under a small loop of its own, without an engine.

use crate::{HostHandle, Hostility, Kind, Net, SimDriver, Verdict, for_seeds};
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    net::SocketAddr,
    time::Duration,
};
use trenza_core::driver::{Bind, Close, Driver, Event, Open, Token};
use trenza_wire::OutBuf;

const HARSH: Hostility = Hostility {
    split: 0.7,
    merge: 0.3,
    late: 0.7,
    extra_sent: 0.3,
    starve: 0.3,
    spurious: 0.3,
    short_send: 0.7,
    reset_overtakes: 0.5,
    shuffle: 1.0,
    accept_fails: 0.0,
    completion: 0.5,
    jitter: Duration::from_millis(2),
    loss: 0.2,
    duplicate: 0.2,
    reorder: 0.3,
};

/// A connection of the small loop.
#[derive(Default)]
struct Conn {
    out: OutBuf,
    received: Vec<u8>,
    connected: bool,
    eof: bool,
    failed: Option<io::ErrorKind>,
    echo: bool,
    closed: bool,
}

/// A loop that echoes what accepted connections say and closes when they do.
struct Loop {
    driver: SimDriver,
    port: Option<Token>,
    conns: BTreeMap<u32, (Token, Conn)>,
    accept_errors: usize,
    idle_waits: usize,
}

impl Loop {
    fn new(host: &HostHandle) -> Self {
        let (port, conns) = (None, BTreeMap::new());
        Self { driver: host.driver(), port, conns, accept_errors: 0, idle_waits: 0 }
    }

    fn listen(&mut self, addr: &str) -> SocketAddr {
        let how = Bind {
            addr: addr.parse::<SocketAddr>().unwrap().into(),
            dual_stack: true,
            mode: None,
            backlog: 16,
        };
        let bound = self.driver.host().bind(&how).unwrap();
        let addr = SocketAddr::new(bound.addr.ip().unwrap(), bound.addr.port().unwrap());
        let port = self.driver.open(Open::Listen(bound)).unwrap();
        self.driver.read(port, true);
        self.port = Some(port);
        addr
    }

    fn connect(&mut self, to: SocketAddr) -> Token {
        let token = self.driver.open(Open::Connect { to: to.into(), from: None }).unwrap();
        self.conns.insert(token.index, (token, Conn::default()));
        token
    }

    fn conn(&mut self, token: Token) -> &mut Conn {
        let (own, conn) = self.conns.get_mut(&token.index).expect("an event for a connection that is open");
        assert_eq!(*own, token, "an event for a former owner of the index");
        conn
    }

    fn send(&mut self, token: Token, data: &[u8]) {
        self.conn(token).out.push_slice(data);
        self.flush(token);
    }

    fn flush(&mut self, token: Token) {
        let (_, conn) = self.conns.get_mut(&token.index).unwrap();
        if conn.failed.is_some() {
            return;
        }
        if conn.out.queued() > 0 {
            self.driver.send(token, &mut conn.out);
        }
        if conn.echo && conn.eof && conn.out.is_empty() && !conn.closed {
            conn.closed = true;
            self.driver.close(token, Close::Graceful);
            self.conns.remove(&token.index);
        }
    }

    fn turn(&mut self) {
        self.driver.wait(None).unwrap();
        let mut told = 0;
        while let Some(event) = self.driver.next() {
            told += 1;
            match event {
                Event::Accepted { new, .. } => {
                    let conn = Conn { connected: true, echo: true, ..Conn::default() };
                    assert!(self.conns.insert(new.index, (new, conn)).is_none());
                    self.driver.read(new, true);
                }
                Event::Connected { token, result } => {
                    let failed = result.as_ref().err().map(io::Error::kind);
                    let conn = self.conn(token);
                    (conn.connected, conn.failed) = (result.is_ok(), failed);
                    if result.is_ok() {
                        self.driver.read(token, true);
                        self.flush(token);
                    }
                }
                Event::Received { token, data } => {
                    assert!(!data.is_empty());
                    let data = data.to_vec();
                    let conn = self.conn(token);
                    assert!(!conn.eof, "bytes after the end");
                    conn.received.extend_from_slice(&data);
                    if conn.echo {
                        self.send(token, &data);
                    }
                }
                Event::Eof { token } => {
                    assert!(!std::mem::replace(&mut self.conn(token).eof, true), "two ends");
                    self.flush(token);
                }
                Event::Sent { token, bytes } => {
                    self.conn(token).out.landed(bytes);
                    self.flush(token);
                }
                Event::Failed { token, .. } if Some(token) == self.port => self.accept_errors += 1,
                Event::Failed { token, error } => {
                    let conn = self.conn(token);
                    conn.failed = Some(error.kind());
                    if conn.echo {
                        self.driver.close(token, Close::Abort);
                        self.conns.remove(&token.index);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        self.idle_waits = if told == 0 { self.idle_waits + 1 } else { 0 };
    }
}

/// Runs the network and the loops until no loop hears anything any more.
fn run(net: &Net, loops: &mut [&mut Loop]) {
    loop {
        net.run();
        loops.iter_mut().for_each(|one| one.turn());
        if loops.iter().all(|one| one.idle_waits > 30) {
            loops.iter_mut().for_each(|one| one.idle_waits = 0);
            return;
        }
    }
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 7 % 251) as u8).collect()
}

#[test]
fn probe_hears_its_echo_on_every_seed() {
    for_seeds(0..200, |seed| {
        let net = Net::new(seed);
        let mut srv = Loop::new(&net.host("srv"));
        srv.listen("[::]:7007");
        let cli = net.host("cli").probe("tcp:srv:7007");
        let data = bytes(3000);
        cli.send_split(&data, &[1, 2, 2000]);
        cli.close_write();
        run(&net, &mut [&mut srv]);
        assert_eq!(cli.received(), data);
        assert!(cli.eof() && !cli.was_reset() && cli.unsent() == 0);
        assert!(srv.conns.is_empty());
    });
}

#[test]
fn drivers_of_both_kinds_talk_through_small_windows() {
    for_seeds(0..60, |seed| {
        let net = Net::with(seed, HARSH);
        net.window(1 + seed as usize * 11);
        let (mut srv, mut cli) = (Loop::new(&net.host("srv")), Loop::new(&net.host("cli")));
        let to = SocketAddr::new(net.host("srv").ips()[(seed % 2) as usize], srv.listen("[::]:0").port());
        let data = bytes(500 + seed as usize * 50);
        let conns: Vec<_> = (0..3).map(|_| cli.connect(to)).collect();
        run(&net, &mut [&mut srv, &mut cli]);
        conns.iter().for_each(|conn| cli.send(*conn, &data));
        run(&net, &mut [&mut srv, &mut cli]);
        for conn in conns {
            assert_eq!(cli.conn(conn).received, data);
            assert!(cli.conn(conn).out.is_empty());
            cli.driver.close(conn, Close::Write);
        }
        run(&net, &mut [&mut srv, &mut cli]);
        assert!(srv.conns.is_empty());
        assert!(cli.conns.values().all(|(_, conn)| conn.eof && conn.failed.is_none()));
    });
}

#[test]
fn same_seed_same_trace() {
    let story = |seed| {
        let net = Net::new(seed);
        let mut srv = Loop::new(&net.host("srv"));
        srv.listen("[::]:7007");
        let probes: Vec<_> = (0..4).map(|_| net.host("cli").probe("tcp:srv:7007")).collect();
        for probe in &probes {
            probe.send_bytewise(bytes(20), Duration::from_micros(300));
            probe.send(bytes(500));
        }
        probes[0].reset();
        run(&net, &mut [&mut srv]);
        net.trace()
    };
    let mut distinct = std::collections::BTreeSet::new();
    for_seeds(0..100, |seed| {
        let trace = story(seed);
        assert_eq!(trace, story(seed));
        assert!(trace.len() > 20);
        distinct.insert(trace);
    });
    assert!(distinct.len() > 90 || std::env::var("TRENZA_SEED").is_ok());
}

#[test]
fn connecting_fails_as_on_a_real_network() {
    let net = Net::gentle(1);
    let mut cli = Loop::new(&net.host("cli"));
    net.host("srv");
    let refused = cli.connect("10.0.0.2:9".parse().unwrap());
    let nowhere = cli.connect("10.9.9.9:9".parse().unwrap());
    let guard = net.rule(|p| if p.destination().port() == Some(77) { Verdict::Drop } else { Verdict::Pass });
    let dropped = cli.connect("[fd00::2]:77".parse().unwrap());
    drop(guard);
    let _guard = net.rule(|p| if p.from("cli") && p.to("srv") { Verdict::Reset } else { Verdict::Pass });
    let _listener = net.host("srv").probe_listen("tcp:78");
    let rejected = cli.connect("10.0.0.2:78".parse().unwrap());
    run(&net, &mut [&mut cli]);
    net.advance(Duration::from_secs(3600));
    run(&net, &mut [&mut cli]);
    assert_eq!(cli.conn(refused).failed, Some(io::ErrorKind::ConnectionRefused));
    assert_eq!(cli.conn(nowhere).failed, Some(io::ErrorKind::HostUnreachable));
    assert_eq!((cli.conn(dropped).failed, cli.conn(dropped).connected), (None, false));
    assert_eq!(cli.conn(rejected).failed, Some(io::ErrorKind::ConnectionRefused));
    cli.driver.close(dropped, Close::Abort);
}

#[test]
fn ports_are_taken_once_and_freed() {
    let net = Net::gentle(1);
    let host = net.host("srv").driver().host();
    let bind = |addr: &str, dual_stack| {
        host.bind(&Bind {
            addr: addr.parse::<SocketAddr>().unwrap().into(),
            dual_stack,
            mode: None,
            backlog: 1,
        })
        .map_err(|e| e.kind())
    };
    assert_eq!(bind("10.0.0.9:80", false).unwrap_err(), io::ErrorKind::AddrNotAvailable);
    bind("10.0.0.1:80", false).unwrap();
    assert_eq!(bind("0.0.0.0:80", false).unwrap_err(), io::ErrorKind::AddrInUse);
    assert_eq!(bind("[::]:80", true).unwrap_err(), io::ErrorKind::AddrInUse);
    bind("[::]:80", false).unwrap();
    let first = bind("[::]:0", true).unwrap();
    let second = bind("[::]:0", true).unwrap();
    assert_eq!((first.addr.port(), second.addr.port()), (Some(49_152), Some(49_153)));
    let mut driver = net.host("srv").driver();
    let port = driver.open(Open::Listen(first)).unwrap();
    driver.close(port, Close::Graceful);
    bind("[::]:49152", true).unwrap();
}

#[test]
fn closing_with_unread_bytes_resets_and_so_do_bytes_for_a_closed_end() {
    let net = Net::gentle(1);
    let listener = net.host("srv").probe_listen("tcp:7007");
    let (cli, other) = (net.host("cli").probe("tcp:srv:7007"), net.host("cli").probe("tcp:srv:7007"));
    net.run();
    let (srv, srv_other) = (listener.accept().unwrap(), listener.accept().unwrap());
    assert!(listener.accept().is_none());
    srv.read(false);
    cli.send("unread");
    net.run();
    srv.close();
    net.run();
    assert!(cli.was_reset() && !cli.eof());

    srv_other.close();
    net.run();
    assert!(other.eof() && other.lost() && !other.was_reset());
    other.send("too late");
    net.run();
    assert!(other.was_reset());
}

#[test]
fn half_close_lets_the_other_direction_go_on() {
    let net = Net::gentle(1);
    let listener = net.host("srv").probe_listen("tcp:7007");
    let cli = net.host("cli").probe("tcp:srv:7007");
    cli.send("ask");
    cli.close_write();
    net.run();
    let srv = listener.accept().unwrap();
    assert_eq!((srv.take_received(), srv.eof(), cli.eof()), (b"ask".to_vec(), true, false));
    srv.send("answer");
    srv.close();
    net.run();
    assert_eq!((cli.received(), cli.eof(), cli.was_reset()), (b"answer".to_vec(), true, false));
}

#[test]
fn a_reader_that_stops_fills_its_window() {
    let net = Net::gentle(1);
    let listener = net.host("srv").probe_listen("tcp:7007");
    let cli = net.host("cli").probe("tcp:srv:7007");
    cli.window(10);
    cli.read(false);
    net.run();
    let srv = listener.accept().unwrap();
    srv.send(bytes(100));
    srv.close();
    net.run();
    assert_eq!((srv.unsent(), cli.received().len(), cli.eof()), (90, 0, false));
    cli.window(25);
    net.run();
    assert_eq!(srv.unsent(), 75);
    cli.window(5);
    cli.read(true);
    net.run();
    assert_eq!((cli.received(), cli.eof()), (bytes(100), true));
}

#[test]
fn rules_delay_drop_and_go() {
    let net = Net::gentle(1);
    let listener = net.host("srv").probe_listen("tcp:7007");
    let cli = net.host("cli").probe("tcp:srv:7007");
    net.run();
    let srv = listener.accept().unwrap();
    let delay =
        net.rule(|p| if p.to("srv") { Verdict::Delay(Duration::from_secs(5)) } else { Verdict::Pass });
    cli.send("slow ");
    drop(delay);
    cli.send("behind");
    let before = net.elapsed();
    net.advance(Duration::from_secs(4));
    assert_eq!((srv.received().len(), net.elapsed() - before), (0, Duration::from_secs(4)));
    net.advance(Duration::from_secs(1));
    // 5 s and the latency: what comes soon after the end of `advance` is seen.
    assert_eq!(srv.take_received(), b"slow behind");
    let drop_rule = net.rule(|p| if p.between("srv", "cli") { Verdict::Drop } else { Verdict::Pass });
    cli.send("lost");
    net.run();
    drop(drop_rule);
    cli.send("also lost: streams do not lose bytes in the middle");
    net.run();
    assert_eq!(srv.take_received(), b"");
    srv.reset();
    net.run();
    assert!(cli.was_reset());
}

#[test]
fn a_rule_may_turn_the_end_into_a_reset() {
    let net = Net::gentle(1);
    let listener = net.host("srv").probe_listen("tcp:7007");
    let cli = net.host("cli").probe("tcp:srv:7007");
    let _rule = net.rule(|p| if p.kind() == Kind::Fin { Verdict::Reset } else { Verdict::Pass });
    cli.send("before");
    cli.close_write();
    net.run();
    let srv = listener.accept().unwrap();
    assert_eq!((srv.received(), srv.eof(), srv.was_reset()), (b"before".to_vec(), false, true));
    assert!(cli.was_reset(), "the rule resets both ends");
}

#[test]
fn failing_accepts_turn_the_listener_off() {
    let net = Net::gentle(1);
    let mut srv = Loop::new(&net.host("srv"));
    srv.listen("0.0.0.0:7007");
    net.host("srv").fail_accepts(1);
    let cli = net.host("cli").probe("tcp:srv:7007");
    cli.send("x");
    run(&net, &mut [&mut srv]);
    assert_eq!((srv.accept_errors, cli.connected(), cli.received().len()), (1, true, 0));
    srv.driver.read(srv.port.unwrap(), true);
    run(&net, &mut [&mut srv]);
    assert_eq!(cli.received(), b"x");
}

#[test]
fn files_are_read_when_they_are_sent() {
    for_seeds(0..40, |seed| {
        let net = Net::with(seed, HARSH);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes(200_000)).unwrap();
        let file = std::sync::Arc::new(file);
        let mut cli = Loop::new(&net.host("cli"));
        let listener = net.host("srv").probe_listen("tcp:7007");
        let conn = cli.connect("10.0.0.2:7007".parse().unwrap());
        run(&net, &mut [&mut cli]);
        let srv = listener.accept().unwrap();
        cli.conn(conn).out.push_slice(b"head");
        cli.conn(conn).out.push_file(file.clone(), 100..150_100);
        cli.send(conn, b"tail");
        run(&net, &mut [&mut cli]);
        let whole = [b"head", &bytes(200_000)[100..150_100], b"tail"].concat();
        assert!(srv.take_received() == whole);
        cli.conn(conn).out.push_file(file, 199_990..200_010);
        cli.flush(conn);
        run(&net, &mut [&mut cli]);
        assert_eq!(cli.conn(conn).failed, Some(io::ErrorKind::UnexpectedEof));
        assert_eq!(srv.take_received(), &bytes(200_000)[199_990..]);
        cli.driver.close(conn, Close::Abort);
        run(&net, &mut [&mut cli]);
        assert!(srv.was_reset());
    });
}

#[test]
fn late_bytes_are_bounded_by_what_had_arrived() {
    let mut late = 0;
    for seed in 0..100 {
        let net = Net::with(seed, HARSH);
        let mut cli = Loop::new(&net.host("cli"));
        let listener = net.host("srv").probe_listen("tcp:7007");
        let conn = cli.connect("10.0.0.2:7007".parse().unwrap());
        run(&net, &mut [&mut cli]);
        let srv = listener.accept().unwrap();
        srv.send(bytes(50));
        net.run();
        cli.driver.read(conn, false);
        srv.send(bytes(1000));
        run(&net, &mut [&mut cli]);
        let got = cli.conn(conn).received.len();
        assert!(got <= 50, "{got} bytes came after reading was turned off");
        late += usize::from(got > 0);
        cli.driver.read(conn, true);
        run(&net, &mut [&mut cli]);
        assert_eq!(cli.conn(conn).received.len(), 1050);
    }
    assert!(late > 10, "late bytes came in {late} of 100 runs");
}

#[test]
fn a_reset_is_told_once_and_an_abort_reaches_the_peer() {
    for_seeds(0..100, |seed| {
        let net = Net::with(seed, HARSH);
        let mut srv = Loop::new(&net.host("srv"));
        srv.listen("[::]:7007");
        let cli = net.host("cli").probe("tcp:srv:7007");
        cli.send(bytes(100));
        run(&net, &mut [&mut srv]);
        let token = srv.conns.values().next().unwrap().0;
        srv.conn(token).echo = false;
        cli.send(bytes(100));
        cli.reset();
        run(&net, &mut [&mut srv]);
        assert_eq!(srv.conn(token).failed, Some(io::ErrorKind::ConnectionReset));
        srv.driver.close(token, Close::Abort);
        srv.conns.clear();

        let cli = net.host("cli").probe("tcp:srv:7007");
        cli.send("x");
        run(&net, &mut [&mut srv]);
        let token = srv.conns.values().next().unwrap().0;
        srv.driver.close(token, Close::Abort);
        srv.conns.clear();
        run(&net, &mut [&mut srv]);
        assert!(cli.was_reset());
    });
}

#[test]
fn dropping_a_driver_closes_like_the_end_of_a_process() {
    let net = Net::gentle(1);
    let mut srv = Loop::new(&net.host("srv"));
    srv.listen("[::]:7007");
    let cli = net.host("cli").probe("tcp:srv:7007");
    run(&net, &mut [&mut srv]);
    drop(srv);
    net.run();
    assert!(cli.eof());
    let late = net.host("cli").probe("tcp:srv:7007");
    net.run();
    assert_eq!(late.error(), Some(io::ErrorKind::ConnectionRefused));
}

#[test]
fn probes_that_are_dropped_flush_and_close() {
    let net = Net::gentle(1);
    let listener = net.host("srv").probe_listen("tcp:7007");
    let cli = net.host("cli").probe("tcp:srv:7007");
    cli.send_bytewise("slowly", Duration::from_millis(10));
    cli.send("!");
    drop(cli);
    net.run();
    let srv = listener.accept().unwrap();
    assert_eq!((srv.received(), srv.eof()), (b"slowly!".to_vec(), true));
    assert!(net.elapsed() >= Duration::from_millis(50));
}

#[test]
fn the_machine_has_virtual_clocks_names_and_seeded_randomness() {
    let net = Net::gentle(7);
    let host = net.host("srv").driver().host();
    net.name("www.example", &["10.0.0.1".parse().unwrap()]);
    let (start, wall) = (host.now(), host.wall());
    net.advance(Duration::from_secs(86_400));
    assert_eq!(host.now() - start, Duration::from_secs(86_400));
    let since = wall.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(since, Duration::from_secs(1_767_225_600));
    assert_eq!(host.wall().duration_since(wall).unwrap(), Duration::from_secs(86_400));
    net.set_wall(wall);
    net.advance(Duration::from_secs(60));
    assert_eq!(host.wall().duration_since(wall).unwrap(), Duration::from_secs(60));
    assert_eq!(host.now() - start, Duration::from_secs(86_460));
    let resolve = host.resolver();
    assert_eq!(resolve("WWW.example", 80).unwrap(), ["10.0.0.1:80".parse().unwrap()]);
    assert_eq!(resolve("srv", 1).unwrap(), ["10.0.0.1:1".parse().unwrap(), "[fd00::1]:1".parse().unwrap()]);
    assert_eq!(resolve("nobody", 1).unwrap_err().kind(), io::ErrorKind::NotFound);
    let random = |seed| {
        let mut bytes = [0; 16];
        Net::gentle(seed).host("srv").driver().host().random(&mut bytes);
        bytes
    };
    assert_eq!(random(7), random(7));
    assert_ne!(random(7), random(8));
}
