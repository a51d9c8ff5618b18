//! `#[trenza::test]`: what passes, and what fails with which words.

use std::{future::pending, sync::mpsc, time::Duration};
use trenza::{
    Interrupted,
    prelude::*,
    testing::{Failure, Trial},
};

const LOCAL: &str = "tcp:0:interface=127.0.0.1";
const HOUR: Duration = Duration::from_secs(3600);
/// Time enough on any machine.
const AMPLE: Duration = Duration::from_secs(60);

struct Discard;

impl Protocol for Discard {
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

/// Goes on when its port has stopped.
struct Stays;

impl Protocol for Stays {
    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
    fn stopping(&mut self, _: &Transport) -> Result {
        Ok(())
    }
}

/// The place of the line in this file that ends in a mark.
fn place(mark: &str) -> String {
    let line = include_str!("testing.rs").lines().position(|line| line.ends_with(mark));
    format!("{}:{}:", file!(), line.unwrap_or_else(|| panic!("no line is marked {mark}")) + 1)
}

/// Runs a test that must fail on the real driver and in the simulator, and gives what the failures say.
fn failures(trial: Trial, test: impl AsyncFnOnce(Reactor) -> Result + Clone + Send + 'static) -> [String; 2] {
    let real = trial.run(test.clone()).expect_err("fails on the real driver");
    let simulated = trial.run_seed(7, test).expect_err("fails in the simulator");
    [real, simulated].map(|failure| failure.to_string())
}

/// What a test has left behind, on each driver: lines of kind and place.
fn left_behind(
    test: impl AsyncFnOnce(Reactor) -> Result + Clone + Send + 'static,
    expected: &[(&str, &str)],
) {
    for text in failures(Trial::new(AMPLE), test) {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("left behind:"), "{text}");
        for (what, mark) in expected {
            let line = lines.next().unwrap_or_default();
            assert!(line.trim().starts_with(what), "{what} in {text}");
            assert!(line.contains(&format!(", made at {}", place(mark))), "{} in {text}", place(mark));
        }
        assert_eq!(lines.next(), None, "{text}");
    }
}

// ── what passes ──

async fn greet(reactor: Reactor) -> Result {
    let port = reactor.serve(LOCAL, async |mut stream: Stream| {
        stream.write_all(b"hello\r\n").await?;
        stream.close().await
    })?;
    let mut stream = reactor.open(&format!("tcp:{}", port.addr())).await?;
    assert_eq!(stream.line(80).await?.as_deref(), Some(&b"hello"[..]));
    stream.close().await?;
    port.stop().detach();
    Ok(())
}

#[trenza::test]
async fn the_real_driver_by_default(reactor: Reactor) -> Result {
    greet(reactor).await
}

#[trenza::test(sim)]
async fn the_simulator(reactor: Reactor) -> Result {
    greet(reactor).await
}

#[trenza::test(sim, seeds = 30..33, time = "90m")]
async fn virtual_hours(reactor: Reactor) -> Result {
    reactor.sleep(HOUR).await;
    Ok(())
}

#[trenza::test(time = "1m")]
async fn what_ends_by_itself_is_not_left_behind(reactor: Reactor) -> Result {
    drop(reactor.in_thread(|| Ok(())));
    drop(reactor.call_later(HOUR, || ()));
    reactor.spawn(pending::<Result>()).cancel();
    let (answer, resolver) = reactor.remote_resolver::<()>();
    drop(resolver);
    answer.detach();
    Ok(())
}

#[trenza::test]
fn callbacks_until_nothing_is_left(reactor: &Reactor) -> Result {
    let port = reactor.listen(LOCAL, |_| Discard)?;
    let to = format!("tcp:{}", port.addr());
    reactor.connect(&to, |_| Discard).then(move |connected| {
        connected.expect("connected").close();
        port.stop().detach();
    });
    Ok(())
}

#[trenza::test(sim, time = "90m")]
fn callbacks_in_virtual_time(reactor: &Reactor) -> Result {
    reactor.call_later(HOUR, || ()).detach();
    Ok(())
}

#[trenza::test]
fn a_stopped_loop_ends_what_it_holds(reactor: &Reactor) -> Result {
    reactor.listen(LOCAL, |_| Discard)?;
    reactor.call_later(HOUR, || ()).detach();
    reactor.stop();
    Ok(())
}

#[trenza::test(sim)]
async fn a_panic_on_the_pool_is_an_error_of_its_call(reactor: Reactor) -> Result {
    let panicked = reactor.in_thread::<()>(|| panic!("on purpose")).await;
    assert!(panicked.is_err());
    Ok(())
}

/// The attribute's other attributes stay.
#[trenza::test]
#[should_panic(expected = "the test has failed: cut short by signal 7")]
async fn an_error_is_a_failure(_: Reactor) -> Result {
    Err(Interrupted { signal: 7 }.into())
}

#[trenza::test(sim, seeds = 4..5)]
#[should_panic(expected = "with seed 4: panicked at crates/trenza/tests/testing.rs")]
async fn a_failing_seed_is_named(_: Reactor) -> Result {
    panic!("on purpose");
}

