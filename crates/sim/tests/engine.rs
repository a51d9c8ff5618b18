//! The engine on a network that is as hostile as the seed says: what a program sees is always the same.

use std::{cell::RefCell, io, rc::Rc, time::Duration};
use trenza_core::{Limits, Protocol, Reactor, Reason, Result, Transport};
use trenza_sim::{HostHandle, Hostility, Net, Probe, Verdict, for_seeds};
use trenza_wire::Input;

const MS: Duration = Duration::from_millis(1);

type Log = Rc<RefCell<Vec<String>>>;

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 7 % 251) as u8).collect()
}

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        transport.write(input.rest());
        Ok(())
    }
}

/// Answers each line with its length and its text, and tells everything that it hears.
struct Lines(Log);

impl Lines {
    fn log(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }
}

impl Protocol for Lines {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.log("made");
        transport.write(b"hello\r\n");
        Ok(())
    }

    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        while let Some(line) = input.line(100)? {
            match line {
                b"quit" => transport.close(),
                b"fail" => return Err("asked to".into()),
                b"panic" => panic!("asked to"),
                b"pause" => {
                    transport.pause();
                    let later = transport.clone();
                    let timer = transport.reactor().call_later(50 * MS, move || later.resume());
                    timer.detach();
                }
                line => {
                    let text = String::from_utf8_lossy(line).into_owned();
                    write!(transport, "{} {text}\r\n", text.len())?;
                    self.log(text);
                }
            }
        }
        Ok(())
    }

    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.log(format!("eof, {} left", input.len()));
        transport.write(b"bye\r\n");
        transport.close();
        Ok(())
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &Reason) {
        self.log(format!("lost: {reason}"));
    }
}

/// A host that serves lines, its log and a client.
fn lines(net: &Net) -> (HostHandle, Log, Probe) {
    let (srv, log) = (net.host("srv"), Log::default());
    let written = log.clone();
    srv.listen("tcp:7007", move |_| Lines(written.clone()));
    (srv, log, net.host("cli").probe("tcp:srv:7007"))
}

#[test]
fn echo_on_every_seed() {
    for_seeds(0..200, |seed| {
        let net = Net::new(seed);
        net.host("srv").listen("tcp:7007", |_| Echo);
        let probes: Vec<_> = (0..3).map(|_| net.host("cli").probe("tcp:srv:7007")).collect();
        for (n, probe) in probes.iter().enumerate() {
            probe.send(bytes(1 + n * 1500));
            probe.send_bytewise(bytes(20), MS);
            probe.close_write();
        }
        net.run();
        for (n, probe) in probes.iter().enumerate() {
            assert_eq!(probe.received(), [bytes(1 + n * 1500), bytes(20)].concat());
            assert!(probe.eof() && !probe.was_reset());
        }
    });
}

#[test]
fn a_dialogue_split_at_every_byte() {
    let text = b"one\r\npause\r\ntwo\r\n\r\nfour\r\nhalf";
    let heard = ["made", "one", "two", "", "four", "eof, 4 left", "lost: closed by the peer"];
    let said = "hello\r\n3 one\r\n3 two\r\n0 \r\n4 four\r\nbye\r\n";
    let check = |net: Net, cuts: &[usize]| {
        let (_srv, log, cli) = lines(&net);
        cli.send_split(text, cuts);
        cli.close_write();
        net.run();
        net.advance(60 * MS);
        assert_eq!(String::from_utf8_lossy(&cli.received()), said, "cut at {cuts:?}");
        assert!(cli.eof() && !cli.was_reset());
        assert_eq!(*log.borrow(), heard, "cut at {cuts:?}");
    };
    for cut in 0..=text.len() {
        check(Net::gentle(1), &[cut]);
        for_seeds(0..10, |seed| check(Net::new(seed), &[cut]));
    }
    let every: Vec<usize> = (1..text.len()).collect();
    for_seeds(0..50, |seed| check(Net::new(seed), &every));
}

#[test]
fn a_pause_holds_bytes_and_the_end_back() {
    for_seeds(0..100, |seed| {
        let net = Net::new(seed);
        let (_srv, log, cli) = lines(&net);
        cli.send("pause\r\nafter\r\n");
        cli.close_write();
        net.run();
        assert_eq!(*log.borrow(), ["made"]);
        net.advance(60 * MS);
        assert_eq!(*log.borrow(), ["made", "after", "eof, 0 left", "lost: closed by the peer"]);
    });
}

