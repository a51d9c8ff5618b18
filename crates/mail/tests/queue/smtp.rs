//! A server whose messages go into the queue: what its clients are told.

use crate::{DAY, MINUTE, Others, options, run, taken};
use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use trenza_core::Deferred;
use trenza_mail::{
    queue::{Inlet, Queue},
    smtp::{
        Mail, Rcpt, SmtpServer,
        server::{Answer, Client, Delivery, Envelope, Message},
    },
};
use trenza_sim::{DiskFate, HostHandle, Net};

/// Takes everything into the queue.
struct All(Inlet);

impl Delivery for All {
    fn recipient(&self, _: &Client, _: &Mail, _: &Rcpt) -> Answer {
        Answer::Accept
    }
    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        self.0.receive(&envelope)
    }
}

fn serve(host: &HostHandle, queue: &Queue) {
    host.run(|reactor| {
        let server = SmtpServer::reception("mx.example.org", ["one.example", "two.example"]);
        reactor.listen_with("tcp:25", server.on(All(queue.inlet(reactor)))).map(drop)
    })
    .unwrap();
}

fn script(number: usize) -> String {
    let line = "z".repeat(900);
    format!(
        "MAIL FROM:<ann@home.example>\r\nRCPT TO:<a{number}@one.example>\r\nRCPT TO:<b{number}@two.example>\r\n\
         DATA\r\nSubject: message-{number}\r\n\r\n{line}\r\n.\r\n"
    )
}

#[test]
fn the_queue_knows_a_message_by_the_name_that_the_client_was_told() {
    let net = Net::gentle(1);
    let (host, cli) = (net.host("mx"), net.host("cli"));
    let others = Others::new(&host, |_| (MINUTE, taken().1));
    let queue = run(&host, Arc::new(host.disk()), options(), &others).unwrap();
    serve(&host, &queue);
    let client = cli.probe("tcp:mx:25");
    client.send(format!("EHLO x\r\n{}QUIT\r\n", script(0)));
    net.advance(Duration::from_secs(5));
    let replies = String::from_utf8(client.received()).unwrap();
    let (_, id) = replies.split_once("250 2.0.0 Taken as ").unwrap_or_else(|| panic!("{replies}"));
    let id = id.lines().next().unwrap().parse().unwrap();
    let spool = trenza_mail::queue::Spool::new(host.disk());
    let record = spool.look(&id).unwrap().record.unwrap();
    assert_eq!(record.mail.sender.unwrap().to_string(), "ann@home.example");
    assert_eq!(record.recipients.len(), 2);
}

#[test]
fn a_full_disk_is_452() {
    let net = Net::gentle(1);
    let (host, cli) = (net.host("mx"), net.host("cli"));
    let others = Others::new(&host, |_| taken());
    let queue = run(&host, Arc::new(host.disk()), options(), &others).unwrap();
    serve(&host, &queue);
    host.disk().set_capacity(host.disk().used() + 1000);
    let client = cli.probe("tcp:mx:25");
    client.send(format!("EHLO x\r\n{}", script(0)));
    net.advance(Duration::from_secs(5));
    let replies = String::from_utf8(client.take_received()).unwrap();
    assert!(replies.contains("\r\n452 4.3.1 "), "{replies}");
    host.disk().set_capacity(1 << 30);
    client.send(script(1));
    net.advance(MINUTE);
    assert!(String::from_utf8(client.received()).unwrap().contains("250 2.0.0 Taken as "));
    let mut got = others.got();
    got.sort();
    assert_eq!((got, queue.len()), (vec!["a1@one.example".to_owned(), "b1@two.example".to_owned()], 0));
}

/// The power fails at each call of the disk; who was told 250 is not let down.
#[test]
fn what_was_answered_250_is_carried_after_a_crash() {
    for seed in 1..4 {
        for step in 1.. {
            let net = Net::new(seed);
            let (host, cli) = (net.host("mx"), net.host("cli"));
            let is_dark = Arc::new(AtomicBool::new(false));
            let dark = is_dark.clone();
            let others = Others::in_the_dark(&host, move || dark.load(SeqCst), |_| taken());
            let queue = run(&host, Arc::new(host.disk()), options(), &others).unwrap();
            serve(&host, &queue);
            let (dark, mut calls) = (is_dark.clone(), 0);
            let guard = host.disk().rule(move |_| {
                calls += 1;
                dark.fetch_or(calls == step, SeqCst);
                if calls == step { DiskFate::PowerOff } else { DiskFate::Go }
            });
            let client = cli.probe("tcp:mx:25");
            client.send(format!("EHLO x\r\n{}{}{}", script(0), script(1), script(2)));
            net.advance(Duration::from_secs(10));
            let told = String::from_utf8(client.received()).unwrap().matches("250 2.0.0 Taken").count();
            let struck = is_dark.load(SeqCst);
            host.crash();
            drop(guard);
            is_dark.store(false, SeqCst);
            host.restart(|_| ());
            let queue = run(&host, Arc::new(host.disk()), options(), &others).unwrap();
            net.advance(DAY / 48);
            let got = others.got();
            for number in 0..told {
                for to in [format!("a{number}@one.example"), format!("b{number}@two.example")] {
                    let times = got.iter().filter(|other| **other == to).count();
                    assert!((1..=2).contains(&times), "{to} got it {times} times: seed {seed}, step {step}");
                }
            }
            assert!(queue.is_empty(), "seed {seed}, step {step}");
            if !struck {
                assert!(told == 3 && step > 30, "{told} were taken in {step} steps");
                break;
            }
        }
    }
}
