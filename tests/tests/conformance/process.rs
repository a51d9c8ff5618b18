//! Child processes: pipes, signals, exits, and what is left of them: nothing.

use crate::{
    drivers::ON_PURPOSE,
    ground::{Ground, bytes},
    keeper::{Bare, Keeper},
    programs::Census,
};
use std::{cell::Cell, io, rc::Rc, time::Duration};
use trenza_core::{
    Command, ExitStatus, LeftKind, Limit, Limits, OutputTooLong, Process, ProcessProtocol, Reason, Result,
    Signal, SpawnError,
    driver::{Descriptor, Window},
};

cases! {
    outputs_come_apart_and_the_end_once
    a_child_copies_what_it_is_given
    what_is_written_before_it_runs_is_not_lost
    much_input_comes_whole_with_backpressure
    a_child_may_close_its_output_and_live
    a_child_may_close_its_input_and_live
    closing_a_pipe_is_told_once
    unread_bytes_are_offered_again_at_the_end
    a_child_whose_output_nobody_takes_is_ended
    too_much_input_ends_the_child
    a_signal_ends_it
    a_signal_may_be_caught
    a_signal_after_the_exit_is_an_error
    there_is_no_group_to_be_signalled
    abort_ends_it_at_once
    an_error_ends_it_with_that_reason
    a_panic_ends_it_and_is_told
    an_error_at_its_exit_is_told_as_well
    descriptors_above_two_are_pipes_too
    a_descriptor_may_go_both_ways
    a_descriptor_may_lead_nowhere
    a_terminal_is_one
    its_environment_is_what_was_said
    it_begins_in_its_directory
    a_missing_program_is_an_error_that_names_it
    two_hundred_at_once
    handles_reach_the_protocol_until_it_ends
    dropping_handles_changes_nothing
    kill_on_drop_ends_it
    its_end_can_be_waited_for
    a_deadline_ends_it
    an_idle_time_is_told_and_traffic_puts_it_off
    a_pipe_can_be_given_to_a_coroutine
    a_pipe_throttles_another
    a_child_is_among_what_is_left
    one_shot_output
    one_shot_status
    one_shot_output_is_limited
    one_shot_time_is_limited
    a_one_shot_that_nobody_waits_for_is_ended
    a_stop_asks_children_to_end
    a_stop_ends_children_that_do_not
    a_protocol_may_see_to_its_child_when_it_stops
    nothing_is_started_while_stopping
    a_child_that_begins_while_stopping_is_ended
}

cases! {
    of poll only:
    output_after_the_exit_is_heard
    groups_are_signalled_together
    a_stop_closes_pipes_that_others_hold
}

/// Starts a program with a keeper called `kid`.
fn spawn(ground: &Ground, command: Command, keeper: Keeper) -> Result<Process> {
    ground.reactor().spawn_process(command, keeper)
}

fn kid(ground: &Ground) -> Keeper {
    Keeper::new(ground, "kid")
}

