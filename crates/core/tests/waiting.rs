//! Lock, semaphore and queue: first come, first served; cancelling at every point; nothing lost and nothing left.
#![allow(clippy::unwrap_used)]

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::Duration,
};
use trenza_core::{
    Abandoned, Deferred, Group, Guard, Input, Left, Lock, Permit, Protocol, Queue, QueueClosed, Reactor,
    Result, Semaphore, TimedOut, TooManyWaiters, Transport, timeout, yield_now,
};
use trenza_sim::{Dice, HostHandle, Net, for_seeds};

fn one() -> (Net, HostHandle) {
    let net = Net::gentle(1);
    let here = net.host("here");
    (net, here)
}

fn nothing_left(here: &HostHandle) {
    assert_eq!(here.left(), Left::default());
}

fn millis(n: usize) -> Duration {
    Duration::from_millis(n as u64)
}

type Log<T> = Rc<RefCell<Vec<T>>>;

/// Has the results of a deferred pushed to a log, with a number.
fn log_into<T: 'static>(log: &Log<(usize, Result<T>)>, n: usize, deferred: Deferred<T>) {
    let log = log.clone();
    deferred.then(move |result| log.borrow_mut().push((n, result)));
}

fn numbers<T>(log: &Log<(usize, Result<T>)>) -> Vec<usize> {
    log.borrow().iter().map(|(n, _)| *n).collect()
}

#[test]
fn permits_go_to_those_who_asked_first_and_the_cancelled_lose_their_place_only() {
    // Each of five is cancelled once, before and after it was given a permit.
    for cancelled in 0..5 {
        for freed_before in [false, true] {
            let (net, here) = one();
            let two = here.run(|reactor| Semaphore::new(reactor, 2));
            let held: Vec<Permit> = std::iter::from_fn(|| two.try_acquire()).collect();
            assert_eq!((held.len(), two.available()), (2, 0));
            let mut waits: Vec<Option<_>> = (0..5).map(|_| Some(two.acquire())).collect();
            assert_eq!(two.waiting(), 5);
            if freed_before {
                drop(held);
                drop(waits[cancelled].take());
            } else {
                drop(waits[cancelled].take());
                drop(held);
            }
            net.run();
            let log: Log<(usize, Result<Permit>)> = Rc::default();
            for (n, wait) in waits.into_iter().enumerate() {
                wait.into_iter().for_each(|wait| log_into(&log, n, wait));
            }
            net.run();
            let mut expected: VecDeque<usize> = (0..5).filter(|n| *n != cancelled).collect();
            while !expected.is_empty() {
                // Two at a time.
                let now: Vec<usize> = expected.drain(..expected.len().min(2)).collect();
                assert_eq!(numbers(&log), now);
                let permits = std::mem::take(&mut *log.borrow_mut());
                drop(permits);
                net.run();
            }
            assert_eq!((two.available(), two.waiting()), (2, 0));
            nothing_left(&here);
        }
    }
}

#[test]
fn under_any_mix_of_holding_and_giving_up_the_order_and_the_number_hold() {
    for_seeds(0..30, |seed| {
        let net = Net::new(seed);
        let here = net.host("here");
        let mut dice = Dice::new(seed, 7);
        let permits = 1 + dice.below(3);
        let (semaphore, lock) =
            here.run(|reactor| (Semaphore::new(reactor, permits), Lock::new(reactor, Vec::new())));
        let (holders, order) = (Rc::new(Cell::new(0)), Log::<usize>::default());
        let mut given_up = Vec::new();
        for n in 0..40 {
            let (holds, patience) = (millis(dice.below(20)), millis(dice.below(200)));
            let (semaphore, lock) = (semaphore.clone(), lock.clone());
            let (holders, order) = (holders.clone(), order.clone());
            given_up.push(here.run(|reactor| {
                let pause = reactor.clone();
                let wait = semaphore.acquire();
                reactor.spawn(async move {
                    let _permit = timeout(patience, wait).await?;
                    order.borrow_mut().push(n);
                    holders.set(holders.get() + 1);
                    assert!(holders.get() <= permits);
                    pause.sleep(holds).await;
                    let mut list = lock.lock().await?;
                    list.push(n);
                    let before = list.len();
                    yield_now().await;
                    assert_eq!(list.len(), before);
                    holders.set(holders.get() - 1);
                    Ok(())
                })
            }));
        }
        let mut through = 0;
        for wait in given_up {
            match net.block_on(&here, wait.into_future()) {
                Ok(()) => through += 1,
                Err(error) => assert!(error.is::<TimedOut>()),
            }
        }
        let order = order.borrow();
        assert!(order.is_sorted() && order.len() == through, "{order:?}");
        assert_eq!((semaphore.available(), semaphore.waiting(), lock.waiting()), (permits, 0, 0));
        assert_eq!(lock.try_lock().unwrap().len(), through);
        nothing_left(&here);
    });
}

