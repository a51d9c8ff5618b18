//! What a loop holds, each thing with the line that made it.

use std::time::Duration;
use trenza_core::{
    Command, Group, Input, Left, LeftKind, LoopingCall, Process, ProcessProtocol, Protocol, Result, Transport,
};
use trenza_sim::{HostHandle, Net};

struct Discard;

impl Protocol for Discard {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

/// The number of the line in this file that ends in a mark.
fn line(mark: &str) -> u32 {
    let line = include_str!("left.rs").lines().position(|line| line.ends_with(mark));
    line.unwrap_or_else(|| panic!("no line is marked {mark}")) as u32 + 1
}

/// Kind and line of all that a host holds.
fn leftovers(host: &HostHandle) -> Vec<(LeftKind, u32)> {
    let all = host.leftovers();
    assert!(all.iter().all(|left| left.made.file() == file!()), "{all:?}");
    all.iter().map(|left| (left.kind, left.made.line())).collect()
}

#[test]
fn a_connection_is_named_at_each_stage() {
    let net = Net::gentle(1);
    let (cli, _peer) = (net.host("cli"), net.host("srv").probe_listen("tcp:7"));
    net.latency(Duration::from_secs(1));
    cli.run(|reactor| {
        reactor.connect("tcp:10.0.0.2:7", |_| Discard).detach(); // connects
    });
    net.advance(Duration::from_millis(100));
    let connects = line("// connects");
    // The timer is the limit of the time for it.
    assert_eq!(leftovers(&cli), [(LeftKind::Connecting, connects), (LeftKind::Timer, connects)]);
    net.advance(Duration::from_secs(10));
    assert_eq!(leftovers(&cli), [(LeftKind::Connection, connects)]);
    let text = cli.leftovers().iter().map(ToString::to_string).collect::<String>();
    assert!(text.starts_with("a connection to 10.0.0.2:7, made at "), "{text}");
    cli.run(|reactor| reactor.connections().iter().for_each(Transport::abort));
    net.run();
    assert_eq!((leftovers(&cli), cli.left()), (vec![], Left::default()));
}

#[test]
fn the_timer_of_a_connection_is_part_of_it() {
    let net = Net::gentle(1);
    let srv = net.host("srv");
    let port = srv.run(|reactor| {
        let idle = |transport: &Transport| {
            transport.set_timeout(Some(Duration::from_secs(60)));
            Discard
        };
        reactor.listen("tcp:7", idle) // listens
    });
    let _peer = net.host("cli").probe("tcp:srv:7");
    net.run();
    let listens = line("// listens");
    let mut found = leftovers(&srv);
    found.sort_by_key(|(kind, _)| format!("{kind}"));
    assert_eq!(found, [(LeftKind::Connection, listens), (LeftKind::Port, listens)]);
    assert_eq!(srv.left(), Left { connections: 1, ports: 1, timers: 1, ..Left::default() });
    drop(port);
}

#[test]
fn an_answer_that_came_is_not_left() {
    let net = Net::gentle(1);
    let here = net.host("here");
    let resolver = here.run(|reactor| {
        reactor.in_thread(|| Ok(())).detach(); // a job
        let (answer, resolver) = reactor.remote_resolver::<u8>(); // an answer
        answer.detach();
        resolver
    });
    let expected = [(LeftKind::Job, line("// a job")), (LeftKind::Answer, line("// an answer"))];
    assert_eq!(leftovers(&here), expected);
    assert_eq!(here.left().answers, 2);
    net.run();
    assert_eq!(leftovers(&here), expected[1..]);
    resolver.fire(Ok(7));
    net.run();
    assert_eq!(here.left(), Left::default());
}

#[test]
fn what_tasks_are_put_together_with_is_named_too() {
    let (net, minute) = (Net::gentle(1), Duration::from_secs(60));
    let here = net.host("here");
    let kept = here.run(|reactor| {
        let group = Group::new(reactor);
        group.spawn(std::future::pending()); // a member
        group.set_deadline(minute); // a deadline
        (group, LoopingCall::start(reactor, minute, async |_| Ok(()))) // a looping call
    });
    net.run();
    let (member, call) = (line("// a member"), line("// a looping call"));
    let mut found = leftovers(&here);
    found.sort_by_key(|(kind, line)| (format!("{kind}"), *line));
    assert_eq!(
        found,
        [
            (LeftKind::Sleep, call),
            (LeftKind::Task, member),
            (LeftKind::Task, call),
            (LeftKind::Timer, line("// a deadline")),
        ]
    );
    drop(kept);
    net.run();
    assert_eq!(here.left(), Left::default());
}

impl ProcessProtocol for Discard {
    fn received(&mut self, _: &Process, _: u32, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

#[test]
fn a_child_process_is_named_with_its_pipes() {
    let net = Net::gentle(1);
    let host = net.host("here");
    host.program("sleep", async |fake| {
        fake.reactor().sleep(Duration::from_secs(1000)).await;
        Ok(trenza_core::ExitStatus::Code(0))
    });
    let process = host.run(|reactor| {
        reactor.spawn_process(Command::new("sleep"), Discard) // spawns
    });
    net.advance(Duration::from_secs(1));
    let spawns = line("// spawns");
    let pipe = (LeftKind::Connection, spawns);
    assert_eq!(leftovers(&host), [pipe, pipe, pipe, (LeftKind::Process, spawns)]);
    assert_eq!(host.left(), Left { processes: 1, connections: 3, ..Left::default() });
    let text: Vec<_> = host.leftovers().iter().map(ToString::to_string).collect();
    assert!(text[3].starts_with("a child process, sleep (1), made at "), "{text:?}");
    assert!(
        text.iter().any(|line| line.starts_with("a connection to descriptor 0 of sleep (1), ")),
        "{text:?}"
    );
    process.unwrap().abort();
    net.run();
    assert_eq!(host.left(), Left::default());
}