/// Waits until `kid` has heard the end; says why it ended, and checks that it came once and last.
async fn ended(ground: &Ground) -> String {
    let log = ground.log();
    log.until(|log| log.of("kid").iter().any(|line| line.starts_with("ended "))).await;
    ground.settle().await;
    let lines = log.of("kid");
    assert_eq!(lines.iter().filter(|line| line.starts_with("ended ")).count(), 1, "{lines:?}");
    assert!(lines.iter().filter(|line| line.starts_with("exited ")).count() <= 1, "{lines:?}");
    lines.last().unwrap().strip_prefix("ended ").unwrap().to_owned()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

async fn outputs_come_apart_and_the_end_once(ground: Ground) -> Result {
    spawn(&ground, ground.program("say").args(["to one", "to two", "3"]), kid(&ground))?;
    assert_eq!(ended(&ground).await, "Closed");
    let log = ground.log();
    assert_eq!((log.bytes("1"), log.bytes("2")), (b"to one".to_vec(), b"to two".to_vec()));
    let lines = log.of("kid");
    assert_eq!(lines.first().unwrap(), "started");
    let heard = [
        "closed 0 Io(BrokenPipe)",
        "closed 1 PeerClosed",
        "closed 2 PeerClosed",
        "ended Closed",
        "eof 1",
        "eof 2",
    ];
    assert_eq!(sorted(lines), [&heard[..], &["exited exit code 3", "started"]].concat());
    Ok(())
}

async fn a_child_copies_what_it_is_given(ground: Ground) -> Result {
    let process = spawn(
        &ground,
        ground.program("cat"),
        kid(&ground).started(|process| {
            process.write(0, b"hello, ");
            Ok(())
        }),
    )?;
    ground.log().received("1", 7).await;
    process.write(0, b"world");
    ground.log().received("1", 12).await;
    process.close(0);
    assert_eq!(ended(&ground).await, "Closed");
    assert_eq!(ground.log().bytes("1"), b"hello, world");
    assert_eq!(process.status(), Some(ExitStatus::Code(0)));
    Ok(())
}

async fn what_is_written_before_it_runs_is_not_lost(ground: Ground) -> Result {
    let keeper = kid(&ground).started(|process| {
        process.write(0, b"third");
        process.close(0);
        Ok(())
    });
    let process = spawn(&ground, ground.program("cat"), keeper)?;
    process.write(0, b"first ");
    process.write(0, b"second ");
    process.write(7, b"nowhere");
    ended(&ground).await;
    assert_eq!(ground.log().bytes("1"), b"first second third");
    let process = spawn(&ground, ground.program("cat"), Keeper::new(&ground, "other"))?;
    process.write(0, b" fourth");
    process.close(0);
    process.write(0, b"too late");
    process.ended().await?;
    assert_eq!(ground.log().bytes("1"), b"first second third fourth");
    Ok(())
}

async fn much_input_comes_whole_with_backpressure(ground: Ground) -> Result {
    let text = bytes(ground.scaled(300_000, 5_000_000));
    let (all, most) = (Rc::new(text.clone()), Rc::new(Cell::new(0)));
    let (at, peak) = (Rc::new(Cell::new(0)), most.clone());
    // Writes until it is full, and goes on when there is room.
    let go_on = move |process: &Process| {
        while !process.is_full(0) && at.get() < all.len() {
            let end = (at.get() + 10_000).min(all.len());
            process.write(0, &all[at.get()..end]);
            at.set(end);
        }
        let unsent = process.pipe(0).map_or(0, |pipe| pipe.counts().unsent);
        peak.set(peak.get().max(unsent));
        if at.get() == all.len() {
            process.close(0);
        }
        Ok(())
    };
    let again = go_on.clone();
    let keeper = kid(&ground).started(go_on).writable(move |process, _| again(process));
    spawn(&ground, ground.program("cat"), keeper)?;
    ended(&ground).await;
    assert!(ground.log().bytes("1") == text);
    assert!(most.get() <= 64 * 1024 + 10_000, "{} bytes waited", most.get());
    assert!(ground.log().of("kid").iter().any(|line| line == "writable 0"));
    Ok(())
}

async fn a_child_may_close_its_output_and_live(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("mute"), kid(&ground))?;
    ground.log().heard("kid", "closed 1 PeerClosed").await;
    assert_eq!(ground.log().bytes("1"), b"before");
    ground.settle().await;
    assert_eq!(process.status(), None);
    process.write(0, b"still there?");
    process.close(0);
    assert_eq!(ended(&ground).await, "Closed");
    assert_eq!(process.status(), Some(ExitStatus::Code(5)));
    Ok(())
}

async fn a_child_may_close_its_input_and_live(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("deaf"), kid(&ground))?;
    ground.log().heard("kid", "closed 0 Io(BrokenPipe)").await;
    ground.log().received("1", 4).await;
    process.write(0, b"into the void");
    ground.settle().await;
    assert_eq!(process.status(), None);
    process.abort();
    assert_eq!(ended(&ground).await, "Aborted");
    Ok(())
}

async fn closing_a_pipe_is_told_once(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("sleep"), kid(&ground))?;
    ground.log().heard("kid", "started").await;
    process.close(1);
    process.close(1);
    process.close(9);
    ground.log().heard("kid", "closed 1 Closed").await;
    ground.settle().await;
    assert!(process.pipe(1).is_none() && process.pipe(2).is_some());
    process.signal(Signal::Kill)?;
    ended(&ground).await;
    let closed = ground.log().of("kid").iter().filter(|line| line.starts_with("closed 1")).count();
    assert_eq!(closed, 1);
    Ok(())
}

