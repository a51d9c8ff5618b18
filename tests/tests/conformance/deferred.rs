//! Results that come later, coroutines, and other threads.

use crate::{
    actor::{Actor, Plain},
    drivers::ON_PURPOSE,
    ground::Ground,
};
use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_core::{Abandoned, Reactor, Result, timeout};

cases! {
    a_result_can_be_awaited
    a_result_that_came_before_can_be_awaited
    then_is_called_from_the_loop
    then_is_called_with_a_result_that_came_before
    an_error_is_a_result
    detach_lets_it_run
    dropping_a_deferred_cancels
    cancelling_runs_on_cancel_from_the_loop
    a_wait_that_is_dropped_cancels
    on_cancel_is_not_run_when_the_result_is_taken
    an_untaken_result_is_cancelled
    dropping_the_resolver_is_an_error
    a_resolver_knows_that_nobody_waits
    then_in_reaches_its_protocol
    then_in_of_a_lost_connection_cancels
    then_in_of_a_connection_that_is_lost_meanwhile_cancels
    then_in_whose_protocol_has_switched_drops_the_result
    the_error_of_then_in_aborts
    a_coroutine_gives_its_result
    dropping_the_result_of_a_coroutine_drops_it
    a_coroutine_may_drop_its_own_result
    the_panic_of_a_coroutine_is_an_error
    many_coroutines_take_turns
    a_coroutine_that_wakes_itself_lets_others_run
    a_blocking_call_gives_its_result
    the_panic_of_a_blocking_call_is_an_error
    dropping_the_result_of_a_blocking_call_drops_the_answer
    blocking_calls_of_many_give_each_its_own
    a_remote_result_is_given_by_its_resolver
    a_remote_resolver_that_is_dropped_is_an_error
    the_current_reactor_is_this_one
}

async fn a_result_can_be_awaited(ground: Ground) -> Result {
    let (deferred, resolver) = ground.reactor().deferred();
    ground.reactor().call_later(Duration::from_millis(1), move || resolver.fire(Ok(7))).detach();
    assert_eq!(deferred.await?, 7);
    Ok(())
}

async fn a_result_that_came_before_can_be_awaited(ground: Ground) -> Result {
    let (deferred, resolver) = ground.reactor().deferred();
    resolver.fire(Ok(7));
    ground.settle().await;
    assert_eq!(deferred.await?, 7);
    Ok(())
}

async fn then_is_called_from_the_loop(ground: Ground) -> Result {
    let (deferred, resolver) = ground.reactor().deferred();
    let log = ground.log().clone();
    deferred.then(move |result: Result<u8>| log.note("then", result.unwrap().to_string()));
    resolver.fire(Ok(7));
    assert_eq!(ground.log().of("then"), [""; 0], "not within fire()");
    ground.log().heard("then", "7").await;
    Ok(())
}

async fn then_is_called_with_a_result_that_came_before(ground: Ground) -> Result {
    let (deferred, resolver) = ground.reactor().deferred();
    resolver.fire(Ok(7));
    let log = ground.log().clone();
    deferred.then(move |result: Result<u8>| log.note("then", result.unwrap().to_string()));
    assert_eq!(ground.log().of("then"), [""; 0], "not within then()");
    ground.log().heard("then", "7").await;
    Ok(())
}

async fn an_error_is_a_result(ground: Ground) -> Result {
    let (deferred, resolver) = ground.reactor().deferred::<()>();
    resolver.fire(Err("no".into()));
    assert_eq!(deferred.await.unwrap_err().to_string(), "no");
    Ok(())
}

async fn detach_lets_it_run(ground: Ground) -> Result {
    let inner = ground.clone();
    let task = async move {
        inner.turn().await;
        inner.log().note("task", "done");
        Err::<(), _>("nobody looks".into())
    };
    ground.reactor().spawn(task).detach();
    ground.log().heard("task", "done").await;
    Ok(())
}

/// A deferred that notes when it is cancelled.
fn noted(ground: &Ground) -> (trenza_core::Deferred<u8>, trenza_core::Resolver<u8>) {
    let (deferred, resolver) = ground.reactor().deferred();
    let log = ground.log().clone();
    resolver.on_cancel(move || log.note("deferred", "cancelled"));
    (deferred, resolver)
}

async fn dropping_a_deferred_cancels(ground: Ground) -> Result {
    let (deferred, resolver) = noted(&ground);
    assert!(!resolver.is_cancelled());
    drop(deferred);
    assert!(resolver.is_cancelled());
    ground.log().heard("deferred", "cancelled").await;
    resolver.fire(Ok(1));
    Ok(())
}

async fn cancelling_runs_on_cancel_from_the_loop(ground: Ground) -> Result {
    let (deferred, resolver) = noted(&ground);
    deferred.cancel();
    assert_eq!(ground.log().of("deferred"), [""; 0], "not within cancel()");
    ground.log().heard("deferred", "cancelled").await;
    drop(resolver);
    ground.settle().await;
    assert_eq!(ground.log().of("deferred"), ["cancelled"], "once");
    Ok(())
}

