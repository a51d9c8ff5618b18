//! Idle timeouts, deadlines, timers and sleep. What is asserted of time is true however slow the machine is.

use crate::{
    actor::Actor,
    drivers::ON_PURPOSE,
    ground::{Ground, bytes},
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use trenza_core::{Limits, Result, TimedOut, Timeout, Timer, Transport, timeout};

cases! {
    an_idle_connection_times_out
    bytes_received_move_the_idle_timeout
    bytes_sent_move_the_idle_timeout
    bytes_that_nobody_takes_do_not_move_the_idle_timeout
    setting_the_idle_timeout_again_moves_it
    the_idle_timeout_can_be_turned_off
    the_idle_timeout_comes_again_and_again_when_it_is_overridden
    a_deadline_is_not_moved_by_bytes
    a_deadline_comes_once
    a_shorter_timeout_counts_from_when_it_is_set
    timed_out_may_close_with_an_answer
    timers_run_in_the_order_of_their_times
    timers_of_one_time_run_in_the_order_they_were_made
    a_timer_never_runs_early
    a_cancelled_timer_never_runs
    a_dropped_timer_never_runs
    a_detached_timer_runs
    a_timer_that_was_reset_runs_at_its_new_time_only
    a_timer_may_be_reset_from_its_own_callback
    a_timer_may_be_dropped_in_its_own_callback
    a_zero_delay_waits_a_turn
    a_sleep_of_zero_lets_others_run
    sleeps_end_in_order
    a_delay_without_end_never_comes_and_breaks_nothing
    timeout_gives_the_result_that_comes_first
    a_panic_in_a_timer_leaves_the_others
}

/// Notes how long after the last byte it was told of a timeout, and checks that it was not too early.
fn watched(ground: &Ground, idle: Duration) -> (Actor, Rc<Cell<Option<std::time::Instant>>>) {
    let last = Rc::new(Cell::new(None));
    let (touched, seen, log) = (last.clone(), last.clone(), ground.log().clone());
    let actor = Actor::new(ground, "srv")
        .made(move |transport| {
            touched.set(Some(transport.reactor().now()));
            transport.set_timeout(Some(idle));
            Ok(())
        })
        .timed_out(move |transport, _| {
            let quiet = transport.reactor().now() - seen.get().unwrap();
            assert!(quiet >= idle, "told after {quiet:?}");
            log.note("srv", "told in time");
            transport.abort();
            Ok(())
        });
    (actor, last)
}

async fn an_idle_connection_times_out(ground: Ground) -> Result {
    let idle = ground.moment();
    let srv = Actor::new(&ground, "srv").made(move |transport| {
        transport.set_timeout(Some(idle));
        Ok(())
    });
    ground.pair(srv, Actor::new(&ground, "cli")).await?;
    assert_eq!(ground.log().lost("srv").await, "TimedOut(Idle)");
    assert_eq!(ground.log().of("srv"), ["made", "timed out Idle", "lost TimedOut(Idle)"]);
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    Ok(())
}

async fn bytes_received_move_the_idle_timeout(ground: Ground) -> Result {
    let idle = 25 * ground.moment();
    let (srv, last) = watched(&ground, idle);
    let log = ground.log().clone();
    let srv = srv.data(move |transport, input| {
        last.set(Some(transport.reactor().now()));
        log.receive("srv", input.rest());
        Ok(())
    });
    let (_, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    for _ in 0..6 {
        ground.reactor().sleep(ground.moment()).await;
        cli.write(b".");
    }
    ground.log().heard("srv", "told in time").await;
    assert!(ground.log().count("srv") > 1);
    ground.log().lost("cli").await;
    Ok(())
}

async fn bytes_sent_move_the_idle_timeout(ground: Ground) -> Result {
    let idle = 25 * ground.moment();
    let (srv, last) = watched(&ground, idle);
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    for n in 1..=6 {
        ground.reactor().sleep(ground.moment()).await;
        srv.write(b".");
        last.set(Some(ground.reactor().now()));
        if !srv.is_open() {
            break;
        }
        ground.until(|| ground.log().count("cli") == n || !srv.is_open()).await;
    }
    ground.log().heard("srv", "told in time").await;
    assert!(ground.log().count("cli") > 1);
    drop(cli);
    Ok(())
}

async fn bytes_that_nobody_takes_do_not_move_the_idle_timeout(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    cli.pause();
    srv.set_limits(Limits { unsent: usize::MAX, ..Limits::default() });
    srv.write_bytes(bytes(ground.plenty()).into());
    ground.settle().await;
    srv.set_timeout(Some(ground.moment()));
    let mut written = 0;
    while srv.is_open() {
        srv.write(b"nobody reads this");
        written += 1;
        assert!(written < 100_000, "writing alone keeps it alive");
        ground.reactor().sleep(ground.moment() / 10).await;
    }
    assert_eq!(ground.log().lost("srv").await, "TimedOut(Idle)");
    cli.resume();
    Ok(())
}

async fn setting_the_idle_timeout_again_moves_it(ground: Ground) -> Result {
    let idle = 4 * ground.moment();
    let (srv, last) = watched(&ground, idle);
    let (srv, _) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    for _ in 0..6 {
        ground.reactor().sleep(ground.moment()).await;
        srv.set_timeout(Some(idle));
        last.set(Some(ground.reactor().now()));
    }
    ground.log().heard("srv", "told in time").await;
    Ok(())
}

async fn the_idle_timeout_can_be_turned_off(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.set_timeout(Some(ground.moment()));
    srv.set_deadline(Some(ground.moment()));
    srv.set_timeout(None);
    srv.set_deadline(None);
    ground.reactor().sleep(3 * ground.moment()).await;
    assert_eq!(ground.log().of("srv"), ["made"]);
    cli.close();
    Ok(())
}

async fn the_idle_timeout_comes_again_and_again_when_it_is_overridden(ground: Ground) -> Result {
    let mut times = 0;
    let srv = Actor::new(&ground, "srv").timed_out(move |transport, which| {
        assert_eq!(which, Timeout::Idle);
        times += 1;
        if times == 3 {
            transport.close();
        }
        Ok(())
    });
    let (srv, _) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    srv.set_timeout(Some(ground.moment()));
    assert_eq!(ground.log().lost("srv").await, "Closed");
    Ok(())
}

async fn a_deadline_is_not_moved_by_bytes(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.set_deadline(Some(5 * ground.moment()));
    let mut sent = 0;
    while srv.is_open() {
        cli.write(b".");
        srv.write(b".");
        sent += 1;
        assert!(sent < 10_000, "bytes keep it alive");
        ground.reactor().sleep(ground.moment() / 4).await;
    }
    assert_eq!(ground.log().lost("srv").await, "TimedOut(Deadline)");
    Ok(())
}

async fn a_deadline_comes_once(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").timed_out(|_, _| Ok(()));
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    srv.set_deadline(Some(ground.moment()));
    ground.log().heard("srv", "timed out Deadline").await;
    ground.reactor().sleep(3 * ground.moment()).await;
    assert_eq!(ground.log().of("srv"), ["made", "timed out Deadline"]);
    cli.close();
    Ok(())
}

async fn a_shorter_timeout_counts_from_when_it_is_set(ground: Ground) -> Result {
    let (srv, _) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.set_timeout(Some(Duration::from_secs(3600)));
    srv.set_deadline(Some(Duration::from_secs(7200)));
    srv.set_timeout(Some(ground.moment()));
    assert_eq!(ground.log().lost("srv").await, "TimedOut(Idle)");
    Ok(())
}

async fn timed_out_may_close_with_an_answer(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").timed_out(|transport, _| {
        transport.write(b"too slow");
        transport.close();
        Ok(())
    });
    let (srv, _) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    srv.set_deadline(Some(ground.moment()));
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().bytes("cli"), b"too slow");
    Ok(())
}

