//! Calls: how many at once, what waits, what is cancelled, what fails.

use super::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};
use trenza_core::join;
use trenza_sim::Fate;
use trenza_storage::{JOBS_MAX, WAITING_MAX};

#[test]
fn so_many_are_under_way_and_the_others_wait_in_turn() {
    let (net, host) = net(1);
    net.job_time(Duration::from_secs(1));
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = order.clone();
    let begun = net.elapsed();
    run(&net, &host, async move |storage| {
        let calls = (0..3 * JOBS_MAX).map(|n| {
            let order = order.clone();
            storage.run(move |_| {
                order.lock().unwrap().push(n / JOBS_MAX);
                Ok(())
            })
        });
        join(calls.collect::<Vec<_>>()).await
    });
    assert_eq!((net.elapsed() - begun).as_secs(), 3);
    assert!(seen.lock().unwrap().is_sorted(), "who asked first goes first");
}

#[test]
fn one_more_than_may_wait_is_refused_at_once() {
    let (net, host) = net(1);
    net.job_time(Duration::from_secs(1));
    let refused = run(&net, &host, async move |storage| {
        let calls: Vec<_> = (0..JOBS_MAX + WAITING_MAX).map(|_| storage.run(|_| Ok(()))).collect();
        let refused = kind(storage.run(|_| Ok(()))).await;
        join(calls).await?;
        assert_eq!(kind(storage.run(|_| Ok(()))).await, None, "there is room again");
        Ok(refused)
    });
    assert_eq!(refused, Some(ErrorKind::Busy));
}

#[test]
fn what_has_not_begun_when_it_is_cancelled_never_does() {
    let (net, host) = net(1);
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    run(&net, &host, async move |storage| {
        let call = || {
            let done = done.clone();
            storage.run(move |_| {
                done.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        };
        let (first, rest): (Vec<_>, Vec<_>) =
            (0..2 * JOBS_MAX).map(|n| (n, call())).partition(|(n, _)| *n < JOBS_MAX);
        drop(rest);
        join(first.into_iter().map(|(_, call)| call)).await?;
        call().await
    });
    net.run();
    assert_eq!(count.load(Ordering::Relaxed), JOBS_MAX + 1);
}

#[test]
fn a_writer_that_nobody_waits_for_leaves_nothing() {
    let (net, host) = net(1);
    let disk = host.disk();
    run(&net, &host, async move |storage| {
        drop(storage.upload(&path("a"), Write::Create));
        Reactor::current().sleep(Duration::from_secs(1)).await;
        Ok(())
    });
    net.run();
    assert_eq!(names(&disk), 0);
}

#[test]
fn every_call_does_what_the_tree_does() {
    let (net, host) = net(3);
    let disk = host.disk();
    run(&net, &host, async move |storage| {
        storage.make_folder(&path("f")).await?;
        storage.upload(&path("f/a"), Write::Create).await?.finish(false).await?;
        storage.link(&path("f/a"), &path("b")).await?;
        storage.rename(&path("b"), &path("c"), false).await?;
        storage.set_modified(&path("c"), UNIX_EPOCH).await?;
        storage.set_mode(&path("c"), 0o600).await?;
        storage.sync(&path("c")).await?;
        let found = storage.metadata(&path("f/a")).await?;
        assert_eq!((found.links, found.modified, found.mode), (2, UNIX_EPOCH, 0o600));
        assert_eq!(storage.symlink_metadata(&path("f/a")).await?, found);
        storage.remove_file(&path("f/a")).await?;
        storage.remove_folder(&path("f")).await?;
        assert!(storage.space().await?.free > 0);
        assert_eq!(storage.sweep(UNIX_EPOCH).await?, 0);
        assert_eq!(kind(storage.open(&path("f/a"))).await, Some(ErrorKind::NotFound));
        assert_eq!(kind(storage.remove_file(&Path::root())).await, Some(ErrorKind::Denied));
        assert_eq!(storage.tree().metadata(&path("c"))?.links, 1);
        Ok(())
    });
    assert_eq!(names(&disk), 1);
}

#[test]
fn a_pool_that_fails_is_an_error_of_its_own() {
    let (net, host) = net(1);
    let _rule = net.job_rule(|_| Fate::Fail);
    let failed = run(&net, &host, async move |storage| {
        let failed = kind(storage.metadata(&Path::root())).await;
        // Nobody keeps a place that he does not use any more.
        for _ in 0..2 * JOBS_MAX {
            kind(storage.metadata(&Path::root())).await;
        }
        Ok(failed)
    });
    assert_eq!(failed, Some(ErrorKind::Io));
}
