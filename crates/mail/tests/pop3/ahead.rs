//! Messages that are read before they are asked for: nobody sees it, but for the disk.

use crate::{Site, deliver, make, serve, server};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use trenza_mail::pop3::{Pop3Limits, Pop3Server};
use trenza_sim::{DiskFate, DiskOpen, DiskVerb, HostHandle, Net, RuleGuard};

/// Counts what is read from a disk.
fn reads(srv: &HostHandle) -> Reads {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let rule = srv.disk().rule(move |access| {
        counted.fetch_add(usize::from(access.verb() == DiskVerb::Read), Relaxed);
        DiskFate::Go
    });
    Reads { count, _rule: rule }
}

struct Reads {
    count: Arc<AtomicUsize>,
    _rule: RuleGuard,
}

impl Reads {
    fn get(&self) -> usize {
        self.count.load(Relaxed)
    }
}

fn message(number: usize) -> Vec<u8> {
    format!("Subject: {number}\r\n\r\n.{number}\r\n").into_bytes()
}

/// Ann has so many messages, and has logged in.
fn site(messages: usize, server: &Pop3Server) -> Site {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    let messages: Vec<_> = (1..=messages).map(message).collect();
    deliver(&srv, "ann", &messages.iter().map(Vec::as_slice).collect::<Vec<_>>());
    serve(&srv, server);
    let client = cli.probe("tcp:srv:110");
    let site = Site { net, srv, client, read: Default::default() };
    site.expect("+OK");
    site.ask("USER ann", "+OK");
    site.ask("PASS secret", "+OK");
    site
}

fn stuffed(number: usize) -> String {
    String::from_utf8(message(number)).unwrap().replace("\r\n.", "\r\n..")
}

#[test]
fn who_goes_on_waits_for_no_disk() {
    let site = site(300, &server());
    let reads = reads(&site.srv);
    for number in 1..=300 {
        assert_eq!(site.lines(&format!("RETR {number}")), stuffed(number));
        if number % 3 == 0 {
            site.ask(format!("DELE {number}"), "+OK");
        }
        // Never more than may be read ahead, and each once.
        assert!(reads.get() <= 300.min(number + 64), "{} at {number}", reads.get());
    }
    assert_eq!(reads.get(), 300);
}

#[test]
fn who_picks_single_ones_gets_those_and_no_more() {
    let site = site(300, &server());
    let reads = reads(&site.srv);
    for number in [300, 7, 200, 5, 100] {
        assert_eq!(site.lines(&format!("RETR {number}")), stuffed(number));
        assert_eq!(site.lines(&format!("TOP {number} 0")), format!("Subject: {number}\r\n\r\n"));
    }
    assert_eq!(reads.get(), 10);
    // Back and forth, and over deleted ones.
    for number in [1, 2, 9, 3, 10, 4, 5] {
        assert_eq!(site.lines(&format!("RETR {number}")), stuffed(number));
    }
    site.ask("DELE 6", "+OK");
    site.ask("DELE 8", "+OK");
    site.ask("RETR 6", "-ERR");
    assert_eq!(site.lines("RETR 7"), stuffed(7));
    site.ask("RETR 8", "-ERR");
    assert_eq!(site.lines("RETR 9"), stuffed(9));
    site.ask("RSET", "+OK");
    assert_eq!(site.lines("RETR 8"), stuffed(8));
}

#[test]
fn a_message_that_is_gone_is_refused_and_those_behind_it_are_not() {
    let site = site(20, &server());
    site.lines("UIDL");
    let new = site.srv.disk().folder("mail/ann/new").unwrap();
    for number in [1, 5, 6, 20] {
        new.unlink(format!("{number}.a.srv")).unwrap();
    }
    // Somebody else has looked at one.
    let cur = site.srv.disk().folder("mail/ann/cur").unwrap();
    new.rename("9.a.srv", &cur, "9.a.srv:2,S").unwrap();
    for number in 1..=20 {
        if [1, 5, 6, 20].contains(&number) {
            site.ask(format!("RETR {number}"), "-ERR No such message");
        } else {
            assert_eq!(site.lines(&format!("RETR {number}")), stuffed(number));
        }
    }
}

#[test]
fn messages_that_somebody_has_moved_are_looked_for_together() {
    let site = site(200, &server());
    let disk = site.srv.disk();
    let (new, cur) = (disk.folder("mail/ann/new").unwrap(), disk.folder("mail/ann/cur").unwrap());
    for number in 1..=200 {
        new.rename(format!("{number}.a.srv"), &cur, format!("{number}.a.srv:2,S")).unwrap();
    }
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = lists.clone();
    let _rule = disk.rule(move |access| {
        counted.fetch_add(usize::from(access.verb() == DiskVerb::List), Relaxed);
        DiskFate::Go
    });
    for number in 1..=200 {
        assert_eq!(site.lines(&format!("RETR {number}")), stuffed(number));
    }
    // Both folders for each of four jobs, or a little more.
    assert!((1..20).contains(&lists.load(Relaxed)), "{}", lists.load(Relaxed));
}