async fn unread_bytes_are_offered_again_at_the_end(ground: Ground) -> Result {
    struct Lines(Rc<Cell<usize>>, Rc<Cell<usize>>);
    impl ProcessProtocol for Lines {
        fn received(&mut self, _: &Process, which: u32, input: &mut trenza_core::Input<'_>) -> Result {
            while which == 1 && input.line_lf(80)?.is_some() {
                self.0.set(self.0.get() + 1);
            }
            Ok(())
        }
        fn eof_received(&mut self, _: &Process, which: u32, input: &mut trenza_core::Input<'_>) -> Result {
            if which == 1 {
                self.1.set(input.rest().len());
            }
            Ok(())
        }
    }
    let (lines, rest) = (Rc::<Cell<usize>>::default(), Rc::<Cell<usize>>::default());
    let say = ground.program("say").args(["one\ntwo\nthree", "", "0"]);
    let process = ground.reactor().spawn_process(say, Lines(lines.clone(), rest.clone()))?;
    process.ended().await?;
    assert_eq!((lines.get(), rest.get()), (2, 5));
    Ok(())
}

async fn a_child_whose_output_nobody_takes_is_ended(ground: Ground) -> Result {
    let keeper = kid(&ground).received(|_, _, _| Ok(()));
    let process = spawn(&ground, ground.program("cat"), keeper)?;
    process.write(0, &bytes(200_000));
    assert_eq!(ended(&ground).await, format!("Overflow({:?})", Limit::Unread));
    assert_eq!(process.status(), Some(Signal::Kill.into()));
    let mut heard = ground.log().of("kid");
    heard.retain(|line| !line.starts_with("writable"));
    assert_eq!(heard, ["started", "ended Overflow(Unread)"]);
    Ok(())
}

async fn too_much_input_ends_the_child(ground: Ground) -> Result {
    ground.reactor().set_limits(Limits { unsent: 100_000, ..Limits::default() });
    for early in [true, false] {
        ground.log().forget();
        let keeper = kid(&ground).started(move |process| {
            process.write(0, &bytes(50_000));
            process.write(0, &bytes(if early { 1 } else { 2_000_000 }));
            Ok(())
        });
        let process = spawn(&ground, ground.program("sleep"), keeper)?;
        if early {
            process.write(0, &bytes(60_000));
            process.write(0, &bytes(60_000));
        }
        process.ended().await?;
        assert_eq!(process.status(), Some(Signal::Kill.into()));
        let heard: &[&str] = if early { &[] } else { &["started"] };
        assert_eq!(ground.log().of("kid"), [heard, &["ended Overflow(Unsent)"]].concat());
    }
    Ok(())
}

async fn a_signal_ends_it(ground: Ground) -> Result {
    for signal in [Signal::Terminate, Signal::Interrupt, Signal::Hangup, Signal::User1, Signal::Kill] {
        ground.log().forget();
        let process = spawn(&ground, ground.program("sleep"), kid(&ground))?;
        process.signal(signal)?;
        assert_eq!(ended(&ground).await, "Closed");
        assert_eq!(process.status().and_then(|status| status.signal()), Some(signal));
        ground.log().heard("kid", &format!("exited ended by {signal}")).await;
    }
    Ok(())
}

async fn a_signal_may_be_caught(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("catch"), kid(&ground))?;
    ground.log().received("1", 5).await;
    process.signal(Signal::Terminate)?;
    ended(&ground).await;
    assert_eq!(process.status(), Some(ExitStatus::Code(3)));
    assert_eq!(ground.log().bytes("1"), b"readycaught");
    Ok(())
}

async fn a_signal_after_the_exit_is_an_error(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("say").args(["", "", "0"]), kid(&ground))?;
    ended(&ground).await;
    let error = process.signal(Signal::Terminate).unwrap_err();
    let kind = error.downcast_ref::<io::Error>().unwrap().kind();
    assert!(kind == io::ErrorKind::NotFound && error.to_string().contains("has exited"), "{error}");
    // Nothing is left to be ended.
    process.abort();
    process.terminate();
    Ok(())
}

