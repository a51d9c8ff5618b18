//! Addresses of a name race; whatever the stage at which a connect ends, it leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};
use trenza_core::{
    Buf, Conclusive, ConnectError, Deferred, Endpoint, Error, Flow, Input, IntoEndpoint, Layer, Left, OutBuf,
    Protocol, Reactor, Reason, Result, Transport, Wire,
};
use trenza_sim::{HostHandle, Kind, Net, RuleGuard, Verdict, for_seeds};

const SEEDS: u64 = 100;

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

struct Plain;

impl Protocol for Plain {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

/// Says a letter, or nothing, and closes when its peer does.
struct Greets(&'static str);

impl Protocol for Greets {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.write(self.0.as_bytes());
        Ok(())
    }
    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
}

/// Is ready when the peer has said "y", and fails when it says anything else; after "x" nobody else needs to be asked.
#[derive(Default)]
struct Picky(bool);

impl Layer for Picky {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
        if !self.0 && wire.bytes().starts_with(b"x") {
            return Err(Conclusive("never".into()).into());
        }
        if !self.0 && wire.bytes().first().is_some_and(|said| *said != b'y') {
            return Err("not a yes".into());
        }
        self.0 |= !wire.bytes().is_empty();
        up.push(wire.bytes());
        wire.consume(usize::MAX);
        Ok(Flow::More)
    }
    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        down.append(plain);
        Ok(())
    }
    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }
    fn ready(&self) -> bool {
        self.0
    }
}

/// What a connect has ended with, and when.
type Told = Rc<RefCell<Vec<(Duration, Result<Transport>)>>>;

/// Connects; `held` is let go of when nothing of the connect is left.
fn connect(net: &Rc<Net>, cli: &HostHandle, to: &str, held: &Rc<()>) -> Told {
    let told = Told::default();
    let (tell, clock, builds) = (told.clone(), net.clone(), held.clone());
    cli.run(|reactor| {
        let made = reactor.connect(to, move |_| {
            drop(builds);
            Plain
        });
        made.then(move |result| tell.borrow_mut().push((clock.elapsed(), result)));
    });
    told
}

fn winner(told: &Told) -> (Duration, SocketAddr) {
    let (at, result) = told.borrow_mut().pop().unwrap();
    let transport = result.unwrap();
    let remote = &transport.peer().remote;
    let remote = SocketAddr::new(remote.ip().unwrap(), remote.port().unwrap());
    transport.abort();
    (at, remote)
}

fn loser(told: &Told) -> (Duration, Error) {
    let (at, result) = told.borrow_mut().pop().unwrap();
    (at, result.unwrap_err())
}

fn silent(net: &Net, ips: &[IpAddr]) -> RuleGuard {
    watch(net, ips).1
}

/// Two hosts, each known by its IPv4 address, and their IPv6 ones.
fn hosts(net: &Net) -> (HostHandle, [IpAddr; 4]) {
    let [a4, a6] = net.host("a").ips();
    let [b4, b6] = net.host("b").ips();
    (net.host("cli"), [a4, a6, b4, b6])
}

/// Notes which addresses are tried; those in `silent` are black holes.
fn watch(net: &Net, silent: &[IpAddr]) -> (Rc<RefCell<Vec<IpAddr>>>, RuleGuard) {
    let tried = Rc::new(RefCell::new(Vec::new()));
    let (note, silent) = (tried.clone(), silent.to_vec());
    let guard = net.rule(move |packet| {
        let Some(to) = packet.destination().ip() else { return Verdict::Pass };
        if packet.kind() == Kind::Connect {
            note.borrow_mut().push(to);
        }
        if silent.contains(&to) { Verdict::Drop } else { Verdict::Pass }
    });
    (tried, guard)
}

