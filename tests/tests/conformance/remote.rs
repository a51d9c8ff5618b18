//! Other threads: they may call the loop, wake its coroutines and give results. Only on real systems, since a
//! simulated run has one thread.
#![allow(clippy::disallowed_methods)] // threads are what this is about

use crate::{
    actor::{Actor, Plain},
    drivers::ON_PURPOSE,
    ground::Ground,
};
use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
};
use trenza_core::Result;

cases! { of real systems only:
    calls_of_a_thread_come_in_order_on_the_loops_thread
    calls_of_many_threads_all_come
    a_call_wakes_a_loop_that_waits
    a_call_finds_a_connection_by_its_id
    a_call_to_a_loop_that_is_gone_is_dropped
    a_panic_in_a_call_leaves_the_others
    a_waker_wakes_from_another_thread
    wakes_of_many_threads_are_not_lost
    a_remote_resolver_gives_its_result_from_another_thread
    a_blocking_call_runs_elsewhere_and_the_loop_goes_on
    a_pool_that_is_full_is_an_error
}

async fn calls_of_a_thread_come_in_order_on_the_loops_thread(ground: Ground) -> Result {
    let order = Arc::new(Mutex::new(Vec::new()));
    let (own, remote, seen) = (thread::current().id(), ground.reactor().remote(), order.clone());
    let caller = thread::spawn(move || {
        for n in 0..1000 {
            let seen = seen.clone();
            assert!(remote.call(move |_| {
                assert_eq!(thread::current().id(), own);
                seen.lock().unwrap().push(n);
            }));
        }
    });
    ground.until(|| order.lock().unwrap().len() == 1000).await;
    assert!(order.lock().unwrap().is_sorted());
    caller.join().unwrap();
    Ok(())
}

async fn calls_of_many_threads_all_come(ground: Ground) -> Result {
    let count = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (remote, count) = (ground.reactor().remote(), count.clone());
            thread::spawn(move || {
                for _ in 0..10_000 {
                    let count = count.clone();
                    remote.call(move |_| {
                        count.fetch_add(1, Ordering::Relaxed);
                    });
                }
            })
        })
        .collect();
    ground.until(|| count.load(Ordering::Relaxed) == 40_000).await;
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    Ok(())
}

async fn a_call_wakes_a_loop_that_waits(ground: Ground) -> Result {
    for _ in 0..100 {
        let (remote, log) = (ground.reactor().remote(), Arc::new(AtomicUsize::new(0)));
        let (deferred, resolver) = ground.reactor().deferred();
        let resolver = Rc::new(Cell::new(Some(resolver)));
        let (gate, opened) = mpsc::channel::<()>();
        let seen = log.clone();
        let caller = thread::spawn(move || {
            opened.recv().unwrap();
            remote.call(move |_| {
                seen.store(1, Ordering::Relaxed);
            });
        });
        // Nothing but the call ends the wait that follows.
        gate.send(()).unwrap();
        let place = resolver.clone();
        let watch = ground.reactor().spawn(poll_fn(move |context| {
            if log.load(Ordering::Relaxed) == 1 {
                place.take().into_iter().for_each(|resolver| resolver.fire(Ok(())));
                return Poll::Ready(Ok(()));
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }));
        deferred.await?;
        watch.await?;
        caller.join().unwrap();
    }
    Ok(())
}

async fn a_call_finds_a_connection_by_its_id(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Plain, Actor::new(&ground, "cli")).await?;
    let (id, remote) = (srv.id(), ground.reactor().remote());
    let caller = thread::spawn(move || {
        remote.call(move |reactor| {
            let transport = reactor.connection(id).unwrap();
            transport.write(b"from elsewhere");
            transport.close();
        })
    });
    ground.log().received("cli", 14).await;
    assert!(caller.join().unwrap());
    ground.until(|| ground.reactor().connections().is_empty()).await;
    let remote = ground.reactor().remote();
    let gone = Arc::new(AtomicUsize::new(0));
    let seen = gone.clone();
    let caller = thread::spawn(move || {
        remote.call(move |reactor| {
            seen.store(1 + usize::from(reactor.connection(id).is_some()), Ordering::Relaxed)
        })
    });
    ground.until(|| gone.load(Ordering::Relaxed) > 0).await;
    assert_eq!(gone.load(Ordering::Relaxed), 1);
    caller.join().unwrap();
    drop(cli);
    Ok(())
}