async fn a_wait_that_is_dropped_cancels(ground: Ground) -> Result {
    let (deferred, resolver) = noted(&ground);
    timeout(Duration::from_millis(1), deferred).await.unwrap_err();
    assert!(resolver.is_cancelled());
    ground.log().heard("deferred", "cancelled").await;
    Ok(())
}

async fn on_cancel_is_not_run_when_the_result_is_taken(ground: Ground) -> Result {
    for how in 0..3 {
        let (deferred, resolver) = noted(&ground);
        match how {
            0 => {
                resolver.fire(Ok(1));
                deferred.await?;
            }
            1 => {
                deferred.then(drop);
                resolver.fire(Ok(1));
            }
            _ => {
                deferred.detach();
                resolver.fire(Ok(1));
            }
        }
        ground.settle().await;
        assert_eq!(ground.log().of("deferred"), [""; 0]);
    }
    Ok(())
}

async fn an_untaken_result_is_cancelled(ground: Ground) -> Result {
    let (deferred, resolver) = noted(&ground);
    resolver.fire(Ok(1));
    ground.settle().await;
    drop(deferred);
    ground.log().heard("deferred", "cancelled").await;
    Ok(())
}

async fn dropping_the_resolver_is_an_error(ground: Ground) -> Result {
    let (deferred, resolver) = ground.reactor().deferred::<()>();
    drop(resolver);
    assert!(deferred.await.unwrap_err().is::<Abandoned>());
    Ok(())
}

async fn a_resolver_knows_that_nobody_waits(ground: Ground) -> Result {
    let (deferred, resolver) = ground.reactor().deferred::<()>();
    assert!(!resolver.is_cancelled());
    deferred.detach();
    assert!(!resolver.is_cancelled(), "it runs on");
    let (deferred, resolver) = ground.reactor().deferred::<()>();
    deferred.then(|_| ());
    assert!(!resolver.is_cancelled());
    Ok(())
}

async fn then_in_reaches_its_protocol(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Plain).await?;
    for came_before in [false, true] {
        let (deferred, resolver) = ground.reactor().deferred();
        let mut resolver = Some(resolver);
        if came_before {
            resolver.take().unwrap().fire(Ok(7));
        }
        let (log, own) = (ground.log().clone(), srv.clone());
        deferred.then_in(srv.handle::<Actor>(), move |_, transport, result| {
            assert_eq!(*transport, own);
            log.note("then", format!("{came_before} {}", result?));
            Ok(())
        });
        resolver.into_iter().for_each(|resolver| resolver.fire(Ok(7)));
        ground.log().heard("then", &format!("{came_before} 7")).await;
    }
    cli.close();
    Ok(())
}

async fn then_in_of_a_lost_connection_cancels(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Plain).await?;
    cli.close();
    ground.log().lost("srv").await;
    let (deferred, resolver) = noted(&ground);
    deferred.then_in(srv.handle::<Actor>(), |_, _, _| panic!("the connection is gone"));
    assert!(resolver.is_cancelled());
    ground.log().heard("deferred", "cancelled").await;
    Ok(())
}

async fn then_in_of_a_connection_that_is_lost_meanwhile_cancels(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Plain).await?;
    let (deferred, resolver) = noted(&ground);
    deferred.then_in(srv.handle::<Actor>(), |_, _, _| panic!("the connection is gone"));
    let inner = ground.clone();
    let forever = async move {
        std::future::pending::<()>().await;
        drop(inner);
        Ok(())
    };
    // A coroutine that is cancelled is dropped; that nothing is left is seen at the end.
    ground.reactor().spawn(forever).then_in(srv.handle::<Actor>(), |_, _, _| Ok(()));
    cli.close();
    ground.log().heard("deferred", "cancelled").await;
    assert!(resolver.is_cancelled());
    Ok(())
}

async fn then_in_whose_protocol_has_switched_drops_the_result(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Plain).await?;
    let (deferred, resolver) = ground.reactor().deferred::<Rc<()>>();
    deferred.then_in(srv.handle::<Actor>(), |_, _, _| panic!("it is another protocol now"));
    srv.switch_to(Plain);
    ground.log().lost("srv").await;
    let held = Rc::new(());
    resolver.fire(Ok(held.clone()));
    ground.settle().await;
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(srv.is_open());
    cli.close();
    Ok(())
}

async fn the_error_of_then_in_aborts(ground: Ground) -> Result {
    let (srv, _) = ground.pair(Actor::new(&ground, "srv"), Plain).await?;
    let (deferred, resolver) = ground.reactor().deferred::<()>();
    deferred.then_in(srv.handle::<Actor>(), |_, _, result| result);
    resolver.fire(Err("no".into()));
    assert_eq!(ground.log().lost("srv").await, "Failed(no)");
    Ok(())
}

async fn a_coroutine_gives_its_result(ground: Ground) -> Result {
    assert_eq!(ground.reactor().spawn(async { Ok(7) }).await?, 7);
    let error = ground.reactor().spawn(async { Err::<(), _>("no".into()) }).await.unwrap_err();
    assert_eq!(error.to_string(), "no");
    Ok(())
}

