//! The end of the loop: ports stop, protocols hear of it and may finish, the rest is aborted.

use crate::{
    actor::{Actor, Plain},
    drivers::ON_PURPOSE,
    ground::{Ground, bytes, to},
};
use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_core::{Factory, Limits, Protocol, Reactor, Result, Stream, Transport};

cases! {
    a_loop_with_nothing_to_do_ends
    protocols_hear_stopping_once_and_close
    a_protocol_may_finish_what_it_is_at
    what_is_not_done_in_time_is_aborted
    a_second_stop_is_harmless
    ports_stop_accepting
    factories_hear_that_they_are_stopped
    a_connect_on_its_way_is_an_error
    a_connect_begun_while_stopping_is_an_error
    a_listen_while_stopping_ends_with_the_loop
    a_connection_whose_layers_are_not_ready_is_aborted
    streams_hear_stopping
    a_lingering_connection_does_not_outlive_the_grace
    a_panic_while_stopping_does_not_keep_the_rest_from_it
    coroutines_that_wait_are_dropped_with_the_loop
    a_remote_call_stops_the_loop
}

/// A server and a client that does not end by itself when the loop stops.
async fn pair(ground: &Ground, srv: Actor) -> Result<(Transport, Transport)> {
    let cli = Actor::new(ground, "cli").stopping(|_| Ok(()));
    ground.pair(srv, cli).await
}

/// At the end of the loop the log has exactly these lines of `who`.
fn expect(ground: &Ground, who: &'static str, lines: &'static [&'static str]) {
    let log = ground.log().clone();
    ground.after_loop(move || assert_eq!(log.of(who), lines));
}

async fn a_loop_with_nothing_to_do_ends(ground: Ground) -> Result {
    ground.after_loop(|| ());
    assert!(!ground.reactor().is_stopping());
    ground.reactor().stop();
    assert!(ground.reactor().is_stopping());
    Ok(())
}

async fn protocols_hear_stopping_once_and_close(ground: Ground) -> Result {
    pair(&ground, Actor::new(&ground, "srv")).await?;
    expect(&ground, "srv", &["made", "stopping", "lost Closed"]);
    ground.reactor().stop();
    Ok(())
}

async fn a_protocol_may_finish_what_it_is_at(ground: Ground) -> Result {
    let text = bytes(50_000);
    let said = text.clone();
    let srv = Actor::new(&ground, "srv").stopping(move |transport| {
        let (transport, said) = (transport.clone(), said.clone());
        let later = transport.reactor().clone();
        // Not at once: it is in the middle of something.
        let finish = move || {
            transport.write(&said);
            transport.close();
        };
        later.call_later(Duration::from_millis(5), finish).detach();
        Ok(())
    });
    pair(&ground, srv).await?;
    let log = ground.log().clone();
    ground.after_loop(move || {
        assert!(log.bytes("cli") == text);
        assert_eq!(log.of("srv"), ["made", "stopping", "lost Closed"]);
        assert_eq!(log.of("cli"), ["made", "stopping", "eof", "lost PeerClosed"]);
    });
    ground.reactor().stop();
    Ok(())
}

async fn what_is_not_done_in_time_is_aborted(ground: Ground) -> Result {
    pair(&ground, Actor::new(&ground, "srv").stopping(|_| Ok(()))).await?;
    ground.reactor().set_grace(ground.moment());
    expect(&ground, "srv", &["made", "stopping", "lost Stopped"]);
    ground.reactor().stop();
    Ok(())
}

async fn a_second_stop_is_harmless(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").stopping(|transport| {
        transport.reactor().stop();
        Ok(())
    });
    pair(&ground, srv).await?;
    ground.reactor().set_grace(ground.moment());
    expect(&ground, "srv", &["made", "stopping", "lost Stopped"]);
    ground.reactor().stop();
    ground.reactor().stop();
    ground.turn().await;
    ground.reactor().stop();
    Ok(())
}

async fn ports_stop_accepting(ground: Ground) -> Result {
    let (srv, cli) = pair(&ground, Actor::new(&ground, "srv").stopping(|_| Ok(()))).await?;
    let inner = ground.clone();
    let port = ground.listen(move |_| Actor::new(&inner, "late"));
    ground.settle().await;
    ground.reactor().stop();
    ground.turn().await;
    ground.reactor().connect(&to(&port), |_| Plain).await.unwrap_err();
    let log = ground.log().clone();
    ground.after_loop(move || assert_eq!(log.of("late"), [""; 0]));
    srv.abort();
    cli.abort();
    Ok(())
}