#[test]
fn large_messages_are_not_read_ahead() {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    let large = [&b"Subject: large\r\n\r\n"[..], &b"0123456789abcde\r\n".repeat(2500)].concat();
    deliver(&srv, "ann", &[large.as_slice(); 6]);
    serve(&srv, &server());
    let client = cli.probe("tcp:srv:110");
    client.send("USER ann\r\nPASS secret\r\n");
    net.advance(Duration::from_secs(5));
    let reads = reads(&srv);
    client.send("RETR 1\r\n");
    net.advance(Duration::from_secs(5));
    // One more of 42 KB fits into 64 KiB.
    assert_eq!(reads.get(), 2);
    client.send("RETR 2\r\nRETR 3\r\nRETR 4\r\nRETR 5\r\nRETR 6\r\nQUIT\r\n");
    net.advance(Duration::from_secs(5));
    let said = client.received();
    assert_eq!(said.windows(large.len()).filter(|text| *text == large).count(), 6);
    assert_eq!(reads.get(), 6);
}

#[test]
fn a_message_that_has_grown_is_read_when_it_is_asked_for() {
    let site = site(3, &server());
    let new = site.srv.disk().folder("mail/ann/new").unwrap();
    let text = [&message(2)[..], &b"more\r\n".repeat(100_000)].concat();
    new.open("2.a.srv", DiskOpen::Write).unwrap().write_all_at(&text, 0).unwrap();
    let reads = reads(&site.srv);
    site.lines("RETR 1");
    assert_eq!(reads.get(), 1);
    assert_eq!(site.lines("RETR 2").len(), text.len() + 1);
    assert_eq!(site.lines("RETR 3"), stuffed(3));
}

#[test]
fn what_nobody_comes_for_is_not_kept() {
    let site = site(100, &server());
    let reads = reads(&site.srv);
    site.lines("RETR 1");
    let first = reads.get();
    assert_eq!(site.lines("RETR 2"), stuffed(2));
    assert_eq!(reads.get(), first);
    site.net.advance(Duration::from_secs(6));
    assert_eq!(site.lines("RETR 3"), stuffed(3));
    assert!(reads.get() > first);
    // And the session is as long as any other.
    site.net.advance(Duration::from_secs(590));
    site.ask("NOOP", "+OK");
    site.net.advance(Duration::from_secs(620));
    assert!(site.client.eof());
}

#[test]
fn only_so_many_sessions_have_messages_that_were_read_ahead() {
    let net = Net::gentle(1);
    let srv = net.host("srv");
    let users = (0..130).fold(trenza_auth::Memory::new(), |users, n| {
        users.with(trenza_auth::Account::new(format!("u{n}")), "secret")
    });
    for n in 0..130 {
        make(&srv.disk(), "mail");
        deliver(&srv, &format!("u{n}"), &[b"1", b"2", b"3"]);
    }
    let portal = trenza_auth::Portal::accounts("pop3", users);
    let limits = Pop3Limits { per_address: 1000, ..Pop3Limits::default() };
    serve(&srv, &Pop3Server::new("srv", portal).allow_plain_auth(true).limits(limits));
    let cli = net.host("cli");
    let clients: Vec<_> = (0..130).map(|_| cli.probe("tcp:srv:110")).collect();
    for (n, client) in clients.iter().enumerate() {
        client.send(format!("USER u{n}\r\nPASS secret\r\n"));
    }
    net.advance(Duration::from_secs(60));
    let reads = reads(&srv);
    clients.iter().for_each(|client| client.send("RETR 1\r\n"));
    net.advance(Duration::from_secs(1));
    assert_eq!(reads.get(), 128 * 3 + 2);
    // Who is gone makes room.
    clients.iter().take(2).for_each(|client| client.send("QUIT\r\n"));
    net.advance(Duration::from_secs(1));
    clients.iter().skip(128).for_each(|client| client.send("RETR 2\r\n"));
    net.advance(Duration::from_secs(1));
    assert_eq!(reads.get(), 128 * 3 + 2 + 4);
    clients.iter().skip(2).for_each(|client| client.send("RETR 3\r\nQUIT\r\n"));
    net.advance(Duration::from_secs(5));
    assert!(clients.iter().skip(2).all(|client| client.received().ends_with(b"3\r\n.\r\n+OK Goodbye\r\n")));
}
