//! The end of child processes: signals, errors, times, and the end of the loop.

use crate::{
    drivers::ON_PURPOSE,
    ground::Ground,
    keeper::{Bare, Keeper, ended, kid, sorted, spawn},
};
use std::{cell::Cell, io, rc::Rc, time::Duration};
use trenza_core::{Command, ExitStatus, Result, Signal};

cases! {
    a_signal_ends_it
    a_signal_may_be_caught
    a_signal_after_the_exit_is_an_error
    there_is_no_group_to_be_signalled
    abort_ends_it_at_once
    an_error_ends_it_with_that_reason
    a_panic_ends_it_and_is_told
    an_error_at_its_exit_is_told_as_well
    dropping_handles_changes_nothing
    kill_on_drop_ends_it
    its_end_can_be_waited_for
    a_deadline_ends_it
    an_idle_time_is_told_and_traffic_puts_it_off
    a_stop_asks_children_to_end
    a_stop_ends_children_that_do_not
    a_protocol_may_see_to_its_child_when_it_stops
    nothing_is_started_while_stopping
    a_child_that_begins_while_stopping_is_ended
}

cases! {
    of real systems only:
    output_after_the_exit_is_heard
    groups_are_signalled_together
    a_stop_closes_pipes_that_others_hold
}

/// At the end of the loop `kid` has heard exactly this.
fn expect(ground: &Ground, heard: &'static [&'static str]) {
    let log = ground.log().clone();
    ground.after_loop(move || assert_eq!(sorted(log.of("kid")), heard));
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