#[test]
fn a_panic_and_the_end_of_a_task_give_everything_back() {
    let (net, here) = one();
    net.allow_panics();
    let (semaphore, lock, queue) =
        here.run(|reactor| (Semaphore::new(reactor, 1), Lock::new(reactor, 5), Queue::<u8>::new(reactor, 1)));
    for panics in [true, false] {
        let (semaphore, lock, queue) = (semaphore.clone(), lock.clone(), queue.clone());
        let task = here.run(|reactor| {
            reactor.spawn(async move {
                let _permit = semaphore.acquire().await?;
                *lock.lock().await? += 1;
                let _guard = lock.lock().await?;
                assert!(!panics, "on purpose");
                queue.get().await
            })
        });
        net.run();
        drop(task);
        net.run();
    }
    assert_eq!((semaphore.available(), *lock.try_lock().unwrap()), (1, 7));
    queue.try_put(1).unwrap();
    assert_eq!(queue.try_get(), Some(1));
    nothing_left(&here);
}

#[test]
fn so_many_may_wait_and_no_more() {
    let (net, here) = one();
    let (semaphore, lock, queue) =
        here.run(|reactor| (Semaphore::new(reactor, 0), Lock::new(reactor, ()), Queue::new(reactor, 1)));
    semaphore.set_waiters_max(3);
    lock.set_waiters_max(0); // one at least
    queue.set_waiters_max(2);
    let refused = |error: trenza_core::Error| error.downcast_ref::<TooManyWaiters>().map(|refused| refused.0);
    let waits: Vec<_> = (0..3).map(|_| semaphore.acquire()).collect();
    let error = net.block_on(&here, semaphore.acquire().into_future()).unwrap_err();
    assert_eq!(refused(error), Some(3));
    drop(waits);
    net.run();
    assert_eq!(semaphore.waiting(), 0);

    let guard = net.block_on(&here, lock.lock().into_future()).unwrap();
    let waiting = lock.lock();
    assert_eq!(refused(net.block_on(&here, lock.lock().into_future()).unwrap_err()), Some(1));
    drop(guard);
    drop(waiting);

    let gets = [queue.get(), queue.get()];
    assert_eq!(refused(net.block_on(&here, queue.get()).unwrap_err()), Some(2));
    drop(gets);
    net.run();
    let puts = [queue.put(1), queue.put(2), queue.put(3)];
    assert_eq!(refused(net.block_on(&here, queue.put(4).into_future()).unwrap_err()), Some(2));
    drop(puts);
    nothing_left(&here);
}

#[test]
fn thousands_that_give_back_at_once_do_not_fill_the_stack() {
    let (net, here) = one();
    let (semaphore, lock) = here.run(|reactor| (Semaphore::new(reactor, 1), Lock::new(reactor, 0)));
    let (permit, guard) = (semaphore.try_acquire().unwrap(), lock.try_lock().unwrap());
    (0..10_000).for_each(|_| semaphore.acquire().detach());
    (0..10_000).for_each(|_| lock.lock().then(|guard| *guard.unwrap() += 1));
    drop((permit, guard));
    net.run();
    assert_eq!((semaphore.available(), *lock.try_lock().unwrap()), (1, 10_000));
    let _kept = (semaphore.try_acquire(), lock.try_lock());
    (0..10_000).for_each(|_| semaphore.acquire().then(drop));
    (0..10_000).for_each(|_| lock.lock().then(drop));
    here.kill();
    drop(_kept);
    assert_eq!((semaphore.available(), semaphore.waiting(), lock.waiting()), (1, 0, 0));
}