#[test]
fn families_alternate_a_quarter_of_a_second_apart() {
    let net = Rc::new(Net::gentle(1));
    let (cli, [a4, a6, b4, b6]) = hosts(&net);
    net.name("many", &[a6, b6, a4, b4]);
    let (tried, _rule) = watch(&net, &[a4, a6, b4, b6]);
    let told = connect(&net, &cli, "tcp:many:7007:timeout=2", &Rc::default());
    net.run();
    for (n, to) in [a6, a4, b6, b4].into_iter().enumerate() {
        assert_eq!(tried.borrow().len(), n + 1);
        assert_eq!(tried.borrow()[n], to);
        assert_eq!(cli.left().connections, n + 1);
        // Time passes to just before the next one, and then to it.
        let next = ms(250) * (n as u32 + 1);
        net.advance(next - ms(1) - net.elapsed());
        assert_eq!(tried.borrow().len(), n + 1);
        net.advance(ms(1));
    }
    net.advance(ms(1500));
    let (at, error) = loser(&told);
    assert_eq!((at, tried.borrow().len()), (ms(2000), 4));
    let error = error.downcast::<io::Error>().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let causes = [a6, a4, b6, b4].map(|ip| format!("{}: no answer within 2s", SocketAddr::new(ip, 7007)));
    assert_eq!(error.to_string(), format!("cannot connect to many:7007: {}", causes.join("; ")));
    assert_eq!(cli.left(), Left::default());
}

#[test]
fn a_black_hole_is_passed_by() {
    for_seeds(0..SEEDS, |seed| {
        let net = Rc::new(Net::new(seed));
        let (cli, [_, a6, b4, _]) = hosts(&net);
        net.name("both", &[a6, b4]);
        net.host("b").listen("tcp:7007", |_| Greets(""));
        let _rule = silent(&net, &[a6]);
        let held = Rc::new(());
        let told = connect(&net, &cli, "tcp:both:7007", &held);
        net.run_until(|| !told.borrow().is_empty());
        assert_eq!(cli.left(), Left { connections: 1, ..Left::default() });
        let (at, to) = winner(&told);
        assert!(at >= ms(250) && at < ms(1000), "{at:?}");
        assert_eq!(to.ip(), b4);
        net.run();
        assert_eq!(cli.left(), Left::default());
        assert_eq!(Rc::strong_count(&held), 1);
    });
}

#[test]
fn a_refusal_starts_the_next_at_once() {
    let net = Rc::new(Net::gentle(1));
    let (cli, [_, a6, b4, b6]) = hosts(&net);
    net.name("three", &[a6, b6, b4]);
    net.host("b").listen("tcp:7007", |_| Greets(""));
    let (tried, _rule) = watch(&net, &[]);
    let told = connect(&net, &cli, "tcp:three:7007", &Rc::default());
    net.run();
    assert_eq!(*tried.borrow(), [a6, b4]);
    let (at, to) = winner(&told);
    assert!(at < ms(10), "{at:?}");
    assert_eq!(to.ip(), b4);
}

#[test]
fn when_all_fail_the_error_names_every_address_and_its_cause() {
    for_seeds(0..SEEDS, |seed| {
        let net = Rc::new(Net::new(seed));
        let (cli, [a4, a6, b4, _]) = hosts(&net);
        net.name("all", &[a6, a4, b4]);
        let held = Rc::new(());
        let told = connect(&net, &cli, "tcp:all:7007", &held);
        net.run();
        let error = loser(&told).1.downcast::<io::Error>().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let all = error.get_ref().unwrap().downcast_ref::<ConnectError>().unwrap();
        let mut tried: Vec<_> = all.tried.iter().map(|(to, _)| to.ip()).collect();
        tried.sort();
        assert_eq!(tried, [a4, b4, a6].map(Some));
        assert_eq!(error.to_string().matches("refused").count(), 3, "{error}");
        assert!(error.to_string().starts_with("cannot connect to all:7007: "), "{error}");
        assert_eq!((cli.left(), Rc::strong_count(&held)), (Left::default(), 1));
    });
}

