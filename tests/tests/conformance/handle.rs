//! Handles, attached guards and tasks of a connection, and its id.

use crate::{
    actor::{Actor, Plain},
    drivers::ON_PURPOSE,
    ground::{Ground, to},
};
use std::{
    cell::Cell,
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
    time::Duration,
};
use trenza_core::{ConnectionId, Input, Protocol, Reason, Result, Transport};

cases! {
    a_call_reaches_the_protocol_in_a_coming_step
    calls_keep_their_order_among_all_that_is_queued
    a_call_finds_what_a_protocol_wraps
    a_call_to_a_protocol_of_another_type_is_dropped
    a_call_to_a_protocol_that_is_gone_is_dropped
    a_call_may_call_again
    calls_without_end_do_not_keep_other_threads_out
    the_error_of_a_call_aborts
    call_later_calls_later
    call_later_is_cancelled_with_its_timer
    call_later_to_a_protocol_that_is_gone_is_dropped
    a_guard_is_dropped_once_when_the_connection_ends
    a_guard_outlives_a_switch
    a_guard_attached_to_an_ended_connection_is_dropped
    a_task_of_a_connection_ends_with_it
    the_error_of_a_task_ends_its_connection
    the_panic_of_a_task_ends_its_connection
    a_task_that_has_ended_leaves_its_connection_alone
    a_task_spawned_on_an_ended_connection_never_runs
    an_id_finds_its_connection_until_it_ends
    an_id_never_finds_the_next_connection_in_its_place
    transports_of_one_connection_are_equal
    every_connection_is_listed_once
}

async fn plain(ground: &Ground) -> Result<(Transport, Transport)> {
    ground.pair(Actor::new(ground, "srv"), Actor::new(ground, "cli")).await
}

/// Notes a call.
fn calls(ground: &Ground, n: u32) -> impl FnOnce(&mut Actor, &Transport) -> Result + 'static {
    let log = ground.log().clone();
    move |_, _| {
        log.note("call", n.to_string());
        Ok(())
    }
}

async fn a_call_reaches_the_protocol_in_a_coming_step(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    srv.handle::<Actor>().call(calls(&ground, 1));
    assert_eq!(ground.log().of("call"), [""; 0], "not within call()");
    ground.log().heard("call", "1").await;
    assert_eq!(*srv.handle::<Actor>().transport(), srv);
    cli.close();
    Ok(())
}

async fn calls_keep_their_order_among_all_that_is_queued(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    let handle = srv.handle::<Actor>();
    handle.call(calls(&ground, 1));
    handle.clone().call(calls(&ground, 2));
    let (deferred, resolver) = ground.reactor().deferred();
    let log = ground.log().clone();
    deferred.then(move |_: Result| log.note("call", "3"));
    resolver.fire(Ok(()));
    srv.handle::<Actor>().call(calls(&ground, 4));
    srv.switch_to(Actor::new(&ground, "next"));
    handle.call(calls(&ground, 5));
    ground.log().heard("call", "5").await;
    assert_eq!(ground.log().of("call"), ["1", "2", "3", "4", "5"]);
    let lines = ground.log().lines();
    let place = |line: &str| lines.iter().position(|other| other == line).unwrap();
    assert!(place("call 4") < place("srv lost Switched") && place("next made") < place("call 5"));
    cli.close();
    Ok(())
}

/// Wraps another protocol.
struct Wrapper<P>(P);

impl<P: Protocol> Protocol for Wrapper<P> {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        self.0.connection_made(transport)
    }
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        self.0.data_received(transport, input)
    }
    fn connection_lost(&mut self, transport: &Transport, reason: &Reason) {
        self.0.connection_lost(transport, reason);
    }
    fn inner(&mut self) -> Option<&mut dyn Protocol> {
        Some(&mut self.0)
    }
}

async fn a_call_finds_what_a_protocol_wraps(ground: Ground) -> Result {
    let boxed: Box<dyn Protocol> = Box::new(Wrapper(Actor::new(&ground, "srv")));
    let (srv, cli) = ground.pair(Wrapper(boxed), Actor::new(&ground, "cli")).await?;
    srv.handle::<Actor>().call(calls(&ground, 1));
    let log = ground.log().clone();
    srv.handle::<Wrapper<Actor>>().call(move |wrapper, transport| {
        log.note("call", "2");
        wrapper.0.data_received(transport, &mut Input::new(b"inside", &Cell::new(false), 9))
    });
    ground.log().received("srv", 6).await;
    assert_eq!(ground.log().of("call"), ["1", "2"]);
    cli.close();
    Ok(())
}