#[trenza::test]
#[should_panic(expected = "left behind:\n  a timer, made at crates/trenza/tests/testing.rs")]
async fn what_is_left_behind_is_named(reactor: Reactor) -> Result {
    reactor.call_later(HOUR, || ()).detach();
    Ok(())
}

// ── what fails ──

#[test]
fn a_port() {
    left_behind(
        async |reactor| {
            reactor.listen(LOCAL, |_| Discard)?; // a port
            Ok(())
        },
        &[("a port on ", "// a port")],
    );
}

#[test]
fn a_port_with_a_factory() {
    let test = async |reactor: Reactor| {
        reactor.listen_with(LOCAL, Nobody)?; // a factory
        Ok(())
    };
    left_behind(test, &[("a port on ", "// a factory")]);
}

struct Nobody;

impl Factory for Nobody {
    fn build(&mut self, _: &Transport) -> Option<Box<dyn Protocol>> {
        None
    }
}

struct Ignores;

impl ProcessProtocol for Ignores {
    fn received(&mut self, _: &Process, _: u32, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

#[test]
fn a_child_process() {
    let test = async |reactor: Reactor| {
        let process = reactor.spawn_process(Command::new("sleep").arg("1000"), Ignores)?; // spawned
        process.handle::<Ignores>().call(|_, process| {
            (0..3).for_each(|which| process.close(which));
            Ok(())
        });
        Ok(())
    };
    let failure = Trial::new(AMPLE).run(test).expect_err("fails").to_string();
    let (what, place) = ("left behind:\n  a child process, sleep (", place("// spawned"));
    assert!(
        failure.starts_with(what) && failure.contains(&place) && failure.lines().count() == 2,
        "{failure}"
    );
}

#[test]
fn both_ends_of_a_connection() {
    let test = async |reactor: Reactor| {
        let port = reactor.listen(LOCAL, |_| Stays)?; // accepted
        let to = format!("tcp:{}", port.addr());
        reactor.connect(&to, |_| Stays).await?; // connected
        while port.connections() == 0 {
            reactor.sleep(Duration::from_millis(1)).await;
        }
        port.stop().detach();
        Ok(())
    };
    let either: &[(&str, &str)] =
        &[("a connection to ", "// accepted"), ("a connection to ", "// connected")];
    for text in failures(Trial::new(AMPLE), test) {
        assert!(text.starts_with("left behind:\n") && text.lines().count() == 3, "{text}");
        for (what, mark) in either {
            assert!(text.contains(&place(mark)) && text.contains(what), "{text}");
        }
    }
}

#[test]
fn a_stream_and_the_coroutine_that_serves_it() {
    let test = async |reactor: Reactor| {
        let (met, meet) = reactor.deferred();
        let mut meet = Some(meet);
        let port = reactor.serve(LOCAL, move |stream| {
            let meet = meet.take();
            async move {
                meet.into_iter().for_each(|meet| meet.fire(Ok(())));
                let _stream = stream;
                pending::<Result>().await
            }
        })?;
        let stream = reactor.open(&format!("tcp:{}", port.addr())).await?; // opened
        met.await?;
        port.stop().detach();
        std::mem::forget(stream);
        Ok(())
    };
    let served = place("reactor.serve(LOCAL, move |stream| {");
    for text in failures(Trial::new(AMPLE), test) {
        assert_eq!(text.matches(&served).count(), 2, "{text}");
        assert_eq!(text.matches(&place("// opened")).count(), 1, "{text}");
        assert!(text.contains("\n  a task, made at ") && text.lines().count() == 4, "{text}");
    }
}

#[test]
fn timers_of_the_reactor_and_of_a_protocol() {
    left_behind(
        async |reactor| {
            reactor.call_later(HOUR, || ()).detach(); // a timer
            Ok(())
        },
        &[("a timer", "// a timer")],
    );
    let test = async |reactor: Reactor| {
        let port = reactor.listen(LOCAL, |_| Discard)?;
        let cli = reactor.connect(&format!("tcp:{}", port.addr()), |_| Discard).await?;
        cli.handle::<Discard>().call_later(HOUR, |_, _| Ok(())).detach(); // of a handle
        cli.close();
        port.stop().await
    };
    left_behind(test, &[("a timer", "// of a handle")]);
}

#[test]
fn a_task_and_its_sleep() {
    let test = async |reactor: Reactor| {
        let own = reactor.clone();
        let sleeper = async move {
            own.sleep(HOUR).await; // asleep
            Ok(())
        };
        reactor.spawn(sleeper).detach(); // a task
        Ok(())
    };
    left_behind(test, &[("a task", "// a task"), ("a sleep", "// asleep")]);
}

#[test]
fn a_timeout() {
    let test = async |reactor: Reactor| {
        let waiting = timeout(HOUR, pending::<Result>()); // a timeout
        reactor.spawn(waiting).detach(); // waits
        Ok(())
    };
    left_behind(test, &[("a task", "// waits"), ("a sleep", "// a timeout")]);
}

#[test]
fn a_task_of_a_connection() {
    let test = async |reactor: Reactor| {
        let port = reactor.listen(LOCAL, |_| Stays)?;
        let cli = reactor.connect(&format!("tcp:{}", port.addr()), |_| Stays).await?;
        cli.spawn(pending::<Result>()); // with it
        port.stop().detach();
        Ok(())
    };
    for text in failures(Trial::new(AMPLE), test) {
        assert!(text.contains(&format!("a task, made at {}", place("// with it"))), "{text}");
    }
}

#[test]
fn an_answer_of_another_thread() {
    let test = async |reactor: Reactor| {
        let (answer, resolver) = reactor.remote_resolver::<()>(); // an answer
        answer.detach();
        std::mem::forget(resolver);
        Ok(())
    };
    left_behind(test, &[("a remote resolver without an answer", "// an answer")]);
}

#[test]
fn a_call_on_the_thread_pool() {
    let (end, wait) = mpsc::channel::<()>();
    let failure = Trial::new(AMPLE).run(async move |reactor| {
        let blocked = reactor.in_thread(move || wait.recv().or(Ok(()))); // a job
        blocked.detach();
        Ok(())
    });
    drop(end);
    let text = failure.expect_err("fails").to_string();
    assert!(text.starts_with("left behind:\n  a call on the thread pool, made at "), "{text}");
    assert!(text.contains(&place("// a job")), "{text}");
}

#[test]
fn a_panic_of_a_callback_though_the_engine_contains_it() {
    let test = async |reactor: Reactor| {
        reactor.call_later(Duration::ZERO, || panic!("in a timer")).detach(); // panics
        reactor.sleep(Duration::from_millis(5)).await;
        Ok(())
    };
    for text in failures(Trial::new(AMPLE), test) {
        assert!(text.starts_with(&format!("panicked at {}", place("// panics"))), "{text}");
        assert!(text.ends_with(": in a timer"), "{text}");
    }
}

#[test]
fn a_panic_of_what_the_end_drops() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    let test = async |reactor: Reactor| {
        let bomb = Bomb;
        reactor.call_later(HOUR, move || drop(bomb)).detach();
        reactor.stop();
        Ok(())
    };
    for text in failures(Trial::new(AMPLE), test) {
        assert!(text.ends_with(": in a drop"), "{text}");
    }
}

#[test]
fn a_test_without_end() {
    let test = async |reactor: Reactor| {
        let timer = reactor.call_later(HOUR, || ()); // holds
        pending::<()>().await;
        drop(timer);
        Ok(())
    };
    for text in failures(Trial::new(Duration::from_millis(50)), test) {
        assert!(text.starts_with("not done after 50ms; the loop holds:\n  a timer, made at "), "{text}");
        assert!(text.contains(&place("// holds")), "{text}");
    }
    for text in failures(Trial::new(Duration::from_millis(50)), async |_| pending().await) {
        assert_eq!(text, "not done after 50ms; the loop holds:\n  nothing but the test itself");
    }
}

#[test]
fn callbacks_without_end() {
    let trial = Trial::new(Duration::from_millis(50)).until_idle();
    let test = async |reactor: Reactor| {
        reactor.listen(LOCAL, |_| Discard)?; // for ever
        Ok(())
    };
    for text in failures(trial, test) {
        assert!(text.starts_with("not done after 50ms; the loop holds:\n  a port on "), "{text}");
        assert!(text.contains(&place("// for ever")), "{text}");
    }
}

#[test]
fn a_loop_that_is_blocked() {
    let (end, wait) = mpsc::channel::<()>();
    let blocked = Trial::new(Duration::ZERO).run(async move |_| wait.recv().or(Ok(())));
    drop(end);
    let text = blocked.expect_err("fails").to_string();
    assert!(text.starts_with("the loop did not come back"), "{text}");
}

#[test]
fn a_stop_before_the_end() {
    let test = async |reactor: Reactor| {
        reactor.stop();
        pending().await
    };
    for text in failures(Trial::new(AMPLE), test) {
        assert_eq!(text, "the reactor was stopped before the test had ended");
    }
}

#[test]
fn an_error() {
    for text in failures(Trial::new(AMPLE), async |_| Err("no luck".into())) {
        assert_eq!(text, "the test has failed: no luck");
    }
}

#[test]
fn what_a_test_leaves_is_not_told_of_the_next_one() {
    let leaves = async |reactor: Reactor| {
        reactor.call_later(Duration::ZERO, || panic!("once")).detach();
        reactor.sleep(Duration::from_millis(5)).await;
        Ok(())
    };
    let outcomes: [Result<(), Failure>; 2] =
        [Trial::new(AMPLE).run_seed(1, leaves), Trial::new(AMPLE).run_seed(1, async |_| Ok(()))];
    assert!(outcomes[0].is_err() && outcomes[1].is_ok());
}