#[test]
fn errors_and_panics_lose_one_connection() {
    let net = Net::new(3);
    net.allow_panics();
    let (_srv, log, other) = lines(&net);
    let after = |what: &str| {
        let cli = net.host("cli").probe("tcp:srv:7007");
        cli.send(what);
        net.run();
        assert!(cli.was_reset());
        log.borrow().last().cloned().unwrap_or_default()
    };
    assert_eq!(after("fail\r\n"), "lost: asked to");
    assert_eq!(after("panic\r\n"), "lost: a callback panicked");
    assert_eq!(after("lf only\n"), "lost: LF without CR before it");
    other.send("still here\r\n");
    net.run();
    assert_eq!(other.received(), b"hello\r\n10 still here\r\n");
}

#[test]
#[should_panic(expected = "a callback has panicked (seed 3")]
fn a_panic_in_a_callback_fails_the_run() {
    let net = Net::new(3);
    let (_srv, _log, cli) = lines(&net);
    cli.send("panic\r\n");
    net.run();
}

#[test]
fn a_reset_is_told_once() {
    for_seeds(0..200, |seed| {
        let net = Net::new(seed);
        let (_srv, log, cli) = lines(&net);
        net.run();
        cli.send("one\r\n");
        cli.reset();
        net.run();
        let log = log.borrow();
        assert_eq!(log.first().map(String::as_str), Some("made"));
        assert!(log.last().is_some_and(|last| last.starts_with("lost: ")), "{log:?}");
        assert!(!net.trace().iter().any(|line| line.ends_with(" Fin")), "it is no end in order");
        assert_eq!(log.iter().filter(|line| line.starts_with("lost")).count(), 1);
    });
}

#[test]
fn handles_of_a_connection_that_ended_do_not_reach_the_next_one() {
    for_seeds(0..50, |seed| {
        let net = Net::new(seed);
        let (srv, log, cli) = lines(&net);
        net.run();
        let only = || srv.run(|reactor| reactor.connections().remove(0));
        let former = only();
        cli.reset();
        net.run();
        assert!(!former.is_open());
        let next = net.host("cli").probe("tcp:srv:7007");
        net.run();
        assert_ne!(former.id(), only().id());
        assert!(srv.run(|reactor| reactor.connection(former.id())).is_none());
        former.write(b"ghost");
        former.handle::<Lines>().call(|me, _| {
            me.log("ghost");
            Ok(())
        });
        former.resume();
        former.close();
        former.abort();
        next.send("one\r\n");
        net.run();
        assert_eq!(next.received(), b"hello\r\n3 one\r\n");
        assert!(!log.borrow().iter().any(|line| line == "ghost"));
    });
}

#[test]
fn close_lets_everything_arrive_although_the_peer_goes_on_sending() {
    /// Answers the first bytes with a lot, and closes.
    struct Rude;
    impl Protocol for Rude {
        fn data_received(&mut self, transport: &Transport, _input: &mut Input<'_>) -> Result {
            transport.write(&bytes(200_000));
            transport.close();
            Ok(())
        }
    }
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        net.host("srv").listen("tcp:7007", |_| Rude);
        let cli = net.host("cli").probe("tcp:srv:7007");
        cli.send(bytes(100_000));
        net.run();
        cli.send(bytes(100_000));
        net.run();
        assert!(cli.received() == bytes(200_000), "{} bytes came", cli.received().len());
        assert!(cli.eof() && !cli.was_reset());
        cli.close();
        net.run();
        assert_eq!(net.host("srv").run(|reactor| reactor.connections().len()), 0);
    });
}

#[test]
fn a_slow_reader_is_not_written_to_beyond_the_marks() {
    /// Writes while there is room.
    struct Pump {
        left: usize,
        most: Rc<RefCell<usize>>,
    }
    impl Pump {
        fn pump(&mut self, transport: &Transport) -> Result {
            while self.left > 0 && !transport.is_full() {
                let n = self.left.min(10_000);
                transport.write(&vec![b'x'; n]);
                self.left -= n;
            }
            let unsent = transport.counts().unsent;
            let mut most = self.most.borrow_mut();
            *most = unsent.max(*most);
            if self.left == 0 {
                transport.close();
            }
            Ok(())
        }
    }
    impl Protocol for Pump {
        fn connection_made(&mut self, transport: &Transport) -> Result {
            self.pump(transport)
        }
        fn data_received(&mut self, _transport: &Transport, _input: &mut Input<'_>) -> Result {
            Ok(())
        }
        fn writable(&mut self, transport: &Transport) -> Result {
            self.pump(transport)
        }
    }
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        let most = Rc::new(RefCell::new(0));
        let seen = most.clone();
        net.host("srv").listen("tcp:7007", move |_| Pump { left: 500_000, most: seen.clone() });
        let cli = net.host("cli").probe("tcp:srv:7007");
        cli.read(false);
        net.run();
        assert!(!cli.lost());
        cli.read(true);
        net.run();
        assert_eq!(cli.received().len(), 500_000);
        assert!(cli.eof());
        assert!(*most.borrow() <= Limits::default().high + 10_000, "{} bytes were unsent", most.borrow());
    });
}

