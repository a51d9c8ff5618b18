//! What there is no room for: on the disk, in memory, in the queue.

use crate::{DAY, HOUR, MINUTE, Site, from, later, options, rcpt, refused, taken, unreachable};
use std::time::Duration;
use trenza_mail::{
    queue::{Fate, QueueLimits, QueueOptions},
    smtp::{Code, Mail, Reply, Status},
};
use trenza_sim::{DiskFate, DiskVerb};

fn with(limits: QueueLimits) -> QueueOptions {
    QueueOptions { limits, ..options() }
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let site = Site::new(options(), |to| if to.starts_with("no") { refused() } else { later() });
    site.submit(from("ann@home.example"), &[rcpt("a@one.example")], "First\r\n");
    site.submit(from("ann@home.example"), &[rcpt("no@one.example")], "Second\r\n");
    let disk = site.host.disk();
    disk.set_capacity(disk.used());
    for text in ["Third\r\n".to_owned(), "x".repeat(2_000_000)] {
        let full = site.try_submit(from("ann@home.example"), &[rcpt("b@one.example")], &text).unwrap_err();
        assert_eq!(full.code(), Code::NO_ROOM, "{full}");
    }
    site.advance(2 * HOUR);
    assert_eq!(site.queue.len(), 2, "what failed cannot be noted, and nobody can be told");
    assert_eq!(site.others.tried("no@one.example").len(), 1, "it is not tried again as long as that is so");
    disk.set_capacity(1 << 30);
    site.others.judge(|_| taken());
    site.advance(5 * HOUR);
    let mut got = site.others.got();
    got.sort();
    assert_eq!(got, ["a@one.example", "ann@home.example"]);
    assert!(site.queue.is_empty() && site.files().is_empty(), "{:?}", site.files());
}

#[test]
fn a_disk_that_fails_at_any_call_loses_nothing() {
    for call in 1.. {
        let site = Site::new(options(), |to| if to.starts_with("no") { refused() } else { taken() });
        let (mut calls, mut failed) = (0, false);
        let struck = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let strike = struck.clone();
        let guard = site.host.disk().rule(move |_| {
            calls += 1;
            failed |= calls == call;
            strike.store(failed, std::sync::atomic::Ordering::SeqCst);
            if calls == call { DiskFate::Fail } else { DiskFate::Go }
        });
        let put = site.try_submit(
            from("ann@home.example"),
            &[rcpt("a@one.example"), rcpt("no@two.example")],
            "Hello\r\n",
        );
        site.advance(DAY);
        drop(guard);
        if put.is_ok() {
            let mut got = site.others.got();
            got.sort();
            got.dedup();
            assert_eq!(got, ["a@one.example", "ann@home.example"], "call {call}");
        }
        assert!(site.files().is_empty() && site.queue.is_empty(), "call {call}: {:?}", site.files());
        if !struck.load(std::sync::atomic::Ordering::SeqCst) {
            assert!(call > 20, "there are more calls than {call}");
            return;
        }
    }
}

#[test]
fn what_is_not_finished_leaves_nothing() {
    let site = Site::new(options(), |_| taken());
    let inlet = site.queue.inlet(&site.host.reactor());
    let begin = async move {
        let mut message = inlet.submit(Mail::default(), vec![rcpt("a@one.example")]).await?;
        message.push(b"It ends here");
        drop(message);
        Ok(())
    };
    site.net.block_on(&site.host, begin).unwrap();
    site.advance(MINUTE);
    assert!(site.files().is_empty() && site.queue.is_empty() && site.others.got().is_empty());
}

#[test]
fn so_many_messages_are_in_the_queue() {
    let site = Site::new(with(QueueLimits { messages: 5, ..QueueLimits::default() }), |_| later());
    for number in 0..5 {
        site.submit(from("ann@home.example"), &[rcpt(&format!("u{number}@one.example"))], "Hello!\r\n");
    }
    let full = site.try_submit(from("ann@home.example"), &[rcpt("b@one.example")], "Hello!\r\n").unwrap_err();
    assert_eq!(full.code(), Code::NO_ROOM);
    site.others.judge(|_| taken());
    site.advance(HOUR);
    assert!(site.queue.is_empty());
    site.submit(from("ann@home.example"), &[rcpt("b@one.example")], "Hello!\r\n");
}

#[test]
fn a_message_has_so_many_recipients_as_a_record_has_room_for() {
    let site = Site::new(options(), |_| taken());
    let long = "x".repeat(200);
    let all: Vec<_> = (0..12_000).map(|number| rcpt(&format!("{long}{number}@one.example"))).collect();
    let refusal = site.try_submit(from("ann@home.example"), &all, "Hello!\r\n").unwrap_err();
    assert_eq!(refusal.code(), Code::NO_ROOM);
    assert!(site.queue.is_empty() && site.files().is_empty());
}