type Order = Rc<RefCell<Vec<u64>>>;

fn note(order: &Order, n: u64) -> impl FnOnce() + 'static {
    let order = order.clone();
    move || order.borrow_mut().push(n)
}

async fn timers_run_in_the_order_of_their_times(ground: Ground) -> Result {
    let order = Order::default();
    for n in [5, 1, 4, 2, 3, 0] {
        ground.reactor().call_later(Duration::from_millis(n), note(&order, n)).detach();
    }
    ground.until(|| order.borrow().len() == 6).await;
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 4, 5]);
    Ok(())
}

async fn timers_of_one_time_run_in_the_order_they_were_made(ground: Ground) -> Result {
    let order = Order::default();
    (0..50).for_each(|n| ground.reactor().call_later(ground.moment(), note(&order, n)).detach());
    ground.until(|| order.borrow().len() == 50).await;
    assert!(order.borrow().is_sorted());
    Ok(())
}

async fn a_timer_never_runs_early(ground: Ground) -> Result {
    for micros in [1, 100, 999, 1000, 1001, 7777] {
        let delay = Duration::from_micros(micros);
        let begun = ground.reactor().now();
        ground.reactor().sleep(delay).await;
        assert!(ground.reactor().now() >= begun + delay);
    }
    Ok(())
}