#[test]
fn a_proxy_with_throttles_moves_everything_both_ways() {
    /// Half of a proxy.
    struct Half(Option<Transport>);
    impl Protocol for Half {
        fn connection_made(&mut self, transport: &Transport) -> Result {
            if let Some(peer) = &self.0 {
                transport.throttle(peer);
                peer.throttle(transport);
                return Ok(());
            }
            transport.pause();
            let near = transport.clone();
            let far = transport.reactor().connect("tcp:back:7007", move |_| Self(Some(near)));
            far.then_in(transport.handle::<Self>(), |me, transport, far| {
                me.0 = Some(far?);
                transport.resume();
                Ok(())
            });
            Ok(())
        }
        fn data_received(&mut self, _transport: &Transport, input: &mut Input<'_>) -> Result {
            if let Some(peer) = &self.0 {
                peer.write(input.rest());
            }
            Ok(())
        }
        fn eof_received(&mut self, _transport: &Transport, _input: &mut Input<'_>) -> Result {
            if let Some(peer) = &self.0 {
                peer.close_write();
            }
            Ok(())
        }
        fn connection_lost(&mut self, _transport: &Transport, _reason: &Reason) {
            if let Some(peer) = self.0.take() {
                peer.close();
            }
        }
    }
    for_seeds(0..60, |seed| {
        let net = Net::new(seed);
        let back = net.host("back").probe_listen("tcp:7007");
        net.host("proxy").listen("tcp:80", |_| Half(None));
        let cli = net.host("cli").probe("tcp:proxy:80");
        cli.send(bytes(300_000));
        net.run();
        let srv = back.accept().expect("the proxy has connected");
        srv.send(bytes(200_000));
        srv.close_write();
        cli.close_write();
        net.run();
        assert!(srv.received() == bytes(300_000) && srv.eof());
        assert!(cli.received() == bytes(200_000) && cli.eof());
        assert!(!srv.was_reset() && !cli.was_reset());
        assert!(net.host("proxy").run(|reactor| reactor.connections().is_empty()));
    });
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let story = |seed| {
        let net = Net::new(seed);
        let (srv, log, cli) = lines(&net);
        cli.send_bytewise("one\r\npause\r\ntwo\r\n", MS);
        let client = net.host("other");
        let answers = net.block_on(&client, async move {
            let reactor = Reactor::current();
            let mut stream = reactor.open("tcp:srv:7007").await?;
            let mut random = [0; 4];
            reactor.random(&mut random);
            stream.write_all(format!("{random:?}\r\nquit\r\n").as_bytes()).await?;
            let mut lines = Vec::new();
            while let Some(line) = stream.line(100).await? {
                lines.push(line);
            }
            Ok(lines)
        });
        net.advance(60 * MS);
        drop(srv);
        (net.trace(), log.borrow().clone(), answers.unwrap())
    };
    let mut distinct = std::collections::BTreeSet::new();
    for_seeds(0..100, |seed| {
        let one = story(seed);
        assert_eq!(one, story(seed));
        assert_eq!(one.2.len(), 2);
        distinct.insert(one.0);
    });
    assert!(distinct.len() > 90 || std::env::var("TRENZA_SEED").is_ok());
}

#[test]
fn accepts_that_fail_are_tried_again_after_a_pause() {
    let net = Net::with(5, Hostility { accept_fails: 0.5, ..Hostility::none() });
    net.host("srv").listen("tcp:7007", |_| Echo);
    let probes: Vec<_> = (0..10).map(|_| net.host("cli").probe("tcp:srv:7007")).collect();
    probes.iter().for_each(|probe| probe.send("x"));
    net.run();
    assert!(probes.iter().any(|probe| probe.received().is_empty()));
    net.advance(Duration::from_secs(60));
    assert!(probes.iter().all(|probe| probe.received() == b"x"));
}

