//! Looping calls, groups, join, race and cooperation: order, cancelling at every point, panics, and what is left.
#![allow(clippy::unwrap_used)]

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use trenza_core::{
    Abandoned, AllFailed, Error, Group, Left, LoopingCall, Reactor, Result, TimedOut, cooperate, join, race,
    timeout, yield_now,
};
use trenza_sim::{HostHandle, Net};

/// Counts those that live.
#[derive(Clone)]
struct Alive(Rc<Cell<usize>>);

impl Alive {
    fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn sleep(n: u64) {
    Reactor::current().sleep(seconds(n)).await;
}

fn one() -> (Net, HostHandle) {
    let net = Net::gentle(1);
    let here = net.host("here");
    (net, here)
}

fn nothing_left(here: &HostHandle) {
    assert_eq!(here.left(), Left::default());
}

type Log<T> = Rc<RefCell<Vec<T>>>;

/// A looping call whose calls take the times given, and what it logs: second and skipped.
fn looping(here: &HostHandle, every: u64, takes: &'static [u64]) -> (LoopingCall, Log<(u64, u64)>) {
    let log: Log<(u64, u64)> = Rc::default();
    let seen = log.clone();
    let call = here.run(|reactor| {
        let begin = reactor.now();
        let mut takes = takes.iter();
        LoopingCall::start_later(reactor, seconds(every), async move |skipped| {
            seen.borrow_mut().push(((Reactor::current().now() - begin).as_secs(), skipped));
            if let Some(n) = takes.next() {
                sleep(*n).await;
            }
            Ok(())
        })
    });
    (call, log)
}

#[test]
fn a_looping_call_keeps_its_times_and_counts_what_it_skips() {
    let (net, here) = one();
    let (call, log) = looping(&here, 10, &[3, 10, 25, 0]);
    net.advance(seconds(81));
    assert!(call.is_running());
    assert_eq!(*log.borrow(), [(10, 0), (20, 0), (40, 1), (70, 2), (80, 0)]);
    call.stop();
    net.advance(seconds(100));
    assert_eq!(log.borrow().len(), 5);
    nothing_left(&here);
}

#[test]
fn a_looping_call_that_is_reset_counts_from_then() {
    let (net, here) = one();
    let (call, log) = looping(&here, 10, &[0, 8]);
    net.advance(seconds(14));
    here.run(|_| call.reset());
    net.advance(seconds(12)); // at 26, in the call of 24 that takes until 32
    here.run(|_| call.reset());
    net.advance(seconds(30));
    assert_eq!(*log.borrow(), [(10, 0), (24, 0), (36, 0), (46, 0), (56, 0)]);
    drop(call);
    net.run();
    nothing_left(&here);
}

#[test]
fn a_looping_call_stops_at_every_point() {
    let alive = Rc::new(Cell::new(0));
    for tenths in 0..60 {
        let (net, here) = one();
        let owned = Alive::new(&alive);
        let call = here.run(|reactor| {
            LoopingCall::start(reactor, seconds(2), async move |_| {
                let _owned = &owned;
                sleep(1).await;
                Ok(())
            })
        });
        net.advance(Duration::from_millis(tenths * 100));
        let ended = call.ended();
        let heard = Rc::new(Cell::new(None));
        let hear = heard.clone();
        ended.then(move |result| hear.set(Some(result.is_ok())));
        drop(call);
        net.run();
        assert_eq!((heard.get(), alive.get()), (Some(true), 0), "after {tenths} tenths");
        nothing_left(&here);
    }
}

#[test]
fn a_looping_call_may_stop_itself_and_every_turn_is_an_interval() {
    let (net, here) = one();
    let (count, place) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(None)));
    let (counted, own) = (count.clone(), place.clone());
    *place.borrow_mut() = Some(here.run(|reactor| {
        LoopingCall::start(reactor, Duration::ZERO, async move |skipped| {
            counted.set(counted.get() + 1 + skipped);
            if counted.get() == 1000 {
                let call = own.borrow_mut().take();
                drop(call);
            }
            Ok(())
        })
    }));
    net.run();
    assert_eq!((count.get(), net.elapsed()), (1000, Duration::ZERO));
    nothing_left(&here);
}

