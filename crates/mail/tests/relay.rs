//! A queue, the client and a server of ours, each on a host of its own, under everything that may go wrong between them:
//! a message that the queue has taken is in the Maildir in the end, or its sender was told.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};
use trenza_core::Result;
use trenza_mail::{
    maildir::Maildirs,
    queue::{Inlet, Queue, QueueOptions, Schedule},
    smtp::{
        Code, Mail, Mailbox, Rcpt, Reply, SmtpServer, Status,
        client::{ClientLimits, ClientOptions, Remote, Route},
        server::Outcome,
    },
};
use trenza_sim::{Disk, DiskOpen, Fault, HostHandle};
use trenza_storage::{Path, Storage};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How many messages there are; those whose number can be divided by 4 are for somebody who is not there, too.
const MESSAGES: usize = 12;

fn text(number: usize) -> String {
    format!("Subject: message-{number}\r\n\r\n.\r\n{}end-{number}\r\n", "y\r\n".repeat(number * 200))
}

/// Takes mail for ann, bob and me.
fn serve(srv: &HostHandle) {
    let disk = srv.disk();
    srv.run(|reactor| {
        let maildirs = Maildirs::new(&Storage::new(reactor, disk), "srv", |_, to| match to.mailbox() {
            Some(mailbox) if matches!(mailbox.local(), "ann" | "bob" | "me") => {
                Ok(Path::new(format!("mail/{}", mailbox.local())).unwrap())
            }
            _ => Err(Reply::new(Code::REFUSED, Status::NO_MAILBOX, "No such user here")),
        });
        reactor.listen_with("tcp:25", SmtpServer::reception("srv", ["example.org"]).on(maildirs)).map(drop)
    })
    .unwrap();
}

/// Runs the queue; None: its disk does not let it.
fn carry(relay: &HostHandle, chunking: u64) -> Option<Queue> {
    let disk = Arc::new(relay.disk());
    // What is asked of it is looked for now and then only, so that days pass quickly.
    let schedule = Schedule { look: DAY / 4, ..Schedule::default() };
    let options = QueueOptions { schedule, ..QueueOptions::new("relay.example.net") };
    let limits = ClientLimits { chunking, ..ClientLimits::default() };
    relay.run(|reactor| {
        let queue = Queue::open(disk, options, reactor.wall()).ok()?;
        let route = Route::parse("*=tcp:srv:25", ClientOptions::new().limits(limits)).unwrap();
        reactor.start(queue.carried_by(Remote::new("relay.example.net").route(route))).ok()?;
        Some(queue)
    })
}

async fn submit(inlet: Inlet, number: usize) -> Result<bool> {
    let mailbox = |name| Mailbox::parse(&format!("{name}@example.org")).unwrap();
    let mut to = vec![Rcpt::new(mailbox("ann")), Rcpt::new(mailbox("bob"))];
    if number.is_multiple_of(4) {
        to.push(Rcpt::new(mailbox("no")));
    }
    let mut message = inlet.submit(Mail::new(Some(mailbox("me"))), to).await?;
    message.push(text(number).as_bytes());
    Ok(matches!(message.finish().await?, Outcome::Accepted))
}

/// What is in somebody's `new`.
fn messages(disk: &Disk, name: &str) -> Vec<String> {
    let Ok(folder) = disk.folder(&format!("mail/{name}/new")) else { return Vec::new() };
    let read = |name| folder.open(name, DiskOpen::Read).unwrap().read_all().unwrap();
    folder.list().unwrap().iter().map(|entry| String::from_utf8(read(&entry.name)).unwrap()).collect()
}

/// Whatever has stopped runs again.
fn mend(fault: Fault, srv: &HostHandle, relay: &HostHandle, chunking: u64) -> Option<Queue> {
    if srv.is_down() {
        srv.restart(|_| ());
    }
    if relay.is_down() {
        relay.restart(|_| ());
    }
    match fault {
        Fault::ServerKilled | Fault::ServerCrash | Fault::ServerRestart => serve(srv),
        Fault::ClientKilled | Fault::ClientCrash | Fault::ClientRestart => return carry(relay, chunking),
        // Jobs that never end keep a program from going on: somebody starts it again.
        Fault::Jobs(_) => {
            srv.kill();
            relay.kill();
            serve(srv);
            return carry(relay, chunking);
        }
        _ => {}
    }
    None
}

/// How many messages the queue has taken, and how many more copies there were than recipients.
fn run(fault: Fault, seed: u64, step: u64) -> (usize, usize) {
    let net = fault.net(seed);
    let (srv, relay) = (net.host("srv"), net.host("relay"));
    let chunking = if seed.is_multiple_of(2) { 1 } else { u64::MAX };
    net.latency(Duration::from_millis(20));
    serve(&srv);
    let mut queue = carry(&relay, chunking).unwrap();
    let taken: Rc<RefCell<Vec<usize>>> = Rc::default();
    for number in 1..=MESSAGES {
        let (taken, inlet) = (taken.clone(), queue.inlet(&relay.reactor()));
        relay.run(|reactor| {
            reactor.spawn(submit(inlet, number)).then(move |accepted| {
                if accepted.is_ok_and(|accepted| accepted) {
                    taken.borrow_mut().push(number);
                }
            });
        });
    }
    // While messages are under way, now here, now there.
    net.advance(Duration::from_millis(step * 80 + seed % 9 * 10));
    let guard = fault.strike(&net, &srv, &relay);
    net.advance(Duration::from_secs(900));
    drop(guard);
    queue = mend(fault, &srv, &relay, chunking).unwrap_or(queue);
    net.advance(2 * DAY);
    let when = format!("{fault:?}, seed {seed}, step {step}");
    assert!(queue.is_empty(), "{when}: {} are left", queue.len());
    let mut copies = 0;
    for name in ["ann", "bob"] {
        let got = messages(&srv.disk(), name);
        copies += got.len();
        for number in taken.borrow().iter() {
            let whole = got.iter().any(|message| message.ends_with(&text(*number)));
            assert!(whole, "{when}: {name} has not got {number}");
        }
        assert!(
            got.iter().all(|message| (1..=MESSAGES).any(|number| message.ends_with(&text(number)))),
            "{when}"
        );
    }
    let reports = messages(&srv.disk(), "me");
    for number in taken.borrow().iter().filter(|number| number.is_multiple_of(4)) {
        let told = |report: &String| {
            report.contains(&format!("message-{number}\r\n")) && report.contains("no@example.org")
        };
        assert!(reports.iter().any(told), "{when}: nobody was told of {number}");
    }
    let taken = taken.borrow().len();
    (taken, copies.saturating_sub(2 * MESSAGES))
}

#[test]
fn nothing_is_lost_between_two_servers() {
    let (mut all, mut twice) = (0, 0);
    for (number, fault) in (0..).zip(Fault::all()) {
        for step in 0..3 {
            let (taken, more) = run(fault, number * 11 + step, step);
            if fault.is_harmless() {
                assert_eq!((taken, more), (MESSAGES, 0), "{fault:?} {step}: nothing has happened");
            }
            all += taken;
            twice += more;
        }
    }
    // The faults did strike, and what nobody could know was sent again.
    assert!(all > 1000 && (1..all / 10).contains(&twice), "{all} taken, {twice} came twice");
}