#[test]
fn an_only_address_is_named_once() {
    let net = Rc::new(Net::gentle(1));
    let (cli, [a4, ..]) = hosts(&net);
    net.name("one", &[a4]);
    for (to, text) in [
        ("tcp:10.0.0.1:7007", "cannot connect to 10.0.0.1:7007: connection refused"),
        ("tcp:[fd00::1]:7007", "cannot connect to [fd00::1]:7007: connection refused"),
        ("tcp:one:7007", "cannot connect to one:7007: 10.0.0.1:7007: connection refused"),
    ] {
        let told = connect(&net, &cli, to, &Rc::default());
        net.run();
        assert_eq!(loser(&told).1.to_string(), text);
    }
}

#[test]
fn names_without_a_fitting_address_are_errors() {
    let net = Rc::new(Net::gentle(1));
    let (cli, [a4, a6, ..]) = hosts(&net);
    net.name("six", &[a6]);
    net.name("both", &[a6, a4]);
    cli.run(|reactor| reactor.set_resolver(|_, _| Ok(Vec::new())));
    let told = connect(&net, &cli, "tcp:void:7007", &Rc::default());
    net.run();
    assert_eq!(loser(&told).1.to_string(), "cannot connect to void:7007: the name has no address");
    cli.kill();
    let told = connect(&net, &cli, "tcp:six:7007:bind=10.0.0.3", &Rc::default());
    net.run();
    let why = "cannot connect to six:7007: it has no address of the family of 10.0.0.3";
    assert_eq!(loser(&told).1.to_string(), why);
    let (tried, _rule) = watch(&net, &[]);
    let told = connect(&net, &cli, "tcp:both:7007:bind=10.0.0.3", &Rc::default());
    net.run();
    drop(loser(&told));
    assert_eq!(*tried.borrow(), [a4]);
}

#[test]
fn the_first_connection_wins_and_the_others_are_reset() {
    for_seeds(0..SEEDS, |seed| {
        let net = Rc::new(Net::new(seed));
        let (cli, [a4, _, b4, _]) = hosts(&net);
        net.name("two", &[a4, b4]);
        net.latency_between(&cli, &net.host("a"), ms(400));
        let (slow, fast) = (net.host("a").probe_listen("tcp:7007"), net.host("b").probe_listen("tcp:7007"));
        let told = connect(&net, &cli, "tcp:two:7007", &Rc::default());
        net.run_until(|| !told.borrow().is_empty());
        let (_, result) = told.borrow_mut().pop().unwrap();
        let transport = result.unwrap();
        assert_eq!(transport.peer().remote.ip(), Some(b4));
        transport.write(b"hello");
        net.advance(ms(2000));
        assert_eq!(cli.left(), Left { connections: 1, ..Left::default() });
        assert_eq!(fast.accept().unwrap().received(), b"hello");
        if let Some(loser) = slow.accept() {
            assert!(loser.was_reset() && loser.received().is_empty());
        }
        transport.abort();
        net.run();
        assert_eq!(cli.left(), Left::default());
    });
}

/// Connects over a layer that likes only some peers.
fn connect_picky(cli: &HostHandle, to: &str) -> Rc<RefCell<Option<Result<Transport>>>> {
    let told = Rc::new(RefCell::new(None));
    let tell = told.clone();
    cli.run(|reactor| {
        let layered = to.into_endpoint().unwrap().layered(|| vec![Box::<Picky>::default()]);
        reactor.connect(layered, |_| Plain).then(move |made| *tell.borrow_mut() = Some(made));
    });
    told
}