#[test]
fn an_error_and_a_panic_end_a_looping_call_and_are_told() {
    for panics in [false, true] {
        for asked_before in [false, true] {
            let (net, here) = one();
            net.allow_panics();
            let call = here.run(|reactor| {
                LoopingCall::start_later(reactor, seconds(1), async move |_| {
                    assert!(!panics, "on purpose");
                    Err("had enough".into())
                })
            });
            let before = asked_before.then(|| call.ended());
            net.advance(seconds(5));
            assert!(!call.is_running());
            let ended = before.unwrap_or_else(|| call.ended());
            let error = net.block_on(&here, ended.into_future()).unwrap_err();
            assert_eq!(error.is::<Abandoned>(), panics);
            assert!(panics || error.to_string() == "had enough");
            net.block_on(&here, call.ended().into_future()).unwrap(); // it is told once
            nothing_left(&here);
        }
    }
}

#[test]
fn a_looping_call_without_a_handle_ends_with_the_loop() {
    let (net, here) = one();
    let alive = Rc::new(Cell::new(0));
    let owned = Alive::new(&alive);
    here.run(|reactor| {
        LoopingCall::start(reactor, Duration::MAX, async move |_| {
            let _owned = &owned;
            Ok(())
        })
        .detach();
    });
    net.advance(seconds(1000));
    assert_eq!(alive.get(), 1);
    here.kill();
    assert_eq!(alive.get(), 0);
}

/// Spawns a task that lives for so long, and then gives a result.
fn child(group: &Group, alive: &Rc<Cell<usize>>, lives: u64, result: Result) {
    let owned = Alive::new(alive);
    group.spawn(async move {
        let _owned = owned;
        sleep(lives).await;
        result
    });
}

#[test]
fn a_group_waits_for_all() {
    let (net, here) = one();
    let counted = Rc::new(Cell::new(0));
    let waited = net.block_on(&here, async move {
        let value = Group::scope(async |group| {
            (1..=5).for_each(|n| child(group, &counted, n, Ok(())));
            assert_eq!((group.len(), group.is_empty()), (5, false));
            Ok(7)
        })
        .await?;
        assert_eq!(counted.get(), 0);
        Ok(value)
    });
    assert_eq!((waited.unwrap(), net.elapsed()), (7, seconds(5)));
    nothing_left(&here);
}

#[test]
fn the_first_error_of_a_group_cancels_the_rest_before_it_is_told() {
    // The failure comes from a task, from the body, from a panic, from the deadline.
    for cause in 0..4 {
        let (net, here) = one();
        net.allow_panics();
        let alive = Rc::new(Cell::new(0));
        let counted = alive.clone();
        let error: Error = net
            .block_on(&here, async move {
                let result = Group::scope(async |group| {
                    let _body = Alive::new(&counted);
                    (10..15).for_each(|n| child(group, &counted, n, Err("too late".into())));
                    match cause {
                        0 => child(group, &counted, 3, Err("first".into())),
                        1 => {
                            sleep(3).await;
                            return Err("first".into());
                        }
                        2 => group.spawn(async {
                            sleep(3).await;
                            panic!("on purpose")
                        }),
                        _ => group.set_deadline(seconds(3)),
                    }
                    sleep(1000).await;
                    Ok(())
                });
                let result = result.await;
                assert_eq!(counted.get(), 0, "cause {cause}");
                result
            })
            .unwrap_err();
        match cause {
            0 | 1 => assert_eq!(error.to_string(), "first"),
            2 => assert!(error.is::<Abandoned>()),
            _ => assert_eq!(error.downcast_ref(), Some(&TimedOut(seconds(3)))),
        }
        assert_eq!(net.elapsed(), seconds(3));
        nothing_left(&here);
    }
}