async fn there_is_no_group_to_be_signalled(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("sleep"), kid(&ground))?;
    let error = process.signal_group(Signal::Terminate).unwrap_err().to_string();
    assert!(error.contains("new_group"), "{error}");
    process.abort();
    let grouped = ground.reactor().spawn_process(ground.program("sleep").new_group(), Bare)?;
    grouped.signal_group(Signal::Terminate)?;
    assert_eq!(grouped.ended().await?, Signal::Terminate.into());
    ended(&ground).await;
    Ok(())
}

async fn abort_ends_it_at_once(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("stubborn"), kid(&ground))?;
    ground.log().received("1", 5).await;
    process.abort();
    process.abort();
    process.write(0, b"too late");
    assert_eq!(ended(&ground).await, "Aborted");
    assert_eq!(process.status(), Some(Signal::Kill.into()));
    assert_eq!(ground.log().of("kid"), ["started", "ended Aborted"]);
    Ok(())
}

async fn an_error_ends_it_with_that_reason(ground: Ground) -> Result {
    let keeper = kid(&ground).received(|_, _, _| Err("I do not like this".into()));
    let process = spawn(&ground, ground.program("catch"), keeper)?;
    assert_eq!(ended(&ground).await, "Failed(I do not like this)");
    assert_eq!(process.status(), Some(Signal::Kill.into()));
    Ok(())
}

async fn a_panic_ends_it_and_is_told(ground: Ground) -> Result {
    for at_start in [true, false] {
        ground.log().forget();
        let keeper = kid(&ground)
            .started(move |_| if at_start { panic!("{ON_PURPOSE}") } else { Ok(()) })
            .received(|_, _, _| panic!("{ON_PURPOSE}"));
        let process = spawn(&ground, ground.program("catch"), keeper)?;
        assert_eq!(ended(&ground).await, "Panicked");
        assert_eq!(process.status(), Some(Signal::Kill.into()));
        assert_eq!(ground.log().of("kid"), ["started", "ended Panicked"]);
    }
    Ok(())
}

async fn an_error_at_its_exit_is_told_as_well(ground: Ground) -> Result {
    let keeper = kid(&ground).exited(|_| Err("too bad".into()));
    let process = spawn(&ground, ground.program("say").args(["", "", "1"]), keeper)?;
    assert_eq!(ended(&ground).await, "Failed(too bad)");
    assert_eq!(process.status(), Some(ExitStatus::Code(1)));
    Ok(())
}

async fn descriptors_above_two_are_pipes_too(ground: Ground) -> Result {
    let text = bytes(100_000);
    let command = ground
        .program("many")
        .descriptor(3, Descriptor::FromChild)
        .descriptor(4, Descriptor::FromChild)
        .descriptor(5, Descriptor::ToChild);
    let process = spawn(&ground, command, kid(&ground))?;
    process.write(5, &text);
    process.close(5);
    ended(&ground).await;
    assert!(ground.log().bytes("3") == text);
    assert_eq!(ground.log().bytes("4"), b"four");
    assert_eq!(ground.log().count("1"), 0);
    Ok(())
}

async fn a_descriptor_may_go_both_ways(ground: Ground) -> Result {
    let text = bytes(50_000);
    let command = ground.program("talk").descriptor(3, Descriptor::Both);
    let process = spawn(&ground, command, kid(&ground))?;
    process.write(3, &text);
    ground.log().received("3", text.len()).await;
    // It hears the end, and answers with its own.
    process.pipe(3).unwrap().close_write();
    ended(&ground).await;
    assert!(ground.log().bytes("3") == text);
    assert_eq!(process.status(), Some(ExitStatus::Code(7)));
    Ok(())
}

async fn a_descriptor_may_lead_nowhere(ground: Ground) -> Result {
    let command = ground
        .program("cat")
        .descriptor(0, Descriptor::Null)
        .descriptor(1, Descriptor::Null)
        .descriptor(2, Descriptor::Inherited);
    let process = spawn(&ground, command, kid(&ground))?;
    ended(&ground).await;
    assert_eq!(process.status(), Some(ExitStatus::Code(0)));
    assert_eq!(ground.log().of("kid"), ["started", "exited exit code 0", "ended Closed"]);
    Ok(())
}