#[test]
fn connecting_tells_how_it_went() {
    for_seeds(0..50, |seed| {
        let net = Net::gentle(seed);
        net.host("srv");
        let _silent =
            net.rule(|p| if p.destination().port() == Some(77) { Verdict::Drop } else { Verdict::Pass });
        let outcome = |to: &'static str| {
            let result =
                net.block_on(&net.host("cli"), async move { Reactor::current().open(to).await.map(|_| ()) });
            let error = result.expect_err("nobody is there");
            error.downcast_ref::<io::Error>().map(io::Error::kind)
        };
        assert_eq!(outcome("tcp:srv:7007"), Some(io::ErrorKind::ConnectionRefused));
        assert_eq!(outcome("tcp:10.7.7.7:7007"), Some(io::ErrorKind::HostUnreachable));
        assert_eq!(outcome("tcp:nobody:7007"), Some(io::ErrorKind::NotFound));
        assert_eq!(outcome("tcp:10.0.0.1:77"), Some(io::ErrorKind::TimedOut));
        assert!(net.elapsed() > Duration::from_secs(1));
    });
}

/// The hostile events are there at all, or the tests above would show nothing.
#[test]
fn hostility_happens() {
    let (mut seen, whole) = (std::collections::BTreeMap::new(), "Received(3000)");
    for seed in 0..60 {
        let net = Net::new(seed);
        net.window(3000);
        net.host("srv").listen("tcp:7007", |_| Echo);
        let cli = net.host("cli").probe("tcp:srv:7007");
        cli.send(bytes(3000));
        cli.send(bytes(3000));
        net.run();
        let trace = net.trace();
        let mut saw = |what: &'static str, is: bool| *seen.entry(what).or_insert(0) += usize::from(is);
        saw("whole", trace.iter().any(|line| line.ends_with(whole)));
        saw("split", trace.iter().any(|line| line.contains("Received(") && !line.ends_with(whole)));
        saw("spurious", trace.iter().filter(|line| line.ends_with("Sent(0)")).count() > 4);
        saw("lent", trace.iter().any(|line| line.contains("Sent(") && !line.ends_with("Sent(0)")));
        saw("short", trace.iter().filter(|line| line.contains("Data(")).count() > 6);
    }
    assert!(seen.values().all(|times| *times > 5), "{seen:?}");
}

#[test]
fn standard_input_and_output_are_one_connection_of_one_port() {
    for_seeds(0..20, |seed| {
        let net = Net::new(seed);
        let host = net.host("here");
        let port = host.listen("stdio:", |_| Echo);
        let [typed, shown] = host.stdio();
        let again = host.run(|reactor| reactor.listen("stdio:", |_| Echo)).unwrap_err();
        assert!(again.to_string().contains("stdio"), "{again}");
        typed.send("hello");
        net.run();
        assert_eq!(shown.received(), b"hello");
        typed.close();
        net.run();
        assert!(shown.eof());
        assert_eq!((port.connections(), host.left().connections), (0, 0));
    });
}

#[test]
fn a_client_of_standard_input_and_output_is_there_at_once() {
    let net = Net::gentle(1);
    let host = net.host("here");
    let [typed, shown] = host.stdio();
    typed.send("a line\n");
    let line = net.block_on(&host, async {
        let mut stream = Reactor::current().open("stdio:").await?;
        stream.write_all(b"> ").await?;
        let line = stream.read_exact(7).await?;
        stream.close().await?;
        Ok(line)
    });
    assert_eq!(line.unwrap().unwrap(), b"a line\n");
    net.run();
    assert_eq!(shown.received(), b"> ");
    assert!(shown.eof() && typed.lost());
}

#[test]
fn unix_addresses_belong_to_one_host() {
    let net = Net::gentle(1);
    let (one, other) = (net.host("one"), net.host("other"));
    one.listen("unix:/run/s", |_| Echo);
    other.listen("unix:/run/s", |_| Echo);
    let probe = one.probe("unix:/run/s");
    probe.send("here");
    net.run();
    assert_eq!((probe.received(), net.elapsed()), (b"here".to_vec(), Duration::ZERO));
    other.kill();
    let gone = net.block_on(&other, async { Reactor::current().open("unix:/run/s").await });
    assert!(gone.is_err());
    let listener = other.probe_listen("unix:@name");
    let asks = other.probe("unix:@name");
    asks.send("!");
    net.run();
    assert_eq!(listener.accept().unwrap().received(), b"!");
}
