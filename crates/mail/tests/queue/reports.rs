//! What senders are told.

use crate::{DAY, MINUTE, Site, from, later, options, rcpt, refused, taken, unreachable};
use std::{cell::Cell, rc::Rc};
use trenza_mail::{
    queue::{Fate, QueueLimits, QueueOptions},
    smtp::{Mail, Notify, Rcpt, Return},
};

fn wants(address: &str, success: bool, failure: bool, delay: bool) -> Rcpt {
    Rcpt { notify: Some(Notify { success, failure, delay }), ..rcpt(address) }
}

/// The reports that somebody got.
fn reports(site: &Site, to: &str) -> Vec<String> {
    let got = site.others.0.got.borrow();
    got.iter().filter(|got| got.to == to && got.sender.is_none()).map(|got| got.text.clone()).collect()
}

#[test]
fn a_failure_brings_the_header_back_and_all_of_it_if_that_was_wished() {
    let site = Site::new(options(), |to| if to.starts_with("no") { refused() } else { taken() });
    let text = "Subject: hello\r\n\r\nThe body\r\n";
    site.submit(from("ann@home.example"), &[rcpt("no@one.example"), rcpt("yes@one.example")], text);
    site.submit(
        Mail { ret: Some(Return::Full), ..from("bob@home.example") },
        &[rcpt("no@one.example")],
        text,
    );
    site.advance(MINUTE);
    let [ann] = &reports(&site, "ann@home.example")[..] else { panic!() };
    assert!(ann.contains("Content-Type: text/rfc822-headers\r\n\r\nSubject: hello\r\n--"), "{ann}");
    assert!(!ann.contains("The body") && !ann.contains("yes@one.example"));
    let [bob] = &reports(&site, "bob@home.example")[..] else { panic!() };
    assert!(
        bob.contains("Content-Type: message/rfc822\r\n\r\nSubject: hello\r\n\r\nThe body\r\n--"),
        "{bob}"
    );
    assert!(site.queue.is_empty() && site.files().is_empty());
}

#[test]
fn what_is_large_brings_its_header_back_only() {
    let site = Site::new(options(), |to| if to.starts_with("no") { refused() } else { taken() });
    let text = format!("Subject: hello\r\n\r\n{}", "The body\r\n".repeat(20_000));
    let mail = Mail { ret: Some(Return::Full), ..from("ann@home.example") };
    site.submit(mail, &[rcpt("no@one.example")], &text);
    site.advance(MINUTE);
    let [ann] = &reports(&site, "ann@home.example")[..] else { panic!() };
    assert!(ann.contains("text/rfc822-headers\r\n\r\nSubject: hello\r\n--") && ann.len() < 3000, "{ann}");
}

#[test]
fn reports_are_not_reported_on() {
    let site = Site::new(options(), |_| refused());
    site.submit(from("ann@home.example"), &[rcpt("no@one.example")], "Hello!\r\n");
    site.submit(Mail::default(), &[rcpt("no@one.example")], "A report\r\n");
    site.advance(DAY);
    let tried: Vec<String> = site.others.0.tried.borrow().iter().map(|(to, _)| to.clone()).collect();
    assert_eq!(tried.len(), 3, "{tried:?}");
    assert!(site.queue.is_empty() && site.files().is_empty());
}

#[test]
fn success_is_told_who_asked_for_it_unless_the_next_server_does() {
    let site = Site::new(options(), |to| {
        let (takes, fate) = taken();
        match (to, fate) {
            ("in@one.example", Fate::Relayed { reply, .. }) => (takes, Fate::Delivered(reply)),
            ("dsn@one.example", Fate::Relayed { reply, .. }) => {
                (takes, Fate::Relayed { reply, notifies: true })
            }
            (_, fate) => (takes, fate),
        }
    });
    let to = [
        wants("in@one.example", true, false, false),
        wants("dsn@one.example", true, false, false),
        wants("on@one.example", true, true, true),
        rcpt("plain@one.example"),
    ];
    let mail = Mail { ret: Some(Return::Full), envid: Some(b"x-1".to_vec()), ..from("ann@home.example") };
    site.submit(mail, &to, "Subject: hello\r\n\r\nThe body\r\n");
    site.advance(MINUTE);
    let [report] = &reports(&site, "ann@home.example")[..] else { panic!() };
    assert!(report.contains("rfc822;in@one.example\r\nAction: delivered\r\nStatus: 2.0.0\r\n"), "{report}");
    assert!(report.contains("rfc822;on@one.example\r\nAction: relayed\r\n"));
    assert!(!report.contains("dsn@") && !report.contains("plain@"));
    assert!(report.contains("Original-Envelope-Id: x-1\r\n"));
    assert!(!report.contains("The body"), "of what has not failed the header comes back");
    assert!(site.queue.is_empty());
}

#[test]
fn who_wants_to_hear_nothing_hears_nothing() {
    let site = Site::new(options(), |to| if to.starts_with("no") { refused() } else { later() });
    let to = [wants("no@one.example", false, false, false), wants("late@two.example", false, true, false)];
    site.submit(from("ann@home.example"), &to, "Hello!\r\n");
    site.advance(DAY);
    assert_eq!(reports(&site, "ann@home.example").len(), 0);
    site.others.judge(|_| taken());
    site.advance(DAY);
    assert!(site.queue.is_empty());
}

#[test]
fn failures_that_come_together_are_one_report() {
    let slow = Rc::new(Cell::new(true));
    let site = Site::new(options(), move |to| {
        let (_, fate) = refused();
        let takes = if to.starts_with("slow") && slow.get() { 10 * MINUTE } else { MINUTE };
        if to.starts_with("ann") { taken() } else { (takes, fate) }
    });
    let to = ["no@one.example", "no@two.example", "slow@three.example"].map(rcpt);
    site.submit(from("ann@home.example"), &to, "Hello!\r\n");
    site.advance(5 * MINUTE);
    assert_eq!(reports(&site, "ann@home.example").len(), 0, "something is under way");
    site.advance(10 * MINUTE);
    let [report] = &reports(&site, "ann@home.example")[..] else { panic!() };
    assert_eq!(report.matches("Action: failed").count(), 3, "{report}");
}

#[test]
fn of_many_at_one_destination_the_sender_is_told_once() {
    let limits = QueueLimits { parcel: 10, ..QueueLimits::default() };
    let options = QueueOptions { limits, ..options() };
    let to: Vec<Rcpt> = (0..35).map(|number| rcpt(&format!("u{number:02}@one.example"))).collect();
    let site = Site::new(options.clone(), |to| if to.starts_with('u') { refused() } else { taken() });
    site.submit(from("ann@home.example"), &to, "Hello!\r\n");
    site.advance(MINUTE);
    assert_eq!(site.others.got(), ["ann@home.example"]);
    let report = site.others.0.got.borrow()[0].text.clone();
    assert_eq!(report.matches("\r\nAction: failed\r\n").count(), 35);
    assert!(site.queue.is_empty() && site.files().is_empty());
    // Unless the destination is lost in between.
    let site = Site::new(options, |to| match to.get(..2) {
        Some("u0") => refused(),
        Some("an") => taken(),
        _ => unreachable(),
    });
    site.submit(from("ann@home.example"), &to, "Hello!\r\n");
    site.advance(MINUTE);
    let report = site.others.0.got.borrow()[0].text.clone();
    assert_eq!((site.others.got().len(), report.matches("\r\nAction: failed\r\n").count()), (1, 10));
}
