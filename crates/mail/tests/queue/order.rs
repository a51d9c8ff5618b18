//! What is tried when, and what waits for what.

use crate::{DAY, HOUR, MINUTE, Site, from, later, options, push, rcpt, refused, taken, unreachable};
use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_mail::{
    queue::{Fate, QueueLimits, QueueOptions, State},
    smtp::{Code, Rcpt, Recipient, Reply, server::Outcome},
};

#[test]
fn a_message_is_carried_at_once_and_is_gone() {
    let site = Site::new(options(), |_| taken());
    site.submit(from("ann@home.example"), &[rcpt("a@one.example"), rcpt("b@two.example")], "Hello!\r\n");
    site.advance(Duration::from_secs(1));
    let mut got = site.others.got();
    got.sort();
    assert_eq!(got, ["a@one.example", "b@two.example"]);
    assert_eq!(site.others.0.got.borrow()[0].sender.as_deref(), Some("ann@home.example"));
    assert!(site.queue.is_empty() && site.files().is_empty(), "{:?}", site.files());
}

#[test]
fn a_recipient_is_tried_again_after_growing_pauses_and_comes_back_after_five_days() {
    let site = Site::new(options(), |to| if to == "a@one.example" { later() } else { taken() });
    site.submit(from("ann@home.example"), &[rcpt("a@one.example"), rcpt("b@one.example")], "Hello!\r\n");
    site.advance(6 * DAY);
    let tried = site.others.tried("a@one.example");
    let pauses: Vec<Duration> = tried.windows(2).map(|two| two[1] - two[0]).collect();
    for (pause, minutes) in pauses.iter().zip([5, 10, 20, 40, 80, 160, 240, 240]) {
        let plain = minutes * MINUTE;
        assert!(
            *pause >= plain * 9 / 10 - MINUTE / 10 && *pause <= plain * 11 / 10 + MINUTE / 10,
            "{pauses:?}"
        );
    }
    assert!(*tried.last().unwrap() >= 5 * DAY && *tried.last().unwrap() <= 5 * DAY + 5 * HOUR, "{tried:?}");
    assert_eq!(site.others.tried("b@one.example").len(), 1, "who has it is not asked again");
    let reports: Vec<String> = {
        let got = site.others.0.got.borrow();
        got.iter().filter(|got| got.to == "ann@home.example").map(|got| got.text.clone()).collect()
    };
    assert_eq!(reports.len(), 2, "one that it is late, one that it has failed");
    assert!(
        reports[0].contains("Action: delayed\r\n")
            && reports[0].contains("Subject: Your message is late\r\n")
    );
    assert!(reports[1].contains("Action: failed\r\nStatus: 4.4.7\r\n"), "{}", reports[1]);
    assert!(site.queue.is_empty() && site.files().is_empty());
}

#[test]
fn a_stuck_destination_delays_no_other() {
    let stuck = |to: &str| match to.ends_with("stuck.example") {
        true => (DAY, taken().1),
        false => taken(),
    };
    let limits = QueueLimits { parcels: 40, carry: 30 * MINUTE, ..QueueLimits::default() };
    let site = Site::new(QueueOptions { limits, ..options() }, stuck);
    for number in 0..100 {
        site.submit(from("ann@home.example"), &[rcpt(&format!("u{number}@stuck.example"))], "Hello!\r\n");
    }
    for number in 0..200 {
        let before = site.net.elapsed();
        let to = format!("u{number}@well{}.example", number % 50);
        site.submit(from("ann@home.example"), &[rcpt(&to)], "Hello!\r\n");
        site.net.run_until(|| site.others.got().contains(&to));
        let took = site.net.elapsed() - before;
        assert!(took < Duration::from_secs(1), "{to} has waited {took:?}");
    }
    assert!(site.others.0.most.get() <= 6, "{} were under way at once", site.others.0.most.get());
    // What takes too long is ended, and its destination is left alone.
    site.advance(31 * MINUTE);
    let tried = site.others.0.tried.borrow().iter().filter(|(to, _)| to.ends_with("stuck.example")).count();
    assert_eq!(tried, 4);
    assert_eq!(site.queue.len(), 100);
}

#[test]
fn a_destination_that_cannot_be_reached_is_tried_by_one_for_all() {
    let up = Rc::new(Cell::new(false));
    let is_up = up.clone();
    let site = Site::new(options(), move |to| match to.ends_with("down.example") && !is_up.get() {
        true => unreachable(),
        false => taken(),
    });
    site.submit(from("ann@home.example"), &[rcpt("first@down.example")], "Hello!\r\n");
    site.advance(Duration::from_secs(1));
    for number in 0..50 {
        site.submit(from("ann@home.example"), &[rcpt(&format!("u{number}@down.example"))], "Hello!\r\n");
    }
    site.advance(3 * MINUTE);
    assert_eq!(site.others.0.tried.borrow().len(), 1, "the destination is left alone");
    site.advance(3 * HOUR);
    let tried = site.others.0.tried.borrow().len();
    assert!((4..9).contains(&tried), "{tried} tries in three hours");
    up.set(true);
    site.advance(70 * MINUTE);
    assert_eq!(site.others.got().len(), 51, "when it can be reached all go at once");
    assert!(site.queue.is_empty());
}