#[test]
fn losers_are_tried_again_when_the_winners_layers_fail() {
    for_seeds(0..SEEDS, |seed| {
        let net = Rc::new(Net::new(seed));
        let (cli, [a4, _, b4, _]) = hosts(&net);
        net.name("two", &[a4, b4]);
        net.latency_between(&cli, &net.host("a"), ms(400));
        net.host("a").listen("tcp:7007", |_| Greets("y"));
        net.host("b").listen("tcp:7007", |_| Greets("n"));
        let (tried, _rule) = watch(&net, &[]);
        let told = connect_picky(&cli, "tcp:two:7007");
        net.run_until(|| told.borrow().is_some());
        assert_eq!(*tried.borrow(), [a4, b4, a4]);
        let transport = told.take().unwrap().unwrap();
        assert_eq!(transport.peer().remote.ip(), Some(a4));
        assert_eq!(cli.left().connections, 1);
        transport.abort();
        net.run();
        assert_eq!(cli.left(), Left::default());
    });
}

#[test]
fn layers_that_fail_everywhere_are_named_with_the_address() {
    for_seeds(0..SEEDS, |seed| {
        let net = Rc::new(Net::new(seed));
        let (cli, [a4, _, b4, _]) = hosts(&net);
        net.name("two", &[a4, b4]);
        net.host("a").listen("tcp:7007", |_| Greets("n"));
        net.host("b").listen("tcp:7007", |_| Greets("n"));
        let (both, one) =
            (connect_picky(&cli, "tcp:two:7007"), connect_picky(&cli, "tcp:a:7007:bind=10.0.0.3"));
        net.run();
        let why = "cannot connect to two:7007: 10.0.0.1:7007: not a yes; 10.0.0.2:7007: not a yes";
        assert_eq!(both.take().unwrap().unwrap_err().to_string(), why);
        let only = one.take().unwrap().unwrap_err().downcast::<Reason>().unwrap();
        assert!(matches!(*only, Reason::Failed(_)));
        assert_eq!(cli.left(), Left::default());
    });
}

#[test]
fn an_error_that_concerns_all_addresses_ends_it() {
    for_seeds(0..SEEDS, |seed| {
        let net = Rc::new(Net::new(seed));
        let (cli, [a4, _, b4, _]) = hosts(&net);
        net.name("two", &[a4, b4]);
        net.host("a").listen("tcp:7007", |_| Greets("x"));
        net.host("b").listen("tcp:7007", |_| Greets("y"));
        let (tried, _rule) = watch(&net, &[]);
        let told = connect_picky(&cli, "tcp:two:7007");
        net.advance(ms(1000));
        assert_eq!(*tried.borrow(), [a4]);
        assert_eq!(told.take().unwrap().unwrap_err().to_string(), "never");
        assert_eq!(cli.left(), Left::default());
    });
}

#[test]
fn layers_may_take_longer_than_others() {
    for (wait, by) in [(None, 11), (Some(20), 21)] {
        let net = Rc::new(Net::gentle(1));
        let (cli, _) = hosts(&net);
        net.host("a").listen("tcp:7007", |_| Greets(""));
        let told = Rc::new(RefCell::new(None));
        let tell = told.clone();
        cli.run(|reactor| {
            let to = Endpoint::client("slow", move |reactor| {
                let mut to = "tcp:a:7007:bind=10.0.0.3".into_endpoint()?.connecting(reactor)?;
                to.layers.over(|_| vec![Box::<Picky>::default()]);
                wait.into_iter().for_each(|wait| to.layers.wait(ms(wait * 1000)));
                Ok(to)
            });
            reactor.connect(to, |_| Plain).then(move |made| *tell.borrow_mut() = Some(made));
        });
        net.advance(ms((by - 2) * 1000));
        assert!(told.borrow().is_none());
        net.advance(ms(2000));
        let error = told.take().unwrap().unwrap_err();
        assert!(error.to_string().contains("the handshake took too long"), "{error}");
    }
}

