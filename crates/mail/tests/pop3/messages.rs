//! Messages of all shapes, large ones, many of them, and what they are called by.

use crate::{Site, deliver, serve, server};
use std::time::Duration;
use trenza_mail::pop3::Pop3Limits;
use trenza_sim::{Disk, DiskOpen, Net};

fn write(disk: &Disk, path: &str, text: &[u8]) {
    let (folder, name) = path.rsplit_once('/').unwrap();
    disk.folder(folder).unwrap().open(name, DiskOpen::Create).unwrap().write_all_at(text, 0).unwrap();
}

fn site(disk: impl FnOnce(&Disk)) -> Site {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    deliver(&srv, "ann", &[]);
    disk(&srv.disk());
    serve(&srv, &server());
    let client = cli.probe("tcp:srv:110");
    let site = Site { net, srv, client, read: Default::default() };
    site.expect("+OK");
    site.ask("USER ann", "+OK");
    site.ask("PASS secret", "+OK");
    site
}

#[test]
fn unique_ids() {
    let long = format!("3.{}.srv,S=1", "x".repeat(80));
    let names = ["1.a.srv", "2.b.srv,S=1", &long, "4.\u{e4}.srv", "5.c d"];
    let site = site(|disk| {
        names.iter().for_each(|name| write(disk, &format!("mail/ann/new/{name}"), b"x"));
    });
    let first = site.lines("UIDL");
    let uids: Vec<&str> = first.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(uids[..2], ["1.a.srv", "2.b.srv,S=1"]);
    for uid in &uids[2..] {
        assert!(uid.len() == 64 && uid.bytes().all(|byte| byte.is_ascii_hexdigit()), "{uid}");
    }
    assert!(uids.iter().all(|uid| uids.iter().filter(|other| *other == uid).count() == 1));
    site.ask("QUIT", "+OK");
    // They stay the same when somebody has looked at the messages.
    let disk = site.srv.disk();
    let (new, cur) = (disk.folder("mail/ann/new").unwrap(), disk.folder("mail/ann/cur").unwrap());
    names.iter().for_each(|name| new.rename(name, &cur, format!("{name}:2,FS")).unwrap());
    let client = site.net.host("cli2").probe("tcp:srv:110");
    let again = Site { net: site.net, srv: site.srv, client, read: Default::default() };
    again.expect("+OK");
    again.ask("USER ann", "+OK");
    again.ask("PASS secret", "+OK");
    assert_eq!(again.lines("UIDL"), first);
}

#[test]
fn lines_of_others_end_in_crlf_here() {
    let site = site(|disk| {
        write(disk, "mail/ann/new/1.a.srv,S=12,W=16", b"a: b\n\n.c\n..\n");
        write(disk, "mail/ann/cur/2.a.srv:2,S", b"a: b\n\nc");
    });
    assert_eq!(site.lines("LIST"), "1 16\r\n2 7\r\n");
    assert_eq!(site.lines("RETR 1"), "a: b\r\n\r\n..c\r\n...\r\n");
    assert_eq!(site.lines("TOP 1 1"), "a: b\r\n\r\n..c\r\n");
    assert_eq!(site.lines("RETR 2"), "a: b\r\n\r\nc\r\n");
}

/// Lines of all lengths, many with dots.
fn large() -> Vec<u8> {
    let mut text = b"Subject: large\r\n\r\n".to_vec();
    for n in 0..20_000_usize {
        text.extend(std::iter::repeat_n(b'.', n % 3));
        text.extend(std::iter::repeat_n(b'a' + (n % 26) as u8, n % 90));
        text.extend(b"\r\n");
    }
    text.extend(b"x".repeat(700_000));
    text.extend(b"\r\n");
    text
}