#[test]
fn messages_for_what_is_never_reached_come_back_though_they_were_not_tried() {
    let site = Site::new(options(), |to| match to.ends_with("down.example") {
        true => unreachable(),
        false => taken(),
    });
    for number in 0..30 {
        let sender = format!("s{number}@home.example");
        site.submit(from(&sender), &[rcpt(&format!("u{number}@down.example"))], "Hello!\r\n");
    }
    site.advance(6 * HOUR);
    let late = site.others.got();
    assert_eq!(late.len(), 30, "each sender hears that it is late: {late:?}");
    site.advance(5 * DAY);
    let got = site.others.got();
    assert_eq!(got.len(), 60, "and then that it has failed");
    for number in 0..30 {
        let sender = format!("s{number}@home.example");
        assert_eq!(got.iter().filter(|to| **to == sender).count(), 2, "{sender}");
    }
    assert!(site.queue.is_empty() && site.files().is_empty());
}

#[test]
fn so_many_are_under_way_at_once() {
    let limits = QueueLimits { parcels: 10, parcels_of_destination: 3, ..QueueLimits::default() };
    let site = Site::new(QueueOptions { limits, ..options() }, |_| (10 * MINUTE, taken().1));
    for number in 0..60 {
        let to = rcpt(&format!("u{number}@d{}.example", number % 20));
        site.submit(from("ann@home.example"), &[to], "Hello!\r\n");
    }
    site.advance(Duration::from_secs(5));
    assert_eq!(site.others.0.under_way.borrow().len(), 10);
    site.advance(3 * HOUR);
    assert_eq!((site.others.got().len(), site.others.0.most.get()), (60, 10));
}

#[test]
fn a_parcel_has_so_many_recipients() {
    let limits = QueueLimits { parcel: 7, ..QueueLimits::default() };
    let site = Site::new(QueueOptions { limits, ..options() }, |_| taken());
    let all: Vec<_> = (0..50).map(|number| rcpt(&format!("u{number}@one.example"))).collect();
    site.submit(from("ann@home.example"), &all, "Hello!\r\n");
    site.advance(MINUTE);
    let mut got = site.others.got();
    got.sort();
    got.dedup();
    assert_eq!((got.len(), site.others.got().len(), site.queue.len()), (50, 50, 0));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut site = Site::new(options(), |to| if to == "a@one.example" { later() } else { taken() });
    let to = [rcpt("a@one.example"), rcpt("b@two.example")];
    site.submit(from("ann@home.example"), &to, "Hello!\r\n");
    site.advance(Duration::from_secs(1));
    assert_eq!(site.others.got(), ["b@two.example"]);
    site.restart(options());
    assert_eq!(site.queue.len(), 1);
    site.advance(4 * MINUTE);
    assert_eq!(site.others.tried("a@one.example").len(), 1, "the pause goes on");
    site.others.judge(|_| taken());
    site.advance(2 * MINUTE);
    assert_eq!(site.others.got(), ["b@two.example", "a@one.example"]);
    assert!(site.queue.is_empty());
}

#[test]
fn nothing_waits_for_a_time_that_the_clock_was_wrong_about() {
    let mut site =
        Site::new(options(), |to| if to.ends_with("down.example") { unreachable() } else { later() });
    let right = site.host.reactor().wall();
    site.net.set_wall(right + 100 * DAY);
    site.submit(from("ann@home.example"), &[rcpt("a@one.example")], "Hello!\r\n");
    site.submit(from("ann@home.example"), &[rcpt("b@down.example")], "Hello!\r\n");
    site.advance(MINUTE);
    site.others.judge(|_| taken());
    // While it runs.
    site.net.set_wall(right);
    site.advance(6 * MINUTE);
    let mut got = site.others.got();
    got.sort();
    assert_eq!(got, ["a@one.example", "b@down.example"]);
    // And while it does not.
    site.net.set_wall(right + 100 * DAY);
    site.others.judge(|_| later());
    site.submit(from("ann@home.example"), &[rcpt("c@one.example")], "Hello!\r\n");
    site.advance(MINUTE);
    site.others.judge(|_| taken());
    site.net.set_wall(right);
    site.restart(options());
    site.advance(MINUTE);
    assert!(site.others.got().contains(&"c@one.example".to_owned()) && site.queue.is_empty());
}