#[test]
fn who_waits_for_what_nobody_holds_any_more_is_told() {
    let (net, here) = one();
    let semaphore = here.run(|reactor| Semaphore::new(reactor, 0));
    let queue = here.run(|reactor| Queue::<u8>::new(reactor, 1));
    let (permit, value) = (semaphore.acquire(), queue.get());
    drop((semaphore, queue));
    assert!(net.block_on(&here, permit.into_future()).unwrap_err().is::<Abandoned>());
    assert!(net.block_on(&here, value).unwrap_err().is::<Abandoned>());
}

/// Asks for the lock, and uses the queue, while it is dropped.
struct Meddler(Option<(Lock<Option<Self>>, Queue<Self>)>);

impl Drop for Meddler {
    fn drop(&mut self) {
        let Some((lock, queue)) = self.0.take() else { return };
        lock.lock().detach();
        drop(lock.try_lock());
        queue.put(Self(None)).detach();
        let _ = queue.try_put(Self(None));
        queue.get().cancel();
        drop(queue.try_get());
    }
}

#[test]
fn values_that_use_their_own_lock_and_queue_while_they_are_dropped_meet_no_borrow() {
    let (net, here) = one();
    let (lock, queue) = here.run(|reactor| (Lock::new(reactor, None), Queue::new(reactor, 2)));
    let meddler = || Meddler(Some((lock.clone(), queue.clone())));
    *lock.try_lock().unwrap() = Some(meddler());
    *lock.try_lock().unwrap() = None; // dropped while it is held
    let puts: Vec<_> = (0..5).map(|_| queue.put(meddler())).collect();
    drop(queue.try_get());
    drop(puts); // two have been accepted since
    net.run();
    queue.close();
    net.run();
    while let Some(value) = queue.try_get() {
        drop(value);
    }
    net.run();
    assert_eq!((queue.len(), lock.waiting()), (0, 0));
    assert!(lock.try_lock().unwrap().is_none());
    nothing_left(&here);
}

#[test]
fn a_guard_is_what_it_guards() {
    let (net, here) = one();
    let lock = here.run(|reactor| Lock::new(reactor, vec![1]));
    let mut guard: Guard<Vec<i32>> = net.block_on(&here, lock.lock().into_future()).unwrap();
    guard.push(2);
    assert_eq!(format!("{guard:?}"), "[1, 2]");
    assert!(lock.try_lock().is_none());
    drop(guard);
    assert_eq!(*lock.try_lock().unwrap(), [1, 2]);
}

#[test]
fn a_queue_loses_nothing_and_keeps_its_order_whatever_is_cancelled() {
    for_seeds(0..40, |seed| {
        let net = Net::new(seed);
        let here = net.host("here");
        let mut dice = Dice::new(seed, 7);
        let max = 1 + dice.below(4);
        let queue = here.run(|reactor| Queue::new(reactor, max));
        let (mut put, mut got): (Vec<(u32, Deferred<()>)>, Vec<_>) = (Vec::new(), Vec::new());
        let (accepted, received) = (Log::<u32>::default(), Log::<u32>::default());
        for n in 0..200u32 {
            match dice.below(8) {
                0..=2 => put.push((n, queue.put(n))),
                3..=5 => got.push(queue.get()),
                6 if !got.is_empty() => drop(got.remove(dice.below(got.len()))),
                7 if !got.is_empty() => {
                    let log = received.clone();
                    got.remove(0).then(move |value| log.borrow_mut().extend(value));
                }
                _ => net.run(),
            }
            assert!(queue.len() <= max);
        }
        for (n, put) in put {
            let log = accepted.clone();
            put.then(move |result| {
                if result.is_ok() {
                    log.borrow_mut().push(n);
                }
            });
        }
        // Those that still wait come before the rest.
        for get in got {
            let log = received.clone();
            get.then(move |value| log.borrow_mut().extend(value));
        }
        net.run();
        let (seen, asked) = (received.clone(), queue.clone());
        net.block_on(&here, async move {
            while let Some(value) = asked.try_get() {
                seen.borrow_mut().push(value);
                yield_now().await;
            }
            Ok(())
        })
        .unwrap();
        queue.close();
        net.run();
        let (accepted, mut received) = (accepted.borrow(), received.take());
        received.sort_unstable();
        assert_eq!(*accepted, received, "nothing is lost, and nothing comes twice");
        assert!(queue.is_empty() && queue.is_closed());
        nothing_left(&here);
    });
}