async fn a_call_to_a_loop_that_is_gone_is_dropped(ground: Ground) -> Result {
    let remote = ground.reactor().remote();
    ground.after_loop(move || {
        let held = Arc::new(());
        let inner = held.clone();
        let called = thread::spawn(move || remote.call(move |_| drop(inner))).join().unwrap();
        assert!(!called);
        assert_eq!(Arc::strong_count(&held), 1);
    });
    ground.reactor().stop();
    Ok(())
}

async fn a_panic_in_a_call_leaves_the_others(ground: Ground) -> Result {
    let count = Arc::new(AtomicUsize::new(0));
    for n in 0..5 {
        let count = count.clone();
        ground.reactor().remote().call(move |_| {
            assert!(n % 2 == 0, "{ON_PURPOSE}");
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
    ground.until(|| count.load(Ordering::Relaxed) == 3).await;
    Ok(())
}

async fn a_waker_wakes_from_another_thread(ground: Ground) -> Result {
    for _ in 0..100 {
        let done = Arc::new(AtomicUsize::new(0));
        let mut thread = None;
        poll_fn(|context| {
            if done.load(Ordering::Acquire) == 1 {
                return Poll::Ready(());
            }
            let (waker, done) = (context.waker().clone(), done.clone());
            thread.get_or_insert_with(|| {
                thread::spawn(move || {
                    done.store(1, Ordering::Release);
                    waker.wake();
                })
            });
            Poll::Pending
        })
        .await;
        thread.unwrap().join().unwrap();
    }
    ground.settle().await;
    Ok(())
}

async fn wakes_of_many_threads_are_not_lost(ground: Ground) -> Result {
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let left = Arc::new(AtomicUsize::new(3));
            ground.reactor().spawn(poll_fn(move |context| {
                if left.load(Ordering::Acquire) == 0 {
                    return Poll::Ready(Ok(()));
                }
                let (waker, left) = (context.waker().clone(), left.clone());
                thread::spawn(move || {
                    let _ = left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
                    waker.wake();
                });
                Poll::Pending
            }))
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    Ok(())
}

async fn a_remote_resolver_gives_its_result_from_another_thread(ground: Ground) -> Result {
    let (deferred, resolver) = ground.reactor().remote_resolver();
    let caller = thread::spawn(move || resolver.fire(Ok(7)));
    assert_eq!(deferred.await?, 7);
    caller.join().unwrap();
    let (deferred, resolver) = ground.reactor().remote_resolver::<()>();
    let caller = thread::spawn(move || drop(resolver));
    deferred.await.unwrap_err();
    caller.join().unwrap();
    Ok(())
}

async fn a_blocking_call_runs_elsewhere_and_the_loop_goes_on(ground: Ground) -> Result {
    let own = thread::current().id();
    let (go, gate) = mpsc::channel::<()>();
    let call = ground.reactor().in_thread(move || {
        gate.recv()?;
        Ok(thread::current().id())
    });
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Plain).await?;
    cli.write(b"meanwhile");
    ground.log().received("srv", 9).await;
    go.send(())?;
    assert_ne!(call.await?, own);
    srv.close();
    Ok(())
}

async fn a_pool_that_is_full_is_an_error(ground: Ground) -> Result {
    let (go, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let mut calls = Vec::new();
    // Blocked threads and a full queue: far more than any pool should hold.
    let refused = loop {
        let gate = gate.clone();
        let call = ground.reactor().in_thread(move || {
            // The gate opens when its other side is dropped.
            let _ = gate.lock().unwrap().recv();
            Ok(())
        });
        let mut call = Box::pin(call.into_future());
        let answered = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        match answered {
            Poll::Pending => calls.push(call),
            Poll::Ready(result) => break result,
        }
        assert!(calls.len() < 10_000, "it takes everything");
    };
    refused.unwrap_err();
    drop(go);
    for call in calls {
        call.await?;
    }
    Ok(())
}