#[test]
fn what_is_under_way_ends_before_the_loop_does_and_the_rest_counts_as_not_tried() {
    for (takes, got) in [(Duration::from_secs(5), 1), (HOUR, 0)] {
        let mut site = Site::new(options(), move |_| (takes, taken().1));
        site.submit(from("ann@home.example"), &[rcpt("a@one.example")], "Hello!\r\n");
        site.advance(Duration::from_secs(1));
        site.host.run(|reactor| reactor.stop());
        site.advance(MINUTE);
        assert!(!site.host.is_running());
        assert_eq!(site.others.got().len(), got, "{takes:?}");
        assert_eq!(site.files().len(), 2 * (1 - got));
        site.restart(options());
        site.advance(2 * HOUR);
        assert_eq!(site.others.got(), ["a@one.example"], "{takes:?}");
    }
}

#[test]
fn whom_no_domain_is_known_of_is_carried_and_reported_on_as_others_are() {
    let tries = Rc::new(Cell::new(0));
    let count = tries.clone();
    let site = Site::new(options(), move |to| match to {
        "Postmaster" => {
            count.set(count.get() + 1);
            if count.get() < 3 { later() } else { refused() }
        }
        _ => taken(),
    });
    site.submit(from("ann@home.example"), &[Rcpt::new(Recipient::Postmaster)], "Hello!\r\n");
    site.advance(HOUR);
    assert_eq!((tries.get(), site.others.got()), (3, vec!["ann@home.example".to_owned()]));
    assert!(site.queue.is_empty() && site.files().is_empty());
}

#[test]
fn what_comes_on_another_loop_is_carried_at_once() {
    fn can_be_sent<T: Send + Sync>(_: &T) {}
    let site = Site::new(options(), |_| taken());
    can_be_sent(&site.queue);
    let other = site.net.host("another-loop");
    for number in 0..20 {
        let inlet = site.queue.inlet(&other.reactor());
        let put = async move {
            let to = vec![rcpt(&format!("u{number}@one.example"))];
            let mut message = inlet.submit(from("ann@home.example"), to).await?;
            push(&mut *message, b"Hello!\r\n").await?;
            message.finish().await
        };
        assert_eq!(site.net.block_on(&other, put).unwrap(), Outcome::Accepted);
        site.advance(Duration::from_secs(1));
        assert_eq!(site.others.got().len(), number + 1);
    }
    assert!(site.queue.is_empty());
}

#[test]
fn a_carrier_that_panics_or_says_too_little_loses_nothing() {
    let tries = Rc::new(Cell::new(0));
    let count = tries.clone();
    let site = Site::new(options(), move |_| {
        count.set(count.get() + 1);
        assert!(count.get() > 1, "on purpose");
        taken()
    });
    site.net.allow_panics();
    site.submit(from("ann@home.example"), &[rcpt("a@one.example")], "Hello!\r\n");
    site.advance(Duration::from_secs(1));
    let found = |site: &Site| {
        let mut states = Vec::new();
        site.spool().each(&mut |_, found| states.push(found.record.unwrap().recipients[0].state)).unwrap();
        states
    };
    assert!(matches!(found(&site)[..], [State::Waiting { tries: 1, .. }]), "{:?}", found(&site));
    site.advance(10 * MINUTE);
    assert_eq!((site.others.got().len(), tries.get(), site.queue.len()), (1, 2, 0));
}

#[test]
fn a_carrier_that_panics_at_a_name_ends_nothing() {
    let site = Site::new(options(), |to| if to == "a@one.example" { later() } else { taken() });
    site.net.allow_panics();
    site.others.0.panics_at.set("a@one.example");
    let to = ["a@one.example", "b@two.example"].map(rcpt);
    site.submit(from("ann@home.example"), &to, "Hello!\r\n");
    site.submit(from("ann@home.example"), &[rcpt("c@one.example")], "Hello!\r\n");
    site.advance(MINUTE);
    let mut got = site.others.got();
    got.sort();
    assert_eq!(got, ["b@two.example", "c@one.example"]);
    assert_eq!(site.others.tried("a@one.example").len(), 1);
    site.others.judge(|_| taken());
    site.advance(HOUR);
    assert_eq!((site.others.got().len(), site.queue.len()), (3, 0));
}

#[test]
fn of_several_destinations_each_has_its_own_fate() {
    let site = Site::new(options(), |to| match to {
        "no@one.example" => refused(),
        "later@two.example" => later(),
        "odd@three.example" => {
            (Duration::ZERO, Fate::Refused(Reply::plain(Code::FAILED, "line\nline\r\n\u{1b}[1m")))
        }
        _ => taken(),
    });
    let to = ["no@one.example", "yes@one.example", "later@two.example", "odd@three.example"].map(rcpt);
    site.submit(from("ann@home.example"), &to, "Hello!\r\n");
    site.advance(MINUTE);
    let got = site.others.got();
    assert_eq!(got.iter().filter(|to| *to == "yes@one.example").count(), 1);
    assert!(got.iter().any(|to| to == "ann@home.example"));
    site.others.judge(|_| taken());
    site.advance(HOUR);
    assert!(site.others.got().contains(&"later@two.example".to_owned()) && site.queue.is_empty());
}