async fn dropping_the_result_of_a_coroutine_drops_it(ground: Ground) -> Result {
    let held = Rc::new(());
    for turns in [0, 1, 3] {
        let inner = held.clone();
        let task = ground.reactor().spawn(async move {
            std::future::pending::<()>().await;
            drop(inner);
            Ok(())
        });
        for _ in 0..turns {
            ground.turn().await;
        }
        drop(task);
        ground.until(|| Rc::strong_count(&held) == 1).await;
    }
    Ok(())
}

async fn a_coroutine_may_drop_its_own_result(ground: Ground) -> Result {
    let own: Rc<Cell<Option<trenza_core::Deferred<()>>>> = Rc::default();
    let (place, log) = (own.clone(), ground.log().clone());
    let reactor = ground.reactor().clone();
    own.set(Some(ground.reactor().spawn(async move {
        reactor.sleep(Duration::from_millis(1)).await;
        drop(place.take());
        log.note("task", "goes on until it waits");
        reactor.sleep(Duration::from_millis(1)).await;
        panic!("it was cancelled")
    })));
    ground.log().heard("task", "goes on until it waits").await;
    ground.reactor().sleep(Duration::from_millis(3)).await;
    Ok(())
}

async fn the_panic_of_a_coroutine_is_an_error(ground: Ground) -> Result {
    let reactor = ground.reactor().clone();
    let task = ground.reactor().spawn::<()>(async move {
        reactor.sleep(Duration::ZERO).await;
        panic!("{ON_PURPOSE}")
    });
    assert!(task.await.unwrap_err().is::<Abandoned>());
    Ok(())
}

async fn many_coroutines_take_turns(ground: Ground) -> Result {
    let count = Rc::new(Cell::new(0));
    let tasks: Vec<_> = (0..1000)
        .map(|n| {
            let (ground, count) = (ground.clone(), count.clone());
            ground.clone().reactor().spawn(async move {
                for _ in 0..n % 4 {
                    ground.turn().await;
                }
                count.set(count.get() + 1);
                Ok(n)
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await?, n);
    }
    assert_eq!(count.get(), 1000);
    Ok(())
}

async fn a_coroutine_that_wakes_itself_lets_others_run(ground: Ground) -> Result {
    // More polls than a turn has room for.
    let mut left = 50_000;
    let log = ground.log().clone();
    let busy = ground.reactor().spawn(std::future::poll_fn(move |context| {
        if left == 0 {
            log.note("busy", "done");
            return std::task::Poll::Ready(Ok(()));
        }
        left -= 1;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    }));
    let log = ground.log().clone();
    ground.reactor().call_later(Duration::ZERO, move || log.note("timer", "run")).detach();
    busy.await?;
    assert_eq!(ground.log().lines(), ["timer run", "busy done"]);
    Ok(())
}

async fn a_blocking_call_gives_its_result(ground: Ground) -> Result {
    assert_eq!(ground.reactor().in_thread(|| Ok(6 * 7)).await?, 42);
    let error = ground.reactor().in_thread(|| Err::<(), _>("no".into())).await.unwrap_err();
    assert_eq!(error.to_string(), "no");
    Ok(())
}

async fn the_panic_of_a_blocking_call_is_an_error(ground: Ground) -> Result {
    let text = ground.reactor().in_thread::<()>(|| panic!("{ON_PURPOSE}")).await.unwrap_err();
    let panicked = text.downcast::<trenza_core::JobPanicked>().unwrap();
    assert_eq!(panicked.message, ON_PURPOSE);
    assert_eq!(ground.reactor().in_thread(|| Ok(1)).await?, 1, "the pool lives on");
    Ok(())
}

async fn dropping_the_result_of_a_blocking_call_drops_the_answer(ground: Ground) -> Result {
    drop(ground.reactor().in_thread(|| Ok(vec![0; 1000])));
    assert_eq!(ground.reactor().in_thread(|| Ok(1)).await?, 1);
    Ok(())
}

async fn blocking_calls_of_many_give_each_its_own(ground: Ground) -> Result {
    let calls: Vec<_> = (0..200).map(|n| ground.reactor().in_thread(move || Ok(n))).collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await?, n);
    }
    Ok(())
}

async fn a_remote_result_is_given_by_its_resolver(ground: Ground) -> Result {
    let (deferred, resolver) = ground.reactor().remote_resolver();
    let fire = move || {
        resolver.fire(Ok(7));
        Ok(())
    };
    ground.reactor().in_thread(fire).await?;
    assert_eq!(deferred.await?, 7);
    Ok(())
}

async fn a_remote_resolver_that_is_dropped_is_an_error(ground: Ground) -> Result {
    let (deferred, resolver) = ground.reactor().remote_resolver::<()>();
    let give_up = move || {
        drop(resolver);
        Ok(())
    };
    ground.reactor().in_thread(give_up).await?;
    assert!(deferred.await.unwrap_err().is::<Abandoned>());
    Ok(())
}

async fn the_current_reactor_is_this_one(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Plain, Plain).await?;
    let known = || Reactor::current().connection(srv.id()) == Some(srv.clone());
    assert!(known());
    ground.turn().await;
    assert!(known());
    cli.close();
    Ok(())
}