async fn a_call_to_a_protocol_of_another_type_is_dropped(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    let held = Rc::new(());
    let inner = held.clone();
    srv.handle::<Plain>().call(move |_, _| {
        drop(inner);
        panic!("there is no such protocol")
    });
    ground.settle().await;
    assert_eq!(Rc::strong_count(&held), 1, "what it held is dropped");
    assert!(srv.is_open());
    cli.close();
    Ok(())
}

async fn a_call_to_a_protocol_that_is_gone_is_dropped(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    let handle = srv.handle::<Actor>();
    srv.abort();
    let held = Rc::new(());
    for _ in 0..2 {
        let inner = held.clone();
        handle.call(move |_, _| {
            drop(inner);
            panic!("the connection is gone")
        });
        ground.log().lost("srv").await;
    }
    ground.settle().await;
    assert_eq!(Rc::strong_count(&held), 1);
    Ok(())
}

async fn a_call_may_call_again(ground: Ground) -> Result {
    fn again(ground: &Ground, transport: &Transport, left: u32) {
        let inner = ground.clone();
        transport.handle::<Actor>().call(move |_, transport| {
            if left > 0 {
                again(&inner, transport, left - 1);
            } else {
                inner.log().note("call", "done");
            }
            Ok(())
        });
    }
    let (srv, cli) = plain(&ground).await?;
    // More than the loop does in a turn: others have their turn in between.
    again(&ground, &srv, 10_000);
    cli.write(b"meanwhile");
    ground.log().heard("call", "done").await;
    ground.log().received("srv", 9).await;
    cli.close();
    Ok(())
}

async fn calls_without_end_do_not_keep_other_threads_out(ground: Ground) -> Result {
    fn again(transport: &Transport) {
        transport.handle::<Actor>().call(|_, transport| {
            again(transport);
            Ok(())
        });
    }
    let (srv, _) = plain(&ground).await?;
    again(&srv);
    let id = srv.id();
    ground.reactor().remote().call(move |reactor| reactor.connection(id).unwrap().abort());
    assert_eq!(ground.log().lost("srv").await, "Aborted");
    Ok(())
}

async fn the_error_of_a_call_aborts(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    srv.handle::<Actor>().call(|_, _| Err("no".into()));
    assert_eq!(ground.log().lost("srv").await, "Failed(no)");
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    Ok(())
}

async fn call_later_calls_later(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    let due = ground.reactor().now() + ground.moment();
    let timer = srv.handle::<Actor>().call_later(ground.moment(), calls(&ground, 1));
    assert!(timer.is_pending());
    ground.log().heard("call", "1").await;
    assert!(ground.reactor().now() >= due && !timer.is_pending());
    cli.close();
    Ok(())
}

async fn call_later_is_cancelled_with_its_timer(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    drop(srv.handle::<Actor>().call_later(Duration::ZERO, calls(&ground, 1)));
    ground.settle().await;
    assert_eq!(ground.log().of("call"), [""; 0]);
    cli.close();
    Ok(())
}

async fn call_later_to_a_protocol_that_is_gone_is_dropped(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    let timer = srv.handle::<Actor>().call_later(ground.moment(), calls(&ground, 1));
    cli.close();
    ground.log().lost("srv").await;
    ground.reactor().sleep(2 * ground.moment()).await;
    assert_eq!(ground.log().of("call"), [""; 0]);
    assert!(!timer.is_pending());
    Ok(())
}

/// Notes its drop.
struct Guard(Ground, &'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.log().note("guard", self.1);
    }
}

async fn a_guard_is_dropped_once_when_the_connection_ends(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    srv.attach(Guard(ground.clone(), "one"));
    srv.attach(Guard(ground.clone(), "two"));
    ground.settle().await;
    assert_eq!(ground.log().of("guard"), [""; 0]);
    cli.close();
    ground.log().heard("guard", "two").await;
    assert_eq!(ground.log().of("guard"), ["one", "two"]);
    let lines = ground.log().lines();
    let place = |line: &str| lines.iter().position(|other| other == line).unwrap();
    assert!(place("srv lost PeerClosed") < place("guard one"), "the protocol hears first");
    Ok(())
}