async fn a_terminal_is_one(ground: Ground) -> Result {
    let window = Window { columns: 100, rows: 40 };
    let process = spawn(&ground, ground.program("terminal").terminal(window), kid(&ground))?;
    ground.log().until(|log| log.bytes("1").starts_with(b"40 100\r\n")).await;
    process.write(0, b"typed\n");
    ended(&ground).await;
    let said = String::from_utf8(ground.log().bytes("1")).unwrap();
    assert!(said.ends_with("got typed"), "{said:?}");
    assert_eq!(process.status(), Some(ExitStatus::Code(0)));
    assert!(ground.log().of("kid").contains(&"closed 1 PeerClosed".to_owned()));
    Ok(())
}

async fn its_environment_is_what_was_said(ground: Ground) -> Result {
    let command = Command::new("env")
        .env("LOST", "x")
        .env_clear()
        .env("A", "b")
        .env("C", "d=e")
        .env("F", "g")
        .env_remove("F");
    let said = ground.reactor().output(command).await?;
    assert_eq!(String::from_utf8(said.stdout)?, "A=b\nC=d=e\n");
    Ok(())
}

async fn it_begins_in_its_directory(ground: Ground) -> Result {
    let said = ground.reactor().output(Command::new("pwd").env_clear().current_dir("/")).await?;
    assert_eq!(said.stdout, b"/\n");
    Ok(())
}

async fn a_missing_program_is_an_error_that_names_it(ground: Ground) -> Result {
    let missing = || Command::new("no-such-program-anywhere");
    let error = ground.reactor().spawn_process(missing(), Bare).unwrap_err();
    let io = error.downcast_ref::<io::Error>().unwrap();
    assert_eq!(io.kind(), io::ErrorKind::NotFound);
    let named = io.get_ref().unwrap().downcast_ref::<SpawnError>().unwrap();
    assert_eq!(named.program, "no-such-program-anywhere");
    assert!(error.to_string().starts_with("cannot start \"no-such-program-anywhere\": "), "{error}");
    assert!(ground.reactor().output(missing()).await.is_err());
    assert!(ground.reactor().status(missing()).await.is_err());
    Ok(())
}

async fn two_hundred_at_once(ground: Ground) -> Result {
    struct Counted(Census, usize, Vec<u8>);
    impl ProcessProtocol for Counted {
        fn started(&mut self, process: &Process) -> Result {
            process.write(0, self.1.to_string().as_bytes());
            process.close(0);
            Ok(())
        }
        fn received(&mut self, _: &Process, _: u32, input: &mut trenza_core::Input<'_>) -> Result {
            self.2.extend_from_slice(input.rest());
            Ok(())
        }
        fn ended(&mut self, process: &Process, reason: &Reason) {
            assert_eq!(self.2, self.1.to_string().as_bytes());
            assert!(process.status() == Some(ExitStatus::Code(0)) && reason.is_clean());
            self.0.come();
        }
    }
    let census = Census::default();
    let count = ground.scaled(40, 200);
    for n in 0..count {
        ground.reactor().spawn_process(ground.program("cat"), Counted(census.clone(), n, Vec::new()))?;
    }
    ground.until(|| census.count() == count).await;
    Ok(())
}

async fn handles_reach_the_protocol_until_it_ends(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("cat"), kid(&ground))?;
    let handle = process.handle::<Keeper>();
    let log = ground.log().clone();
    handle.call(move |_, process| {
        log.note("call", "made");
        process.close(0);
        Ok(())
    });
    // A protocol of another kind is not there.
    process.handle::<Bare>().call(|_, _| panic!("nobody is there"));
    ended(&ground).await;
    assert_eq!(ground.log().of("call"), ["made"]);
    handle.call(|_, _| panic!("nobody is there any more"));
    // What a deferred is to tell a protocol is cancelled with the child.
    let sleeper = ground.reactor().spawn_process(ground.program("sleep"), Bare)?;
    let (deferred, resolver) = ground.reactor().deferred::<()>();
    deferred.then_in(sleeper.handle::<Bare>(), |_, _, _| panic!("it is over"));
    sleeper.abort();
    sleeper.ended().await?;
    ground.settle().await;
    assert!(resolver.is_cancelled());
    Ok(())
}