#[test]
fn a_group_that_is_dropped_at_any_point_leaves_nothing() {
    for tenths in 0..40 {
        let (net, here) = one();
        let alive = Rc::new(Cell::new(0));
        let counted = alive.clone();
        let cut = Duration::from_millis(100 * tenths);
        let result = net.block_on(&here, async move {
            timeout(
                cut,
                Box::pin(Group::scope(async |group| {
                    child(group, &counted, 1, Ok(()));
                    child(group, &counted, 2, Ok(()));
                    sleep(1).await;
                    child(group, &counted, 2, Ok(()));
                    Ok(())
                })),
            )
            .await
        });
        net.run();
        assert_eq!((result.is_err(), alive.get()), (tenths <= 30, 0), "after {tenths} tenths: {result:?}");
        nothing_left(&here);
    }
}

#[test]
fn a_cancelled_task_is_not_polled_again_and_a_cancelled_group_takes_none() {
    let (net, here) = one();
    let polled = Rc::new(Cell::new(0));
    let count = polled.clone();
    net.block_on(&here, async move {
        let group = Group::new(&Reactor::current());
        group.spawn(async move {
            loop {
                count.set(count.get() + 1);
                yield_now().await;
            }
        });
        sleep(0).await;
        sleep(0).await;
        let before = polled.get();
        assert!(before > 0);
        let failing = Group::new(&Reactor::current());
        failing.spawn(async { Err("no".into()) });
        drop(group);
        sleep(1).await;
        assert_eq!(polled.get(), before);
        failing.spawn(async move { panic!("it was cancelled") });
        assert!(failing.is_empty());
        assert_eq!(failing.wait().await.unwrap_err().to_string(), "no");
        Ok(())
    })
    .unwrap();
    nothing_left(&here);
}

#[test]
fn of_thousands_of_tasks_none_is_polled_after_the_first_error() {
    let (net, here) = one();
    let failed = Rc::new(Cell::new(false));
    let told = failed.clone();
    let error = net.block_on(&here, async move {
        Group::scope(async |group| {
            for n in 0..5000 {
                let failed = told.clone();
                group.spawn(async move {
                    assert!(!failed.get(), "task {n} runs after the group has failed");
                    failed.set(n == 100);
                    if n == 100 { Err("first".into()) } else { std::future::pending().await }
                });
            }
            Ok(())
        })
        .await
    });
    assert_eq!((error.unwrap_err().to_string().as_str(), failed.get()), ("first", true));
    nothing_left(&here);
}

#[test]
fn tasks_spawn_others_into_their_group_while_it_lives() {
    let (net, here) = one();
    let alive = Rc::new(Cell::new(0));
    let (count, outlived) = (alive.clone(), Rc::new(RefCell::new(None)));
    let kept = outlived.clone();
    net.block_on(&here, async move {
        Group::scope(async |group| {
            let (spawner, count) = (group.spawner(), count.clone());
            *kept.borrow_mut() = Some(spawner.clone());
            group.spawn(async move {
                sleep(1).await;
                let owned = Alive::new(&count);
                spawner.spawn(async move {
                    let _owned = owned;
                    sleep(5).await;
                    Ok(())
                });
                Ok(())
            });
            Ok(())
        })
        .await
    })
    .unwrap();
    assert_eq!((net.elapsed(), alive.get()), (seconds(6), 0));
    let owned = Alive::new(&alive);
    outlived.take().unwrap().spawn(async move {
        let _owned = owned;
        Ok(())
    });
    assert_eq!(alive.get(), 0);
    nothing_left(&here);
}

#[test]
fn a_group_ends_with_the_loop() {
    let (net, here) = one();
    let alive = Rc::new(Cell::new(0));
    let group = here.run(Group::new);
    child(&group, &alive, 1000, Ok(()));
    net.advance(seconds(1));
    assert_eq!((alive.get(), here.left().tasks), (1, 1));
    here.kill();
    assert_eq!((alive.get(), group.len()), (0, 0));
    child(&group, &alive, 1000, Ok(()));
    assert_eq!((alive.get(), group.len()), (0, 0));
}