async fn a_guard_outlives_a_switch(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    srv.attach(Guard(ground.clone(), "dropped"));
    srv.switch_to(Actor::new(&ground, "next"));
    ground.log().heard("next", "made").await;
    ground.settle().await;
    assert_eq!(ground.log().of("guard"), [""; 0]);
    cli.close();
    ground.log().heard("guard", "dropped").await;
    Ok(())
}

async fn a_guard_attached_to_an_ended_connection_is_dropped(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    cli.close();
    ground.log().lost("srv").await;
    srv.attach(Guard(ground.clone(), "dropped"));
    ground.log().heard("guard", "dropped").await;
    Ok(())
}

async fn a_task_of_a_connection_ends_with_it(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    let guard = Guard(ground.clone(), "dropped");
    srv.spawn(async move {
        std::future::pending::<()>().await;
        drop(guard);
        Ok(())
    });
    ground.settle().await;
    assert_eq!(ground.log().of("guard"), [""; 0]);
    cli.abort();
    ground.log().heard("guard", "dropped").await;
    Ok(())
}

async fn the_error_of_a_task_ends_its_connection(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    let reactor = ground.reactor().clone();
    srv.spawn(async move {
        reactor.sleep(Duration::from_millis(1)).await;
        Err("task".into())
    });
    assert_eq!(ground.log().lost("srv").await, "Failed(task)");
    Ok(())
}

async fn the_panic_of_a_task_ends_its_connection(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    let other = ground.pair(Actor::new(&ground, "other"), Plain).await?;
    let reactor = ground.reactor().clone();
    srv.spawn(async move {
        reactor.sleep(Duration::from_millis(1)).await;
        panic!("{ON_PURPOSE}")
    });
    assert_eq!(ground.log().lost("srv").await, "Panicked");
    ground.settle().await;
    assert!(other.0.is_open());
    other.0.close();
    Ok(())
}

async fn a_task_that_has_ended_leaves_its_connection_alone(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    let inner = ground.clone();
    srv.spawn(async move {
        inner.log().note("task", "done");
        Ok(())
    });
    ground.log().heard("task", "done").await;
    ground.settle().await;
    assert!(srv.is_open());
    cli.close();
    Ok(())
}

async fn a_task_spawned_on_an_ended_connection_never_runs(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    cli.close();
    ground.log().lost("srv").await;
    let guard = Guard(ground.clone(), "dropped");
    srv.spawn(async move {
        drop(guard);
        panic!("its connection is gone")
    });
    ground.log().heard("guard", "dropped").await;
    Ok(())
}

async fn an_id_finds_its_connection_until_it_ends(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    assert_eq!(ground.reactor().connection(srv.id()), Some(srv.clone()));
    assert_ne!(srv.id(), cli.id());
    let id = srv.id();
    cli.close();
    ground.log().lost("srv").await;
    assert_eq!(ground.reactor().connection(id), None);
    Ok(())
}

async fn an_id_never_finds_the_next_connection_in_its_place(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    let mut gone: Vec<ConnectionId> = Vec::new();
    let ended = Rc::new(Cell::new(0));
    for round in 0..40 {
        let seen = ended.clone();
        let cli = Actor::new(&ground, "cli").lost(move |_, _| seen.set(seen.get() + 1));
        let cli = ground.reactor().connect(&to(&port), |_| cli).await?;
        let here = ground.reactor().connections();
        assert!(here.iter().all(|one| !gone.contains(&one.id())), "round {round}");
        assert!(gone.iter().all(|id| ground.reactor().connection(*id).is_none()), "round {round}");
        gone.push(cli.id());
        if round % 2 == 0 {
            cli.abort()
        } else {
            cli.close()
        }
        ground.until(|| ended.get() == round + 1).await;
    }
    assert_eq!(gone.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len(), 40);
    Ok(())
}

async fn transports_of_one_connection_are_equal(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    let again = ground.reactor().connection(srv.id()).unwrap();
    assert_eq!(srv, again);
    assert_ne!(srv, cli);
    let hash = |transport: &Transport| {
        let mut hasher = DefaultHasher::new();
        transport.hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(&srv), hash(&again));
    assert_ne!(hash(&srv), hash(&cli));
    cli.close();
    Ok(())
}

async fn every_connection_is_listed_once(ground: Ground) -> Result {
    assert!(ground.reactor().connections().is_empty());
    let (srv, cli) = plain(&ground).await?;
    let all = ground.reactor().connections();
    assert_eq!(all.len(), 2);
    assert!(all.contains(&srv) && all.contains(&cli));
    cli.close();
    ground.until(|| ground.reactor().connections().is_empty()).await;
    Ok(())
}
