//! What a program's own delivery sees, and what the client is told of it.

use crate::{Shared, reception, serve_with};
use std::{rc::Rc, time::Duration};
use trenza_core::{Deferred, Reactor};
use trenza_mail::smtp::{
    Code, Mail, Rcpt, Reply, SmtpServer, Status,
    server::{Answer, Client, Delivery, Envelope, Message, Outcome},
};
use trenza_sim::Net;

/// Answers late, and by the local part: `no`, `later`, `bug`.
struct Slow {
    seen: Shared<Vec<String>>,
    outcome: fn() -> trenza_core::Result<Outcome>,
}

fn no() -> Reply {
    Reply::new(Code::REFUSED, Status::DENIED, "no")
}

fn later() -> Reply {
    Reply::new(Code::MAILBOX_BUSY, Status::NOT_NOW, "later")
}

fn slowly<T: 'static>(result: trenza_core::Result<T>) -> Deferred<T> {
    let reactor = Reactor::current();
    reactor.spawn(async move {
        Reactor::current().sleep(Duration::from_secs(1)).await;
        result
    })
}

fn by_name(name: &str) -> Answer {
    Answer::Later(slowly(match name {
        "no" => Err(no().into()),
        "later" => Err(later().into()),
        "bug" => Err("a bug".into()),
        _ => Ok(()),
    }))
}

impl Delivery for Slow {
    fn session(&self, client: &Client) -> Answer {
        self.seen.borrow_mut().push(format!("from {}", client.peer.remote.ip().unwrap()));
        Answer::Later(slowly(Ok(())))
    }

    fn sender(&self, _: &Client, mail: &Mail) -> Answer {
        by_name(mail.sender.as_ref().map_or("", |sender| sender.local()))
    }

    fn recipient(&self, _: &Client, _: &Mail, to: &Rcpt) -> Answer {
        by_name(to.to.mailbox().unwrap().local())
    }

    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        let to: Vec<String> = envelope.recipients.iter().map(|to| to.to.to_string()).collect();
        self.seen.borrow_mut().push(format!("to {}", to.join(" ")));
        let message = Text { seen: self.seen.clone(), text: Vec::new(), outcome: self.outcome };
        slowly(Ok(Box::new(message) as Box<dyn Message>))
    }
}

struct Text {
    seen: Shared<Vec<String>>,
    text: Vec<u8>,
    outcome: fn() -> trenza_core::Result<Outcome>,
}

impl Message for Text {
    fn push(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    fn finish(mut self: Box<Self>) -> Deferred<Outcome> {
        let text = String::from_utf8(std::mem::take(&mut self.text)).unwrap();
        self.seen.borrow_mut().push(format!("whole {}", text.lines().last().unwrap()));
        slowly((self.outcome)())
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.seen.borrow_mut().push("aborted".into());
        }
    }
}

/// What the client is told, and what the delivery has seen.
fn run(
    server: &SmtpServer,
    text: &str,
    outcome: fn() -> trenza_core::Result<Outcome>,
) -> (Vec<u16>, Vec<String>) {
    let net = Net::gentle(1);
    let (srv, seen) = (net.host("srv"), Shared::default());
    let delivery = Slow { seen: Rc::clone(&seen), outcome };
    serve_with(&srv, server, |_| delivery);
    let client = net.host("cli").probe("tcp:srv:25");
    client.send(text);
    net.advance(Duration::from_secs(60));
    let replies = String::from_utf8(client.received()).unwrap();
    client.close();
    net.advance(Duration::from_secs(600));
    assert_eq!(srv.left().connections, 0);
    let codes =
        replies.lines().filter(|line| line.get(3..4) != Some("-")).map(|line| line[..3].parse().unwrap());
    let seen = seen.borrow().clone();
    (codes.collect(), seen)
}

#[test]
fn answers_that_come_late_come_in_order() {
    let text = "EHLO x\r\nMAIL FROM:<no@x>\r\nMAIL FROM:<later@x>\r\nMAIL FROM:<bug@x>\r\nMAIL FROM:<a@x>\r\n\
        RCPT TO:<no@example.org>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<later@example.org>\r\nRCPT TO:<c@example.org>\r\n\
        DATA\r\nhello\r\n.\r\nNOOP\r\n";
    let (codes, seen) = run(&reception(), text, || Ok(Outcome::Accepted));
    assert_eq!(codes, [220, 250, 550, 450, 451, 250, 550, 250, 450, 250, 354, 250, 250]);
    assert_eq!(seen, ["from 10.0.0.2", "to b@example.org c@example.org", "whole hello"]);
}

#[test]
fn who_says_no_more_is_let_go_when_all_is_answered() {
    for text in
        ["EHLO x\r\nMAIL FROM:<a@x>\r\nNOOP\r\n", &TWO[..TWO.len() - 3], "EHLO x\r\nMAIL FROM:<a@x>\r\nNO"]
    {
        let net = Net::gentle(1);
        let (srv, seen) = (net.host("srv"), Shared::default());
        serve_with(&srv, &reception(), |_| Slow {
            seen: Rc::clone(&seen),
            outcome: || Ok(Outcome::Accepted),
        });
        let client = net.host("cli").probe("tcp:srv:25");
        client.send(text);
        client.close_write();
        net.advance(Duration::from_secs(30));
        assert_eq!(srv.left().connections, 0, "{text}: {:?}", String::from_utf8(client.received()));
    }
}