async fn factories_hear_that_they_are_stopped(ground: Ground) -> Result {
    struct Told(Rc<Cell<u32>>);
    impl Factory for Told {
        fn build(&mut self, _: &Transport) -> Option<Box<dyn Protocol>> {
            None
        }
        fn stopped(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let told = Rc::new(Cell::new(0));
    for _ in 0..3 {
        ground.keep(ground.reactor().listen_with("tcp:0:interface=127.0.0.1", Told(told.clone()))?);
    }
    ground.settle().await;
    ground.after_loop(move || assert_eq!(told.get(), 3));
    ground.reactor().stop();
    Ok(())
}

async fn a_connect_on_its_way_is_an_error(ground: Ground) -> Result {
    let (srv, cli) = pair(&ground, Actor::new(&ground, "srv").stopping(|_| Ok(()))).await?;
    let silent = crate::listen::silent(&ground).await?;
    let log = ground.log().clone();
    let connect = ground.reactor().connect(&to(&silent.0), |_| Plain);
    // The driver is at it when the loop stops.
    ground.turn().await;
    connect.then(move |result| {
        log.note("connect", if result.is_ok() { "made" } else { "failed" });
        srv.abort();
        cli.abort();
    });
    let log = ground.log().clone();
    ground.after_loop(move || assert_eq!(log.of("connect"), ["failed"]));
    ground.reactor().stop();
    Ok(())
}

async fn a_connect_begun_while_stopping_is_an_error(ground: Ground) -> Result {
    let (srv, cli) = pair(&ground, Actor::new(&ground, "srv").stopping(|_| Ok(()))).await?;
    ground.reactor().stop();
    ground.turn().await;
    let to = format!("tcp:{}", srv.peer().local);
    ground.reactor().connect(&to, |_| Plain).await.unwrap_err();
    ground.reactor().open(&to).await.unwrap_err();
    ground.after_loop(|| ());
    srv.abort();
    cli.abort();
    Ok(())
}

async fn a_listen_while_stopping_ends_with_the_loop(ground: Ground) -> Result {
    let (srv, cli) = pair(&ground, Actor::new(&ground, "srv").stopping(|_| Ok(()))).await?;
    ground.reactor().stop();
    ground.turn().await;
    if let Ok(port) = ground.listen_on("tcp:0:interface=127.0.0.1", |_| Plain) {
        ground.settle().await;
        ground.reactor().connect(&to(&port), |_| Plain).await.unwrap_err();
    }
    ground.after_loop(|| ());
    srv.abort();
    cli.abort();
    Ok(())
}

async fn a_connection_whose_layers_are_not_ready_is_aborted(ground: Ground) -> Result {
    use trenza_core::IntoEndpoint;
    let inner = ground.clone();
    let on = "tcp:0:interface=127.0.0.1".into_endpoint()?;
    let on = on.layered(|| vec![Box::new(trenza_tests::Xor::server(1))]);
    let port = ground.listen_on(on, move |_| Actor::new(&inner, "srv"))?;
    let cli = Actor::new(&ground, "cli").stopping(|_| Ok(()));
    ground.reactor().connect(&to(&port), |_| cli).await?;
    ground.until(|| port.connections() == 1).await;
    let log = ground.log().clone();
    ground.after_loop(move || {
        assert_eq!(log.of("srv"), [""; 0]);
        assert_eq!(log.of("cli"), ["made", "stopping", "lost Io(ConnectionReset)"]);
    });
    ground.reactor().stop();
    Ok(())
}

async fn streams_hear_stopping(ground: Ground) -> Result {
    let log = ground.log().clone();
    let serve = move |stream: Stream| {
        let log = log.clone();
        async move {
            log.note("srv", "serving");
            stream.stopping().await;
            log.note("srv", "stopping");
            stream.close().await
        }
    };
    let port = ground.keep(ground.reactor().serve("tcp:0:interface=127.0.0.1", serve)?);
    let cli = Actor::new(&ground, "cli").stopping(|_| Ok(()));
    ground.reactor().connect(&to(&port), |_| cli).await?;
    ground.log().heard("srv", "serving").await;
    let log = ground.log().clone();
    ground.after_loop(move || {
        assert_eq!(log.of("srv"), ["serving", "stopping"]);
        assert_eq!(log.of("cli"), ["made", "stopping", "eof", "lost PeerClosed"]);
    });
    ground.reactor().stop();
    Ok(())
}

async fn a_lingering_connection_does_not_outlive_the_grace(ground: Ground) -> Result {
    let hour = Duration::from_secs(3600);
    let cli = Actor::new(&ground, "cli").stopping(|_| Ok(())).stays();
    let (srv, _) = ground.pair(Actor::new(&ground, "srv"), cli).await?;
    srv.set_limits(Limits { linger: hour, drain: hour, ..Limits::default() });
    ground.reactor().set_grace(ground.moment());
    let log = ground.log().clone();
    ground.after_loop(move || assert_eq!(log.of("srv").last().unwrap(), "lost Stopped"));
    ground.reactor().stop();
    Ok(())
}

async fn a_panic_while_stopping_does_not_keep_the_rest_from_it(ground: Ground) -> Result {
    for n in 0..3 {
        let srv = Actor::new(&ground, "srv").stopping(move |transport| {
            assert!(n != 1, "{ON_PURPOSE}");
            transport.close();
            Ok(())
        });
        pair(&ground, srv).await?;
    }
    let log = ground.log().clone();
    ground.after_loop(move || {
        let mut lost = log.of("srv");
        lost.retain(|line| line.starts_with("lost"));
        lost.sort();
        assert_eq!(lost, ["lost Closed", "lost Closed", "lost Panicked"]);
    });
    ground.reactor().stop();
    Ok(())
}

async fn coroutines_that_wait_are_dropped_with_the_loop(ground: Ground) -> Result {
    let held = Rc::new(());
    for _ in 0..3 {
        let inner = held.clone();
        let task = async move {
            std::future::pending::<()>().await;
            drop(inner);
            Ok(())
        };
        ground.reactor().spawn(task).detach();
    }
    ground.after_loop(move || assert_eq!(Rc::strong_count(&held), 1));
    ground.reactor().stop();
    Ok(())
}

async fn a_remote_call_stops_the_loop(ground: Ground) -> Result {
    let remote = ground.reactor().remote();
    let later = remote.clone();
    ground.after_loop(move || assert!(!later.call(|_| ()), "the loop is gone"));
    assert!(remote.call(Reactor::stop));
    Ok(())
}