async fn dropping_handles_changes_nothing(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("mute"), kid(&ground))?;
    let pipe = Rc::new(Cell::new(None));
    let place = pipe.clone();
    process.handle::<Keeper>().call(move |_, process| {
        place.set(process.pipe(0));
        Ok(())
    });
    drop(process);
    ground.log().heard("kid", "closed 1 PeerClosed").await;
    ground.settle().await;
    assert!(!ground.log().of("kid").iter().any(|line| line.starts_with("exited")));
    pipe.take().unwrap().close();
    assert_eq!(ended(&ground).await, "Closed");
    Ok(())
}

async fn kill_on_drop_ends_it(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("sleep").kill_on_drop(), kid(&ground))?;
    let clone = process.clone();
    drop(process);
    ground.log().heard("kid", "started").await;
    ground.settle().await;
    assert_eq!(clone.status(), None);
    drop(clone);
    assert_eq!(ended(&ground).await, "Aborted");
    Ok(())
}

async fn its_end_can_be_waited_for(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("say").args(["", "", "4"]), kid(&ground))?;
    assert_eq!(process.exited().await?, ExitStatus::Code(4));
    assert_eq!(process.ended().await?, ExitStatus::Code(4));
    assert!(ground.log().of("kid").contains(&"ended Closed".to_owned()));
    // Also when it is over.
    assert_eq!(process.exited().await?, ExitStatus::Code(4));
    assert_eq!(process.ended().await?, ExitStatus::Code(4));
    Ok(())
}

async fn a_deadline_ends_it(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("sleep").time_limit(ground.moment()), kid(&ground))?;
    assert_eq!(ended(&ground).await, "TimedOut(Deadline)");
    assert_eq!(process.status(), Some(Signal::Kill.into()));
    // It may be put off, or not mind.
    ground.log().forget();
    let keeper = kid(&ground).timed_out(|process| {
        process.close(0);
        Ok(())
    });
    let process = spawn(&ground, ground.program("cat"), keeper)?;
    process.set_deadline(Some(Duration::from_millis(1)));
    process.set_deadline(None);
    ground.settle().await;
    assert!(!ground.log().of("kid").contains(&"timed out Deadline".to_owned()));
    process.set_deadline(Some(ground.moment()));
    assert_eq!(ended(&ground).await, "Closed");
    assert!(ground.log().of("kid").contains(&"timed out Deadline".to_owned()));
    Ok(())
}

async fn an_idle_time_is_told_and_traffic_puts_it_off(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("cat"), kid(&ground).timed_out(|_| Ok(())))?;
    ground.log().heard("kid", "started").await;
    let idle = Duration::from_secs(20);
    if ground.is_simulated() {
        process.set_timeout(Some(idle));
        for _ in 0..4 {
            ground.reactor().sleep(idle * 3 / 4).await;
            process.write(0, b"x");
        }
        assert!(!ground.log().of("kid").contains(&"timed out Idle".to_owned()));
        let before = ground.reactor().now();
        ground.log().heard("kid", "timed out Idle").await;
        let silent = ground.reactor().now() - before;
        assert!(silent >= idle && silent < idle + Duration::from_secs(1), "{silent:?}");
    } else {
        process.set_timeout(Some(ground.moment()));
        ground.log().heard("kid", "timed out Idle").await;
    }
    process.set_timeout(None);
    process.close(0);
    assert_eq!(ended(&ground).await, "Closed");
    Ok(())
}

async fn a_pipe_can_be_given_to_a_coroutine(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("cat"), kid(&ground))?;
    ground.log().heard("kid", "started").await;
    let mut output = process.pipe(1).unwrap().switch_to_stream();
    process.write(0, b"line one\r\n");
    assert_eq!(output.line(80).await?.as_deref(), Some(&b"line one"[..]));
    process.close(0);
    assert_eq!(output.line(80).await?, None);
    output.close().await?;
    assert_eq!(ended(&ground).await, "Closed");
    assert!(ground.log().of("kid").contains(&"closed 1 Switched".to_owned()));
    assert_eq!(ground.log().count("1"), 0);
    Ok(())
}