#[test]
fn a_large_message_comes_whole_and_is_never_so_in_memory() {
    let message = large();
    for seed in 0..5 {
        let net = Net::new(seed);
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        deliver(&srv, "ann", &[&message]);
        serve(&srv, &server());
        let client = cli.probe("tcp:srv:110");
        client.send("USER ann\r\nPASS secret\r\nRETR 1\r\nTOP 1 100\r\nRETR 1\r\nQUIT\r\n");
        let mut most = 0;
        for _ in 0..4000 {
            net.advance(Duration::from_millis(20));
            let unsent = srv.run(|reactor| {
                reactor.connections().iter().map(|one| one.counts().unsent).max().unwrap_or(0)
            });
            most = most.max(unsent);
            if client.eof() {
                break;
            }
        }
        let received = client.received();
        let stuffed = String::from_utf8(message.clone()).unwrap().replace("\r\n.", "\r\n..");
        let received = String::from_utf8(received).unwrap();
        assert_eq!(received.matches(&stuffed).count(), 2, "seed {seed}");
        assert!(received.ends_with("\r\n.\r\n+OK Goodbye\r\n"));
        assert!(most < 700_000, "{most} bytes at once");
    }
}

#[test]
fn ten_thousand_messages() {
    let site = site(|disk| {
        (0..10_000).for_each(|n| write(disk, &format!("mail/ann/new/{n}.a.srv"), b"a: b\r\n\r\n"));
    });
    assert_eq!(site.ask("STAT", "+OK"), "+OK 10000 80000\r\n");
    let (list, uids) = (site.lines("LIST"), site.lines("UIDL"));
    assert_eq!((list.lines().count(), uids.lines().count()), (10_000, 10_000));
    assert!(list.starts_with("1 8\r\n") && list.ends_with("\r\n10000 8\r\n"));
    assert!(uids.starts_with("1 0.a.srv\r\n") && uids.ends_with("\r\n10000 9999.a.srv\r\n"));
    // Many of them at once.
    let all: String = (1..=10_000).step_by(50).map(|n| format!("RETR {n}\r\n")).collect();
    let dele: String = (1..=9_999).step_by(2).map(|n| format!("DELE {n}\r\n")).collect();
    site.client.send(all + &dele + "QUIT\r\n");
    for _ in 0..600 {
        site.net.advance(Duration::from_millis(500));
        if site.client.eof() {
            break;
        }
    }
    let said = String::from_utf8(site.client.received()).unwrap();
    let said = String::from_utf8_lossy(&site.read.borrow()).into_owned() + &said;
    assert_eq!(said.matches("+OK 8 octets\r\na: b\r\n\r\n.\r\n").count(), 200);
    assert!(
        site.left().len() == 5_000 && site.left().iter().all(|name| name.as_bytes()[name.len() - 7] % 2 == 1)
    );
}

#[test]
fn of_a_mailbox_with_too_many_the_oldest_come_first() {
    let net = Net::gentle(1);
    let (srv, cli) = (net.host("srv"), net.host("cli"));
    deliver(&srv, "ann", &[b"1", b"2", b"3"]);
    serve(&srv, &server().limits(Pop3Limits { messages: 2, ..Pop3Limits::default() }));
    for expected in ["+OK 2 messages", "+OK 1 message "] {
        let client = cli.probe("tcp:srv:110");
        client.send("USER ann\r\nPASS secret\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n");
        net.advance(Duration::from_secs(5));
        let said = String::from_utf8(client.received()).unwrap();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_file_that_cannot_be_read_ends_the_session_or_is_refused() {
    let site = site(|disk| {
        write(disk, "mail/ann/new/1.a.srv", b"a");
        write(disk, "mail/ann/new/2.a.srv", &b"a\r\n".repeat(200_000));
    });
    // Whatever is asked of the disk fails.
    let guard = site.srv.disk().rule(|_| trenza_sim::DiskFate::Fail);
    site.ask("RETR 1", "-ERR [SYS/TEMP] ");
    drop(guard);
    let mut reads = 0;
    let guard = site.srv.disk().rule(move |access| {
        reads += usize::from(access.verb() == trenza_sim::DiskVerb::Read);
        match reads {
            0 | 1 => trenza_sim::DiskFate::Go,
            _ => trenza_sim::DiskFate::Fail,
        }
    });
    site.client.send("RETR 2\r\nDELE 1\r\nQUIT\r\n");
    site.net.advance(Duration::from_secs(5));
    drop(guard);
    // Half a message is no message.
    let said = site.client.received();
    assert!(site.client.lost() && !said.ends_with(b".\r\n"));
    assert_eq!((site.left().len(), site.srv.left().connections), (2, 0));
}