async fn a_cancelled_timer_never_runs(ground: Ground) -> Result {
    let order = Order::default();
    let timer = ground.reactor().call_later(ground.moment(), note(&order, 1));
    assert!(timer.is_pending());
    timer.cancel();
    ground.reactor().sleep(2 * ground.moment()).await;
    assert!(order.borrow().is_empty());
    Ok(())
}

async fn a_dropped_timer_never_runs(ground: Ground) -> Result {
    let order = Order::default();
    drop(ground.reactor().call_later(Duration::ZERO, note(&order, 1)));
    ground.settle().await;
    assert!(order.borrow().is_empty());
    Ok(())
}

async fn a_detached_timer_runs(ground: Ground) -> Result {
    let order = Order::default();
    ground.reactor().call_later(ground.moment(), note(&order, 1)).detach();
    ground.until(|| *order.borrow() == [1]).await;
    Ok(())
}

async fn a_timer_that_was_reset_runs_at_its_new_time_only(ground: Ground) -> Result {
    let order = Order::default();
    let moment = ground.moment();
    let late = ground.reactor().call_later(moment, note(&order, 2));
    let early = ground.reactor().call_later(Duration::from_secs(3600), note(&order, 1));
    late.reset(4 * moment);
    early.reset(2 * moment);
    assert_eq!(late.deadline(), ground.reactor().now() + 4 * moment);
    ground.until(|| order.borrow().len() == 2).await;
    assert_eq!(*order.borrow(), [1, 2]);
    assert!(!late.is_pending() && !early.is_pending());
    late.reset(Duration::ZERO);
    ground.settle().await;
    assert_eq!(order.borrow().len(), 2, "one that has run stays as it is");
    Ok(())
}

async fn a_timer_may_be_reset_from_its_own_callback(ground: Ground) -> Result {
    let order = Order::default();
    let place: Rc<RefCell<Option<Timer>>> = Rc::default();
    let (own, seen) = (place.clone(), order.clone());
    let timer = ground.reactor().call_later(Duration::ZERO, move || {
        let timer = own.borrow();
        let timer = timer.as_ref().unwrap();
        assert!(!timer.is_pending());
        timer.reset(Duration::ZERO);
        seen.borrow_mut().push(1);
    });
    *place.borrow_mut() = Some(timer);
    ground.settle().await;
    assert_eq!(*order.borrow(), [1], "it has run: there is nothing to reset");
    drop(place.take());
    Ok(())
}

async fn a_timer_may_be_dropped_in_its_own_callback(ground: Ground) -> Result {
    let order = Order::default();
    let place: Rc<RefCell<Option<Timer>>> = Rc::default();
    let (own, seen) = (place.clone(), order.clone());
    let timer = ground.reactor().call_later(Duration::ZERO, move || {
        drop(own.take());
        seen.borrow_mut().push(1);
    });
    *place.borrow_mut() = Some(timer);
    ground.until(|| *order.borrow() == [1]).await;
    Ok(())
}