#[test]
fn a_value_on_its_way_goes_back_to_its_place() {
    let (net, here) = one();
    let queue = here.run(|reactor| Queue::new(reactor, 3));
    let gets = [queue.get(), queue.get()];
    (1..=3).for_each(|n| queue.try_put(n).unwrap());
    assert_eq!((queue.try_put(4), queue.len()), (Err(4), 3)); // those on their way count
    queue.close();
    let late = queue.get(); // the third
    let later = queue.get(); // must not hear of the end yet
    drop(gets);
    net.run();
    assert_eq!(net.block_on(&here, late).unwrap(), 3);
    assert_eq!(net.block_on(&here, later).unwrap(), 1);
    assert_eq!(net.block_on(&here, queue.get()).unwrap(), 2);
    assert!(net.block_on(&here, queue.get()).unwrap_err().is::<QueueClosed>());
    assert!(net.block_on(&here, queue.put(5).into_future()).unwrap_err().is::<QueueClosed>());
    assert_eq!(queue.try_put(6), Err(6));
}

#[test]
fn a_put_that_was_cancelled_while_it_waited_puts_nothing() {
    let (net, here) = one();
    let queue = here.run(|reactor| Queue::new(reactor, 1));
    let puts = [queue.put(1), queue.put(2), queue.put(3)];
    let [first, second, third] = puts;
    drop(second);
    assert_eq!(queue.try_get(), Some(1)); // before the loop has heard of it
    drop(first);
    assert_eq!(queue.try_get(), Some(3));
    drop(third);
    net.run();
    assert!(queue.is_empty());
    nothing_left(&here);
}

#[test]
fn closing_tells_those_who_wait_at_both_ends() {
    let (net, here) = one();
    let (full, empty) = here.run(|reactor| (Queue::new(reactor, 1), Queue::<u8>::new(reactor, 1)));
    full.try_put(1).unwrap();
    let (put, get) = (full.put(2), empty.get());
    full.close();
    empty.close();
    assert!(net.block_on(&here, put.into_future()).unwrap_err().is::<QueueClosed>());
    assert!(net.block_on(&here, get).unwrap_err().is::<QueueClosed>());
    assert_eq!(net.block_on(&here, full.get()).unwrap(), 1);
    assert!(net.block_on(&here, full.get()).unwrap_err().is::<QueueClosed>());
}

/// Answers with a value of a queue.
struct Teller(Queue<u8>);

impl Protocol for Teller {
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        self.0.get().then_in(transport.handle::<Self>(), |_, transport, value| {
            transport.write(&[value?]);
            Ok(())
        });
        Ok(())
    }
}

#[test]
fn a_connection_that_is_lost_takes_no_value_with_it() {
    let (net, srv) = one();
    let queue = srv.run(|reactor| Queue::new(reactor, 5));
    let own = queue.clone();
    let port = srv.listen("tcp:7007", move |_| Teller(own.clone()));
    let [first, second] = [0, 1].map(|_| {
        let probe = net.host("cli").probe("tcp:here:7007");
        probe.send("?");
        net.run();
        probe
    });
    first.reset();
    net.run();
    queue.try_put(b'v').unwrap();
    net.run();
    assert_eq!((second.received(), queue.len()), (b"v".to_vec(), 0));
    drop(second);
    drop(port);
}

#[test]
fn producers_wait_for_consumers() {
    let (net, here) = one();
    let most = Rc::new(Cell::new(0));
    let seen = most.clone();
    let sum = net.block_on(&here, async move {
        let queue = Queue::new(&Reactor::current(), 3);
        Group::scope(async |group| {
            for producer in 0..3u64 {
                let (queue, most) = (queue.clone(), seen.clone());
                group.spawn(async move {
                    for n in 0..100 {
                        queue.put(producer * 100 + n).await?;
                        most.set(most.get().max(queue.len()));
                    }
                    Ok(())
                });
            }
            let mut sum = 0;
            for _ in 0..300 {
                sum += queue.get().await?;
            }
            Ok(sum)
        })
        .await
    });
    assert_eq!((sum.unwrap(), most.get()), ((0..300).sum(), 3));
    nothing_left(&here);
}