#[test]
fn what_must_be_done_first_is_done_in_order() {
    for fails in [None, Some(0), Some(1)] {
        let net = Rc::new(Net::gentle(1));
        let (cli, _) = hosts(&net);
        net.job_time(ms(1000));
        let peers = net.host("a").probe_listen("tcp:7007");
        let (done, told) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(None)));
        let (steps, tell) = (done.clone(), told.clone());
        cli.run(|reactor| {
            let to = Endpoint::client("prepared", move |reactor| {
                let mut to = "tcp:a:7007".into_endpoint()?.connecting(reactor)?;
                for step in 0..2 {
                    let steps = steps.clone();
                    to.first.push_back(Box::new(move |reactor| {
                        steps.borrow_mut().push(step);
                        let result = if fails == Some(step) { Err("it is locked".into()) } else { Ok(()) };
                        reactor.in_thread(move || result)
                    }));
                }
                Ok(to)
            });
            reactor.connect(to, |_| Plain).then(move |made| *tell.borrow_mut() = Some(made));
        });
        net.advance(ms(500));
        assert_eq!(*done.borrow(), [0], "one at a time");
        net.advance(ms(5000));
        let steps = if fails == Some(0) { 1 } else { 2 };
        assert_eq!(*done.borrow(), [0, 1][..steps]);
        assert_eq!(peers.accept().is_some(), fails.is_none());
        let made = told.take().unwrap();
        assert_eq!(made.err().map(|error| error.to_string()), fails.map(|_| "it is locked".to_owned()));
    }
}

// ── every stage ──

/// When something comes between, in milliseconds. The connect never gets ready: it prepares for 300 ms, looks a name up
/// for as long, then waits for a black hole, from 850 ms on for another peer as well, and from 1250 ms on for the layers
/// of that one.
const STAGES: std::ops::Range<u64> = 0..1600;
const STEP: usize = 100;
/// More than the network settles for.
const BETWEEN: u64 = 150;

struct Stage {
    net: Rc<Net>,
    cli: HostHandle,
    held: Rc<()>,
    told: Rc<RefCell<Vec<Result<Transport>>>>,
    _rule: RuleGuard,
}

impl Stage {
    fn new(seed: u64) -> Self {
        let net = Rc::new(Net::new(seed));
        let (cli, [_, a6, b4, _]) = hosts(&net);
        net.name("both", &[a6, b4]);
        net.job_time(ms(300));
        net.latency_between(&cli, &net.host("b"), ms(200));
        net.host("b").listen("tcp:7007", |_| Greets(""));
        let rule = silent(&net, &[a6]);
        Self { net, cli, held: Rc::default(), told: Rc::default(), _rule: rule }
    }

    fn connect(&self, timeout: u64) -> Deferred<Transport> {
        let to = format!("tcp:both:7007:timeout={}", timeout as f64 / 1000.0);
        let (layers, prepares, builds) = (self.held.clone(), self.held.clone(), self.held.clone());
        let prepared = Endpoint::client("prepared", move |reactor| {
            let (mut to, held) = (to.into_endpoint()?.connecting(reactor)?, prepares.clone());
            to.first.push_back(Box::new(move |reactor| {
                let read = reactor.in_thread(|| Ok(()));
                reactor.spawn(async move {
                    read.await?;
                    drop(held);
                    Ok(())
                })
            }));
            Ok(to)
        });
        let layered = prepared.layered(move || {
            let _ = &layers;
            vec![Box::<Picky>::default()]
        });
        self.cli.run(|reactor: &Reactor| {
            reactor.connect(layered, move |_| {
                drop(builds);
                Plain
            })
        })
    }

    fn tell(&self, made: Deferred<Transport>) {
        let told = self.told.clone();
        self.cli.run(|_| made.then(move |result| told.borrow_mut().push(result)));
    }

    /// Lets time pass. How many connections are on their way then?
    fn reach(&self, at: u64) -> usize {
        self.net.advance(ms(at));
        assert!(self.told.borrow().is_empty());
        self.cli.left().connections
    }

