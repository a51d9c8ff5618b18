//! Clients that send too much, too often, too slowly, or are gone: what they cost is bounded.

use crate::{Shared, Site, left_over, maildirs, reception, serve, serve_with};
use std::{rc::Rc, time::Duration};
use trenza_core::{Deferred, Reactor};
use trenza_mail::smtp::{
    Mail, Rcpt, SmtpLimits, SmtpServer,
    server::{Answer, Client, Delivery, Envelope, Message, Outcome},
};
use trenza_sim::Net;
use trenza_storage::Storage;

const BEGIN: &str = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n";

fn unread(site: &Site) -> usize {
    site.srv.run(|reactor| reactor.connections().iter().map(|one| one.counts().unread).max().unwrap_or(0))
}

#[test]
fn a_line_of_10_mb_is_refused_once_and_passed_over() {
    let site = Site::greeted(&reception());
    let piece = vec![b'x'; 100_000];
    for _ in 0..100 {
        site.client.send(&piece);
        site.net.run();
        assert!(unread(&site) <= 1024, "{}", unread(&site));
    }
    site.ask("", "500 5.5.2 ");
    site.ask("NOOP", "250");
}

#[test]
fn a_message_with_a_line_of_10_mb_goes_through() {
    let site = Site::greeted(&reception());
    site.client.send(&BEGIN[8..]);
    for code in ["250", "250", "354"] {
        site.expect(code);
    }
    let piece = vec![b'x'; 100_000];
    for _ in 0..100 {
        site.client.send(&piece);
        site.net.run();
        assert!(unread(&site) <= 1024);
    }
    site.ask("\r\n.", "250");
    let message = &site.messages("ann")[0];
    assert_eq!(message.bytes().filter(|byte| *byte == b'x').count() / 1000, 10_000);
}

/// Takes so much, and then nothing for a second.
struct Narrow(Shared<usize>);

impl Delivery for Narrow {
    fn recipient(&self, _: &Client, _: &Mail, _: &Rcpt) -> Answer {
        Answer::Accept
    }

    fn message(&self, _: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        let message = Box::new(Taken { waiting: Shared::default(), most: self.0.clone() });
        trenza_auth::at_once(&Reactor::current(), Ok(message as Box<dyn Message>))
    }
}

struct Taken {
    waiting: Shared<usize>,
    most: Shared<usize>,
}

impl Message for Taken {
    fn push(&mut self, bytes: &[u8]) {
        *self.waiting.borrow_mut() += bytes.len();
        let mut most = self.most.borrow_mut();
        *most = (*most).max(*self.waiting.borrow());
    }

    fn is_full(&self) -> bool {
        *self.waiting.borrow() > 50_000
    }

    fn room(&self) -> Option<Deferred<()>> {
        let waiting = self.waiting.clone();
        Some(Reactor::current().spawn(async move {
            Reactor::current().sleep(Duration::from_secs(1)).await;
            *waiting.borrow_mut() = 0;
            Ok(())
        }))
    }

    fn finish(self: Box<Self>) -> Deferred<Outcome> {
        trenza_auth::at_once(&Reactor::current(), Ok(Outcome::Accepted))
    }
}

#[test]
fn a_message_is_never_whole_in_memory() {
    for seed in 0..5 {
        let net = Net::new(seed);
        let (srv, most) = (net.host("srv"), Shared::default());
        let delivery = Narrow(Rc::clone(&most));
        serve_with(&srv, &reception(), |_| delivery);
        let client = net.host("cli").probe("tcp:srv:25");
        client.send(BEGIN);
        client.send("x".repeat(3_000_000) + "\r\n.\r\n");
        net.advance(Duration::from_secs(170));
        assert!(String::from_utf8(client.received()).unwrap().contains("250 2.0.0 Taken"));
        assert!(*most.borrow() < 150_000, "{}", most.borrow());
    }
}

#[test]
fn too_many_sessions_are_told_so() {
    let net = Net::gentle(1);
    let srv = net.host("srv");
    let limits = SmtpLimits { sessions: 1000, per_address: 300, ..SmtpLimits::default() };
    serve(&srv, &reception().limits(limits));
    let hosts: Vec<_> = (0..4).map(|n| net.host(&format!("cli{n}"))).collect();
    let probes: Vec<_> = (0..1400).map(|n| hosts[n % 4].probe("tcp:srv:25")).collect();
    net.advance(Duration::from_secs(10));
    let starts = |start: &[u8]| probes.iter().filter(|probe| probe.received().starts_with(start)).count();
    assert_eq!((starts(b"220 "), starts(b"421 4.3.2 ")), (1000, 400));
    for probe in &probes {
        probe.close();
    }
    net.advance(Duration::from_secs(10));
    let again: Vec<_> = (0..310).map(|_| hosts[0].probe("tcp:srv:25")).collect();
    net.advance(Duration::from_secs(10));
    assert_eq!(again.iter().filter(|probe| probe.received().starts_with(b"220 ")).count(), 300);
}