async fn a_pipe_throttles_another(ground: Ground) -> Result {
    // What one copies goes to the other, as fast as that takes it.
    let text = bytes(ground.scaled(200_000, 2_000_000));
    let second = spawn(&ground, ground.program("cat"), kid(&ground))?;
    ground.log().heard("kid", "started").await;
    let (to, peak) = (second.clone(), Rc::new(Cell::new(0)));
    let most = peak.clone();
    let first = Keeper::new(&ground, "first")
        .started({
            let to = second.clone();
            move |process| {
                to.pipe(0).unwrap().throttle(&process.pipe(1).unwrap());
                Ok(())
            }
        })
        .received(move |_, which, input| {
            if which == 1 {
                to.write(0, input.rest());
                most.set(most.get().max(to.pipe(0).map_or(0, |pipe| pipe.counts().unsent)));
            }
            Ok(())
        })
        .closed({
            let to = second.clone();
            move |_, which| {
                if which == 1 {
                    to.close(0);
                }
                Ok(())
            }
        });
    let first = spawn(&ground, ground.program("cat"), first)?;
    first.write(0, &text);
    first.close(0);
    ended(&ground).await;
    assert!(ground.log().bytes("1") == text);
    assert!(peak.get() < 64 * 1024 + 200_000, "{} bytes waited", peak.get());
    first.ended().await?;
    Ok(())
}

async fn a_child_is_among_what_is_left(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("sleep"), kid(&ground))?;
    ground.log().heard("kid", "started").await;
    let left = trenza_core::Leftover {
        kind: LeftKind::Process,
        name: "sleep (12)".into(),
        made: std::panic::Location::caller(),
    };
    assert!(left.to_string().starts_with("a child process, sleep (12), made at "), "{left}");
    process.abort();
    ended(&ground).await;
    Ok(())
}

async fn one_shot_output(ground: Ground) -> Result {
    let said = ground.reactor().output(ground.program("say").args(["out", "err", "6"])).await?;
    assert_eq!(
        (said.stdout, said.stderr, said.status),
        (b"out".to_vec(), b"err".to_vec(), ExitStatus::Code(6))
    );
    let text = bytes(300_000);
    let said = ground.reactor().output(ground.program("cat").input(text.clone())).await?;
    assert!(said.stdout == text && said.status.success());
    // Without input there is an end of it.
    assert_eq!(ground.reactor().output(ground.program("cat")).await?.stdout, b"");
    Ok(())
}

async fn one_shot_status(ground: Ground) -> Result {
    let status = ground.reactor().status(ground.program("say").args(["out", "err", "6"])).await?;
    assert_eq!(status, ExitStatus::Code(6));
    Ok(())
}

async fn one_shot_output_is_limited(ground: Ground) -> Result {
    let cat = ground.program("cat").input(bytes(100_000));
    let error = ground.reactor().output(cat.output_max(99_999)).await.unwrap_err();
    let named = error.downcast_ref::<OutputTooLong>().unwrap();
    assert_eq!((named.which, named.max), (1, 99_999));
    let cat = ground.program("cat").input(bytes(100_000));
    assert_eq!(ground.reactor().output(cat.output_max(100_000)).await?.stdout.len(), 100_000);
    Ok(())
}

async fn one_shot_time_is_limited(ground: Ground) -> Result {
    let sleep = || ground.program("sleep").time_limit(ground.moment());
    let error = ground.reactor().output(sleep()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("the deadline passed"), "{error}");
    assert!(ground.reactor().status(sleep()).await.is_err());
    Ok(())
}

async fn a_one_shot_that_nobody_waits_for_is_ended(ground: Ground) -> Result {
    drop(ground.reactor().output(ground.program("sleep")));
    drop(ground.reactor().status(ground.program("sleep")));
    let running = ground.reactor().output(ground.program("sleep"));
    ground.settle().await;
    drop(running);
    // The ground looks that nothing is left.
    Ok(())
}

/// At the end of the loop `kid` has heard exactly this.
fn expect(ground: &Ground, heard: &'static [&'static str]) {
    let log = ground.log().clone();
    ground.after_loop(move || assert_eq!(sorted(log.of("kid")), heard));
}