const TWO: &str = "EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\nhello\r\n.\r\n";

#[test]
fn of_several_outcomes_the_client_is_told_the_worst() {
    for (outcome, code) in [
        ((|| Ok(Outcome::Accepted)) as fn() -> trenza_core::Result<Outcome>, 250),
        (|| Ok(Outcome::Each(vec![Ok(()), Ok(())])), 250),
        (|| Ok(Outcome::Each(vec![Ok(()), Err(no())])), 550),
        (|| Ok(Outcome::Each(vec![Err(no()), Err(later())])), 450),
        (|| Ok(Outcome::Each(vec![Ok(())])), 451),
        (|| Err(no().into()), 550),
        (|| Err("a bug".into()), 451),
    ] {
        let (codes, _) = run(&reception(), TWO, outcome);
        assert_eq!(codes, [220, 250, 250, 250, 250, 354, code]);
    }
    let lmtp = TWO.replace("EHLO", "LHLO");
    let (codes, _) = run(&SmtpServer::lmtp("srv"), &lmtp, || Ok(Outcome::Each(vec![Ok(()), Err(no())])));
    assert_eq!(codes[6..], [250, 550]);
    let (codes, _) = run(&SmtpServer::lmtp("srv"), &lmtp, || Ok(Outcome::Each(vec![Ok(())])));
    assert_eq!(codes[6..], [250, 451]);
    let (codes, _) = run(&SmtpServer::lmtp("srv"), &lmtp, || Err(later().into()));
    assert_eq!(codes[6..], [450, 450]);
}

#[test]
fn what_is_not_whole_is_aborted() {
    for cut in TWO.find("hello").unwrap()..TWO.len() {
        let (_, seen) = run(&reception(), &TWO[..cut], || Ok(Outcome::Accepted));
        assert_eq!(seen[1..], ["to b@example.org c@example.org", "aborted"], "cut at {cut}");
    }
    let chunks = TWO.replace("DATA\r\nhello\r\n.\r\n", "BDAT 5\r\nhelloBDAT 2\r\n\r\nRSET\r\nNOOP\r\n");
    let (codes, seen) = run(&reception(), &chunks, || Ok(Outcome::Accepted));
    assert_eq!(codes[5..], [250, 250, 250, 250]);
    assert_eq!(seen[2..], ["aborted"]);
}

#[test]
fn a_message_in_circles_or_too_large_is_refused() {
    let circles = TWO.replace("hello", &"Received: x\r\n".repeat(101));
    let (codes, seen) = run(&reception(), &circles, || Ok(Outcome::Accepted));
    assert_eq!((codes[6], &*seen[2]), (554, "aborted"));
    let fine = TWO.replace("hello", &("Received: x\r\n".repeat(100) + "\r\n" + &"Received: x\r\n".repeat(9)));
    let (codes, _) = run(&reception(), &fine, || Ok(Outcome::Accepted));
    assert_eq!(codes[6], 250);

    let limits = trenza_mail::smtp::SmtpLimits { size: 7, ..Default::default() };
    let server = reception().limits(limits);
    let (codes, _) = run(&server, TWO, || Ok(Outcome::Accepted));
    assert_eq!(codes[6], 250);
    let (codes, seen) = run(&server, &TWO.replace("hello", "hello."), || Ok(Outcome::Accepted));
    assert_eq!((codes[6], &*seen[2]), (552, "aborted"));
    let (codes, _) = run(&server, &TWO.replace("hello", &"x".repeat(100)), || Ok(Outcome::Accepted));
    assert_eq!(codes[6..], [552]);
    let (codes, _) = run(&server, &TWO.replace("a@x>", "a@x> SIZE=8"), || Ok(Outcome::Accepted));
    assert_eq!(codes[2], 552);
    let chunks = TWO.replace("DATA\r\nhello\r\n.\r\n", "BDAT 4\r\nabcdBDAT 4\r\nabcdBDAT 0 LAST\r\nNOOP\r\n");
    let (codes, seen) = run(&server, &chunks, || Ok(Outcome::Accepted));
    assert_eq!(codes[5..], [250, 552, 552, 250]);
    assert_eq!(seen[2..], ["aborted"]);
}

/// Refuses who comes.
struct Closed;

impl Delivery for Closed {
    fn session(&self, _: &Client) -> Answer {
        Answer::Refuse(Reply::new(Code::FAILED, Status::DENIED, "not you"))
    }
    fn recipient(&self, _: &Client, _: &Mail, _: &Rcpt) -> Answer {
        Answer::Accept
    }
    fn message(&self, _: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        slowly(Err("never".into()))
    }
}

#[test]
fn a_session_can_be_refused() {
    let net = Net::gentle(1);
    let srv = net.host("srv");
    serve_with(&srv, &reception(), |_| Closed);
    let client = net.host("cli").probe("tcp:srv:25");
    client.send("EHLO x\r\n");
    net.advance(Duration::from_secs(10));
    assert_eq!(client.received(), b"554 5.7.1 not you\r\n");
    assert!(client.eof());
}