    /// What was told, once.
    fn error(&self) -> Error {
        assert_eq!(self.told.borrow().len(), 1);
        self.told.borrow_mut().pop().unwrap().unwrap_err()
    }

    fn nothing_is_left(&self) {
        // The lookup goes on, though nobody waits for its answer.
        let left = self.cli.left();
        assert_eq!(left, Left { answers: left.answers, ..Left::default() });
        assert_eq!(Rc::strong_count(&self.held), 1, "somebody holds the closures");
        self.net.advance(ms(2000));
        assert_eq!(self.cli.left(), Left::default());
        assert_eq!(self.net.host("b").left().connections, 0);
        assert!(self.told.borrow().is_empty(), "told again");
    }
}

/// Comes between at each stage; `test` connects and gives how many connections were on their way then.
fn at_every_stage(test: impl Fn(u64, u64) -> usize) {
    for_seeds(0..12, |seed| {
        let mut going: Vec<_> = STAGES.step_by(STEP).map(|at| test(seed, at)).collect();
        going.dedup();
        assert_eq!(going, [0, 1, 2, 1], "preparation and lookup, black hole, both, handshake");
    });
}

#[test]
fn a_connect_can_be_cancelled_at_any_stage() {
    at_every_stage(|seed, at| {
        let stage = Stage::new(seed);
        let pending = stage.connect(30_000);
        let going = stage.reach(at);
        stage.cli.run(|_| drop(pending));
        stage.net.advance(ms(0));
        stage.nothing_is_left();
        going
    });
}

#[test]
fn a_connect_can_be_out_of_time_at_any_stage() {
    at_every_stage(|seed, at| {
        let stage = Stage::new(seed);
        stage.tell(stage.connect(at + BETWEEN));
        let going = stage.reach(at);
        stage.net.advance(ms(BETWEEN));
        let error = stage.error().downcast::<io::Error>().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let text = error.to_string();
        assert!(text.starts_with("cannot connect to both:7007: "), "{text}");
        assert!(text.contains("within"), "{text}");
        stage.nothing_is_left();
        going
    });
}

#[test]
fn a_loop_can_stop_at_any_stage_of_a_connect() {
    at_every_stage(|seed, at| {
        let stage = Stage::new(seed);
        stage.tell(stage.connect(30_000));
        let going = stage.reach(at);
        stage.cli.run(Reactor::stop);
        stage.net.advance(ms(0));
        assert!(matches!(*stage.error().downcast::<Reason>().unwrap(), Reason::Stopped));
        assert!(!stage.cli.is_running());
        stage.nothing_is_left();
        going
    });
}

#[test]
fn a_loop_can_be_killed_at_any_stage_of_a_connect() {
    at_every_stage(|seed, at| {
        let stage = Stage::new(seed);
        let told = Rc::downgrade(&stage.told);
        stage.tell(stage.connect(30_000));
        let going = stage.reach(at);
        stage.cli.kill();
        assert_eq!(told.strong_count(), 1, "the callback is dropped, not called");
        stage.nothing_is_left();
        going
    });
}

#[test]
fn a_stopped_loop_connects_no_more() {
    let net = Rc::new(Net::new(1));
    let (cli, _) = hosts(&net);
    cli.listen("tcp:1", |_| Lingers);
    let peer = net.host("a").probe("tcp:cli:1");
    net.run();
    cli.run(Reactor::stop);
    net.advance(ms(10));
    assert!(cli.is_running());
    let told = connect(&net, &cli, "tcp:a:7007", &Rc::default());
    net.advance(ms(10));
    assert!(matches!(*loser(&told).1.downcast::<Reason>().unwrap(), Reason::Stopped));
    drop(peer);
}

/// Does not end when it is asked to.
struct Lingers;

impl Protocol for Lingers {
    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
    fn stopping(&mut self, _: &Transport) -> Result {
        Ok(())
    }
}