async fn a_stop_asks_children_to_end(ground: Ground) -> Result {
    let process = spawn(&ground, ground.program("catch"), kid(&ground))?;
    ground.log().received("1", 5).await;
    expect(
        &ground,
        &[
            "closed 0 Io(BrokenPipe)",
            "closed 1 PeerClosed",
            "closed 2 PeerClosed",
            "ended Closed",
            "eof 1",
            "eof 2",
            "exited exit code 3",
            "started",
            "stopping",
        ],
    );
    process.reactor().stop();
    Ok(())
}

async fn a_stop_ends_children_that_do_not(ground: Ground) -> Result {
    ground.reactor().set_grace(ground.moment());
    let process = spawn(&ground, ground.program("stubborn"), kid(&ground))?;
    ground.log().received("1", 5).await;
    let log = ground.log().clone();
    ground.after_loop(move || {
        assert_eq!(log.of("kid"), ["started", "stopping", "ended Stopped"]);
        assert_eq!(process.status(), Some(Signal::Kill.into()));
    });
    ground.reactor().stop();
    Ok(())
}

async fn a_protocol_may_see_to_its_child_when_it_stops(ground: Ground) -> Result {
    let keeper = kid(&ground).stopping(|process| {
        process.write(0, b"last words");
        process.close(0);
        Ok(())
    });
    let process = spawn(&ground, ground.program("cat"), keeper)?;
    ground.log().heard("kid", "started").await;
    let log = ground.log().clone();
    ground.after_loop(move || {
        assert_eq!(log.bytes("1"), b"last words");
        assert_eq!(process.status(), Some(ExitStatus::Code(0)));
    });
    ground.reactor().stop();
    Ok(())
}

async fn nothing_is_started_while_stopping(ground: Ground) -> Result {
    let log = ground.log().clone();
    let (again, seen) = (ground.clone(), log.clone());
    let keeper = kid(&ground).stopping(move |process| {
        let refused = again.reactor().spawn_process(again.program("cat"), Bare);
        seen.note("refused", refused.unwrap_err().to_string());
        process.terminate();
        Ok(())
    });
    spawn(&ground, ground.program("sleep"), keeper)?;
    log.heard("kid", "started").await;
    ground.reactor().stop();
    ground.after_loop(move || assert_eq!(log.of("refused"), ["the reactor stopped"]));
    Ok(())
}

async fn a_child_that_begins_while_stopping_is_ended(ground: Ground) -> Result {
    ground.reactor().stop();
    let process = spawn(&ground, ground.program("sleep"), kid(&ground))?;
    let log = ground.log().clone();
    ground.after_loop(move || {
        assert_eq!(process.status().and_then(|status| status.signal()), Some(Signal::Terminate));
        assert_eq!(log.of("kid").last().unwrap(), "ended Closed");
    });
    Ok(())
}

async fn output_after_the_exit_is_heard(ground: Ground) -> Result {
    let later = Command::new("sh").args(["-c", "(sleep 0.1; printf late) & exit 9"]);
    let process = spawn(&ground, later, kid(&ground))?;
    assert_eq!(process.exited().await?, ExitStatus::Code(9));
    assert_eq!(ground.log().count("1"), 0);
    assert_eq!(ended(&ground).await, "Closed");
    assert_eq!(ground.log().bytes("1"), b"late");
    Ok(())
}

async fn groups_are_signalled_together(ground: Ground) -> Result {
    let family = || Command::new("sh").args(["-c", "sleep 1000 & printf ready; wait"]).new_session();
    let process = spawn(&ground, family(), kid(&ground))?;
    ground.log().received("1", 5).await;
    process.signal_group(Signal::Terminate)?;
    // The pipes are closed only when the grandchild is gone too.
    assert_eq!(ended(&ground).await, "Closed");
    ground.log().forget();
    let process = spawn(&ground, family(), kid(&ground))?;
    ground.log().received("1", 5).await;
    process.terminate();
    assert_eq!(ended(&ground).await, "Closed");
    Ok(())
}

async fn a_stop_closes_pipes_that_others_hold(ground: Ground) -> Result {
    let process = spawn(&ground, Command::new("sh").args(["-c", "sleep 2 & exit 0"]), kid(&ground))?;
    process.exited().await?;
    let log = ground.log().clone();
    ground.after_loop(move || assert_eq!(log.of("kid").last().unwrap(), "ended Closed"));
    ground.reactor().stop();
    Ok(())
}
