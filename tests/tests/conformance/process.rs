//! Child processes: what they are started with, and their pipes.

use crate::{
    ground::{Ground, bytes},
    keeper::{Bare, Keeper, ended, kid, sorted, spawn},
    programs::Census,
};
use std::{cell::Cell, io, rc::Rc};
use trenza_core::{
    Command, ExitStatus, Limit, Limits, Process, ProcessProtocol, Reason, Result, Signal, SpawnError,
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
    descriptors_above_two_are_pipes_too
    a_descriptor_may_go_both_ways
    a_descriptor_may_lead_nowhere
    a_terminal_is_one
    its_environment_is_what_was_said
    it_begins_in_its_directory
    a_missing_program_is_an_error_that_names_it
    two_hundred_at_once
    handles_reach_the_protocol_until_it_ends
    a_pipe_can_be_given_to_a_coroutine
    a_pipe_throttles_another
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