/// Only a part of the queue is in memory; the rest is found when there is room.
#[test]
fn what_does_not_fit_into_memory_is_carried_all_the_same() {
    let limits = QueueLimits { index: 20, index_of_destination: 8, parcels: 4, ..QueueLimits::default() };
    let mut site = Site::new(with(limits.clone()), |_| later());
    for number in 0..150 {
        let to = rcpt(&format!("u{number}@d{}.example", number % 5));
        site.submit(from("ann@home.example"), &[to], "Hello!\r\n");
    }
    assert_eq!(site.queue.len(), 150);
    for restart in [false, true] {
        if restart {
            site.restart(with(limits.clone()));
        }
        site.others.judge(|_| taken());
        site.advance(12 * HOUR);
        let mut got = site.others.got();
        got.sort();
        got.dedup();
        assert_eq!(
            (got.len(), site.others.got().len(), site.queue.len()),
            (150, 150, 0),
            "restart: {restart}"
        );
        if !restart {
            site.others.0.got.borrow_mut().clear();
            site.others.judge(|_| later());
            for number in 0..150 {
                let to = rcpt(&format!("u{number}@many.example"));
                site.submit(from("ann@home.example"), &[to], "Hello!\r\n");
            }
        }
    }
}

#[test]
fn a_new_message_is_carried_at_once_though_memory_is_full_of_others() {
    let limits = QueueLimits { index: 20, index_of_destination: 8, ..QueueLimits::default() };
    let site = Site::new(with(limits), |to| if to.ends_with("well.example") { taken() } else { later() });
    for number in 0..60 {
        let to = rcpt(&format!("u{number}@d{}.example", number % 6));
        site.submit(from("ann@home.example"), &[to], "Hello!\r\n");
    }
    site.advance(MINUTE);
    site.submit(from("ann@home.example"), &[rcpt("a@well.example")], "Hello!\r\n");
    site.advance(Duration::from_secs(1));
    assert_eq!(site.others.got(), ["a@well.example"]);
}

#[test]
fn messages_are_never_whole_in_memory() {
    let site = Site::new(options(), |_| taken());
    let disk = site.host.disk();
    // What is written at once is no more than a piece.
    let most = std::sync::Arc::new(std::sync::Mutex::new(0));
    let guard = disk.rule({
        let most = most.clone();
        move |access| {
            *most.lock().unwrap() += usize::from(access.verb() == DiskVerb::Write);
            DiskFate::Go
        }
    });
    let text = "A line of a message\r\n".repeat(400_000);
    site.submit(from("ann@home.example"), &[rcpt("a@one.example")], &text);
    site.advance(MINUTE);
    drop(guard);
    assert!(*most.lock().unwrap() >= text.len() / (1 << 20), "{}", most.lock().unwrap());
    assert_eq!(site.others.0.got.borrow()[0].text, text);
}

/// What is said of each of many takes more room than a record has.
#[test]
fn what_is_said_of_many_is_kept_as_far_as_there_is_room() {
    let long = "\u{e4}\\".repeat(500);
    let limits = QueueLimits { parcel: 10_000, ..QueueLimits::default() };
    let site = Site::new(with(limits), move |to| match to.get(..1) {
        Some("u") => {
            (Duration::ZERO, Fate::Refused(Reply::new(Code::REFUSED, Status::NO_MAILBOX, long.clone())))
        }
        Some("l") => later(),
        _ => taken(),
    });
    let mut all: Vec<_> = (0..10_000).map(|number| rcpt(&format!("u{number}@one.example"))).collect();
    // For one it has to be kept.
    all.push(rcpt("later@one.example"));
    site.submit(from("ann@home.example"), &all, "Hello!\r\n");
    site.advance(2 * MINUTE);
    assert_eq!(site.others.got(), ["ann@home.example"], "it is noted, and the sender told");
    assert_eq!(site.queue.len(), 1);
    site.others.judge(|_| taken());
    site.advance(HOUR);
    assert_eq!(site.others.got(), ["ann@home.example", "later@one.example"]);
    let report = site.others.0.got.borrow()[0].text.clone();
    assert!(report.contains("u9999@one.example") && report.contains("550 5.1.1 "));
    assert!(site.queue.is_empty() && site.files().is_empty());
}

#[test]
fn destinations_that_are_down_take_no_room_from_others() {
    let limits = QueueLimits { index: 20, index_of_destination: 10, ..QueueLimits::default() };
    let site = Site::new(with(limits), |to| match to.ends_with("well.example") {
        true => taken(),
        false => unreachable(),
    });
    for number in 0..60 {
        let to = rcpt(&format!("u{number}@down{}.example", number % 4));
        site.submit(from("ann@home.example"), &[to], "Hello!\r\n");
    }
    site.advance(HOUR);
    for number in 0..20 {
        let to = format!("u{number}@well.example");
        site.submit(from("ann@home.example"), &[rcpt(&to)], "Hello!\r\n");
        site.advance(MINUTE);
        assert!(site.others.got().contains(&to), "{to} waits for others");
        site.advance(10 * MINUTE);
    }
}