async fn a_zero_delay_waits_a_turn(ground: Ground) -> Result {
    /// Makes itself anew each time: a turn must end in between.
    fn again(ground: Ground, left: u32) {
        let reactor = ground.reactor().clone();
        // What is queued runs behind all timers of a turn.
        let between = Rc::new(Cell::new(false));
        let (seen, (queued, tell)) = (between.clone(), reactor.deferred());
        queued.then(move |_: Result| between.set(true));
        tell.fire(Ok(()));
        let next = move || {
            assert!(seen.get(), "in the same turn");
            ground.log().note("timer", left.to_string());
            if left > 0 {
                again(ground, left - 1);
            }
        };
        reactor.call_later(Duration::ZERO, next).detach();
    }
    let inner = ground.clone();
    ground.reactor().call_later(Duration::ZERO, move || again(inner, 3)).detach();
    ground.log().heard("timer", "0").await;
    assert_eq!(ground.log().of("timer"), ["3", "2", "1", "0"]);
    Ok(())
}

async fn a_sleep_of_zero_lets_others_run(ground: Ground) -> Result {
    let done = Rc::new(Cell::new(false));
    let other = done.clone();
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.write(b"meanwhile");
    srv.flushed().then(move |_| other.set(true));
    while !done.get() {
        ground.reactor().sleep(Duration::ZERO).await;
    }
    cli.close();
    Ok(())
}

async fn sleeps_end_in_order(ground: Ground) -> Result {
    let order = Order::default();
    let tasks: Vec<_> = [3, 1, 2]
        .into_iter()
        .map(|n| {
            let (reactor, order) = (ground.reactor().clone(), order.clone());
            ground.reactor().spawn(async move {
                reactor.sleep(Duration::from_millis(n)).await;
                order.borrow_mut().push(n);
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    assert_eq!(*order.borrow(), [1, 2, 3]);
    Ok(())
}

async fn a_delay_without_end_never_comes_and_breaks_nothing(ground: Ground) -> Result {
    let order = Order::default();
    let ever = Duration::MAX;
    let never = ground.reactor().call_later(ever, note(&order, 1));
    let timer = ground.reactor().call_later(Duration::ZERO, note(&order, 2));
    timer.reset(ever);
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.set_limits(Limits { linger: ever, drain: ever, handshake: ever, ..Limits::default() });
    srv.set_timeout(Some(ever));
    srv.set_deadline(Some(ever));
    timeout(ever, ground.reactor().spawn(async { Ok(()) })).await?;
    let asleep = ground.reactor().clone();
    let asleep = ground.reactor().spawn(async move {
        asleep.sleep(ever).await;
        Ok(())
    });
    ground.settle().await;
    srv.close();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    drop((cli, asleep, never, timer));
    assert!(order.borrow().is_empty());
    Ok(())
}

async fn timeout_gives_the_result_that_comes_first(ground: Ground) -> Result {
    let (moment, reactor) = (ground.moment(), ground.reactor().clone());
    let quick = async { Ok(7) };
    assert_eq!(timeout(Duration::ZERO, quick).await?, 7);
    let failing = async { Err::<(), _>("no".into()) };
    assert_eq!(timeout(moment, failing).await.unwrap_err().to_string(), "no");
    let slow = async move {
        reactor.sleep(Duration::from_secs(3600)).await;
        Ok(())
    };
    let error = timeout(moment, slow).await.unwrap_err();
    assert_eq!(error.downcast_ref::<TimedOut>(), Some(&TimedOut(moment)));
    Ok(())
}

async fn a_panic_in_a_timer_leaves_the_others(ground: Ground) -> Result {
    let order = Order::default();
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    ground.reactor().call_later(Duration::ZERO, note(&order, 1)).detach();
    ground.reactor().call_later(Duration::ZERO, || panic!("{ON_PURPOSE}")).detach();
    ground.reactor().call_later(Duration::ZERO, note(&order, 2)).detach();
    ground.until(|| *order.borrow() == [1, 2]).await;
    assert!(srv.is_open() && cli.is_open(), "it belongs to no connection");
    [srv, cli].iter().for_each(Transport::abort);
    Ok(())
}
