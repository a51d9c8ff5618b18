//! Maildirs on a disk that is full, fails, or is in others' hands.

use crate::{Site, left_over, reception};
use trenza_sim::{DiskFate, DiskVerb, Net};

fn site() -> Site {
    Site::greeted(&reception())
}

/// MAIL, RCPT for these, DATA.
fn begin(site: &Site, to: &[&str]) {
    site.ask("MAIL FROM:<x@y>", "250");
    for name in to {
        site.ask(format!("RCPT TO:<{name}@example.org>"), "250");
    }
    site.ask("DATA", "354");
}

#[test]
fn a_full_disk_answers_452_and_keeps_what_was_there() {
    let site = site();
    begin(&site, &["ann"]);
    site.ask("first\r\n.", "250");
    let disk = site.srv.disk();
    let before = disk.used();
    disk.set_capacity(before + 20_000);
    for to in [&["ann"][..], &["ann", "bob"]] {
        begin(&site, to);
        let large = "x".repeat(998) + "\r\n";
        site.ask(large.repeat(1000) + ".", "452 4.3.1 ");
        assert_eq!((disk.used(), site.messages("ann").len()), (before, 1));
        assert!(left_over(&disk, "ann").is_empty() && site.messages("bob").is_empty());
    }
    begin(&site, &["ann"]);
    site.ask("second\r\n.", "250");
    assert_eq!(site.messages("ann").len(), 2);
}

#[test]
fn whatever_the_disk_cannot_do_is_told_and_leaves_nothing() {
    // At which call for a message it fails; each of them is tried until one goes well.
    for fate in [DiskFate::Full, DiskFate::Fail] {
        let mut number = 0;
        loop {
            let site = site();
            begin(&site, &["ann", "bob"]);
            site.ask("first\r\n.", "250");
            site.ask("MAIL FROM:<x@y>", "250");
            let mut left = number;
            let disk = site.srv.disk();
            let guard = disk.rule(move |access| {
                if !access.is_change() || access.verb() == DiskVerb::Unlink {
                    return DiskFate::Go;
                }
                left -= 1;
                if left == -1 { fate } else { DiskFate::Go }
            });
            site.client.send("RCPT TO:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n");
            site.expect("250");
            site.expect("250");
            let begun = site.reply();
            let told = if begun.starts_with("354") { site.ask("second\r\n.", "") } else { begun };
            drop(guard);
            let whole = told.starts_with("250");
            let code = if fate == DiskFate::Full { "452 4.3.1 " } else { "451 4.3.0 " };
            assert!(whole || told.starts_with(code), "{fate:?} at {number}: {told}");
            for name in ["ann", "bob"] {
                assert_eq!(site.messages(name).len(), 1 + usize::from(whole), "{fate:?} at {number}");
                assert!(left_over(&disk, name).is_empty(), "{fate:?} at {number}");
            }
            site.net.advance(std::time::Duration::from_secs(1));
            begin(&site, &["ann"]);
            site.ask("third\r\n.", "250");
            if whole {
                assert!(number >= 5, "{number} calls are too few");
                break;
            }
            number += 1;
        }
    }
}

#[test]
fn who_has_no_maildir_yet_gets_one() {
    let site = Site::new(Net::gentle(1), &reception());
    site.expect("220");
    site.ask("HELO x", "250");
    begin(&site, &["bob", "bob"]);
    site.ask("a\r\n.", "250");
    assert_eq!(site.messages("bob").len(), 1);
    let names = site.srv.disk().folder("mail/bob").unwrap().list().unwrap();
    let mut names: Vec<_> = names.into_iter().map(|entry| entry.name).collect();
    names.sort();
    assert_eq!(names, ["cur", "new", "tmp"]);
    let mail = site.srv.disk().folder("mail").unwrap();
    assert_eq!(mail.metadata("bob").unwrap().mode, 0o700, "it is for nobody else to read");
}

#[test]
fn a_message_is_one_file_for_all() {
    let site = site();
    let before = site.srv.disk().used();
    begin(&site, &["ann", "bob", "postmaster"]);
    site.ask("x".repeat(10_000) + "\r\n.", "250");
    let used = site.srv.disk().used() - before;
    assert!((10_000..11_000).contains(&used), "{used}");
    for name in ["ann", "bob", "postmaster"] {
        assert!(site.messages(name)[0].contains(&"x".repeat(10_000)));
    }
}

#[test]
fn a_maildir_that_is_broken_stops_others_in_smtp_only() {
    let lmtp = trenza_mail::smtp::SmtpServer::lmtp("srv");
    for (server, hello, replies, stored) in
        [(reception(), "EHLO x", &["451 4.3.0 "][..], 1), (lmtp, "LHLO x", &["451 4.3.0 ", "250 2.0.0 "], 2)]
    {
        let site = Site::new(Net::gentle(1), &server);
        site.expect("220");
        site.ask(hello, "250");
        begin(&site, &["bob", "ann"]);
        site.client.send("first\r\n.\r\n");
        for _ in replies {
            site.expect("250");
        }
        let bob = site.srv.disk().folder("mail/bob").unwrap();
        bob.rename("new", &bob, "gone").unwrap();
        begin(&site, &["bob", "ann"]);
        site.client.send("second\r\n.\r\n");
        for reply in replies {
            site.expect(reply);
        }
        assert_eq!(site.messages("ann").len(), stored);
        assert!(left_over(&site.srv.disk(), "bob").is_empty());
    }
}

#[test]
fn a_maildir_that_somebody_has_removed_is_made_again() {
    let site = site();
    begin(&site, &["ann"]);
    site.ask("first\r\n.", "250");
    let mail = site.srv.disk().folder("mail").unwrap();
    mail.rename("ann", &mail, "gone").unwrap();
    site.ask("MAIL FROM:<x@y>", "250");
    site.ask("RCPT TO:<ann@example.org>", "250");
    // It is noticed, and the message is to come again.
    site.ask("DATA", "451 4.3.0 ");
    begin(&site, &["ann"]);
    site.ask("second\r\n.", "250");
    assert_eq!(site.messages("ann").len(), 1);
}