#[test]
fn who_hangs_up_in_mid_data_leaves_nothing() {
    for seed in 0..40 {
        let net = Net::new(seed);
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        let disk = srv.disk();
        serve_with(&srv, &reception(), |reactor| maildirs(&Storage::new(reactor, disk)));
        let client = cli.probe("tcp:srv:25");
        client.send(BEGIN);
        client.send("x".repeat(300_000));
        net.advance(Duration::from_millis(seed * 3));
        if seed % 2 == 0 {
            client.reset()
        } else {
            client.close()
        }
        net.advance(Duration::from_secs(10));
        let disk = srv.disk();
        assert!(crate::messages(&disk, "ann").is_empty() && left_over(&disk, "ann").is_empty());
        assert_eq!((srv.left().connections, disk.used()), (0, 0), "seed {seed}");
    }
}

#[test]
fn limits_of_a_session() {
    let limits = SmtpLimits {
        errors: 4,
        unknown_commands: 2,
        idle_commands: 5,
        messages: 2,
        recipients: 2,
        messages_per_minute: 3,
        ..SmtpLimits::default()
    };
    let server = reception().limits(limits.clone());
    let site = || Site::greeted(&server.clone());
    site().all("RCPT TO:<>\r\n".repeat(9), &[501, 501, 501, 501, 421]);
    site().all("FOO\r\n".repeat(9), &[500, 500, 421]);
    let chunks = "MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\n".to_owned() + &"BDAT 0\r\n".repeat(7);
    // On a server of its own, since messages are counted.
    let other = reception().limits(limits);
    Site::greeted(&other).all(chunks, &[250, 250, 250, 250, 250, 250, 250, 421]);
    site().all("NOOP\r\nVRFY a\r\nRSET\r\nHELP\r\nEHLO x\r\nNOOP\r\n", &[250, 252, 250, 214, 250, 421]);
    let message = "MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n.\r\n";
    site().all(message.repeat(3), &[250, 250, 354, 250, 250, 250, 354, 250, 421]);
    // The third of this minute, and one more.
    let to = "RCPT TO:<ann@example.org>\r\n".repeat(3);
    site().all(format!("MAIL FROM:<>\r\n{to}"), &[250, 250, 250, 452]);
}

#[test]
fn messages_a_minute() {
    let limits = SmtpLimits { messages_per_minute: 3, ..SmtpLimits::default() };
    let begin = "MAIL FROM:<>\r\nRSET\r\n";
    let site = Site::new(Net::gentle(1), &SmtpServer::lmtp("srv").limits(limits.clone()));
    site.all(format!("LHLO x\r\n{}", begin.repeat(4)), &[220, 250, 250, 250, 250, 250, 250, 250, 250, 250]);
    let site = Site::greeted(&reception().limits(limits));
    site.client.send(begin.repeat(4));
    for code in ["250", "250", "250", "250", "250", "250", "450 4.7.0 ", "250"] {
        site.expect(code);
    }
    site.net.advance(Duration::from_secs(60));
    site.ask("MAIL FROM:<>", "250");
}

#[test]
fn who_is_too_slow_is_told_so() {
    for (text, after) in [
        ("", 300),
        ("EHLO x\r\n", 300),
        ("EHLO x\r\nMAIL FR", 300),
        (BEGIN, 180),
        ("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nBDAT 5\r\nab", 180),
    ] {
        let site = Site::new(Net::gentle(1), &reception());
        site.client.send(text);
        site.net.advance(Duration::from_secs(after - 1));
        assert!(!site.client.eof(), "{text}");
        site.net.advance(Duration::from_secs(20));
        assert!(String::from_utf8(site.client.received()).unwrap().contains("421 4.4.2 "), "{text}");
        assert!(site.client.eof() && left_over(&site.srv.disk(), "ann").is_empty());
    }
    // Who never stops is not silent, and too slow all the same.
    for (begin, after) in [("EHLO x\r\nMAIL FROM:<", 300), (BEGIN, 3600)] {
        let site = Site::new(Net::gentle(1), &reception());
        site.client.send(begin);
        site.client.send_bytewise("x".repeat(300), Duration::from_secs(30));
        site.net.advance(Duration::from_secs(after - 60));
        assert!(!site.client.eof());
        site.net.advance(Duration::from_secs(120));
        assert!(String::from_utf8(site.client.received()).unwrap().contains("421 4.4.2 "));
    }
}