/// Sleeps, and then gives the result.
fn after(alive: &Rc<Cell<usize>>, n: u64, result: Result<u64>) -> impl Future<Output = Result<u64>> + use<> {
    let owned = Alive::new(alive);
    async move {
        let _owned = owned;
        sleep(n).await;
        result
    }
}

#[test]
fn join_fails_with_the_first_error_and_race_succeeds_with_the_first_success() {
    let (net, here) = one();
    let count = Rc::new(Cell::new(0));
    net.block_on(&here, async move {
        let failed =
            join([after(&count, 9, Ok(1)), after(&count, 2, Err("two".into())), after(&count, 1, Ok(3))]);
        assert_eq!(failed.await.unwrap_err().to_string(), "two");
        assert_eq!((count.get(), join(Vec::<std::future::Ready<Result<()>>>::new()).await?.len()), (0, 0));
        let first =
            race([after(&count, 9, Ok(1)), after(&count, 1, Err("one".into())), after(&count, 2, Ok(3))]);
        assert_eq!((first.await?, count.get()), (3, 0));
        let none = race([after(&count, 2, Err("b".into())), after(&count, 1, Err("a".into()))]).await;
        let none = none.unwrap_err();
        assert_eq!(none.to_string(), "none of 2 has succeeded; a; b");
        assert!(none.is::<AllFailed>());
        assert!(race(Vec::<std::future::Ready<Result<()>>>::new()).await.unwrap_err().is::<AllFailed>());
        let cut = timeout(seconds(1), Box::pin(join([after(&count, 0, Ok(1)), after(&count, 5, Ok(2))])));
        assert!(cut.await.unwrap_err().is::<TimedOut>());
        assert_eq!(count.get(), 0);
        Ok(())
    })
    .unwrap();
    nothing_left(&here);
}

#[test]
fn long_work_lets_others_run_and_each_other() {
    let (net, here) = one();
    let log: Log<char> = Rc::default();
    let work = |name: char| {
        let log = log.clone();
        (0..5000).map(move |_| {
            log.borrow_mut().push(name);
            Ok(())
        })
    };
    let turns = Rc::new(Cell::new(0));
    let turn = turns.clone();
    let _clock = here.run(|reactor| {
        cooperate(reactor, work('a')).detach();
        cooperate(reactor, work('b')).detach();
        LoopingCall::start(reactor, Duration::ZERO, async move |_| {
            turn.set(turn.get() + 1);
            Ok(())
        })
    });
    net.run_until(|| log.borrow().len() == 10_000);
    assert!(turns.get() >= 4, "{} turns", turns.get());
    // At no time is one ahead of the other by more than a slice.
    let mut ahead = 0i32;
    for name in &*log.borrow() {
        ahead += if *name == 'a' { 1 } else { -1 };
        assert!(ahead.abs() <= 32, "{ahead}");
    }
}

#[test]
fn long_work_ends_with_an_error_a_panic_or_its_deferred() {
    let (net, here) = one();
    net.allow_panics();
    let alive = Rc::new(Cell::new(0));
    let run = |stop: u32, what: &'static str| {
        let owned = Alive::new(&alive);
        let steps = (0..).map(move |n| {
            let _owned = &owned;
            match what {
                "error" if n == stop => Err("step".into()),
                "panic" if n == stop => panic!("on purpose"),
                _ => Ok(()),
            }
        });
        here.run(|reactor| cooperate(reactor, steps))
    };
    for stop in [0, 1, 15, 16, 17, 1023, 1024, 5000] {
        let error = net.block_on(&here, run(stop, "error").into_future()).unwrap_err();
        assert_eq!(error.to_string(), "step");
        let error = net.block_on(&here, run(stop, "panic").into_future()).unwrap_err();
        assert!(error.is::<Abandoned>());
    }
    let endless = run(0, "");
    net.block_on(&here, async {
        sleep(0).await;
        drop(endless);
        Ok(())
    })
    .unwrap();
    net.run();
    assert_eq!(alive.get(), 0);
    nothing_left(&here);
}
