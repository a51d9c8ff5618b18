//! A server with a queue: what is for others, what is forwarded, and what is left of it when the power fails.

use crate::{Shared, messages_in};
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tempfile::TempDir;
use trenza_auth::{Account, Memory, Portal};
use trenza_mail::{
    local::{AliasesFile, Courier, Exchange, Local},
    maildir::Mailstore,
    queue::{Carried, Carrier, Carrying, Fate, Parcel, Queue, QueueOptions},
    smtp::{Code, Recipient, Reply, SmtpServer, Status},
};
use trenza_sim::{DiskFate, HostHandle, Net, Probe};
use trenza_storage::Storage;

/// The other servers of the world: what each recipient got.
#[derive(Clone, Default)]
struct World {
    got: Shared<Vec<(String, String)>>,
    /// The power has failed: nobody is reached any more.
    is_dark: Arc<AtomicBool>,
}

impl Carrier for World {
    fn destination(&self, to: &Recipient) -> String {
        to.mailbox().map_or_else(String::new, |mailbox| mailbox.host().to_string())
    }

    fn carry(&self, parcel: Parcel) -> Carrying {
        let world = self.clone();
        Box::pin(async move {
            let mut text =
                format!("MAIL FROM:<{}>\n", parcel.mail.sender.map(|it| it.to_string()).unwrap_or_default());
            for rcpt in &parcel.recipients {
                text += &format!("{:?} {:?}\n", rcpt.notify, rcpt.original);
            }
            let mut pieces = parcel.message.read();
            while let Ok(Some(piece)) = pieces.next().await {
                text += &String::from_utf8_lossy(&piece);
            }
            let reply = Reply::new(Code::OK, Status::OK, "taken");
            let fate = Fate::Relayed { reply, notifies: true };
            let carry = |to: String| {
                if !world.is_dark.load(SeqCst) {
                    world.got.borrow_mut().push((to, text.clone()));
                }
                Carried::new(fate.clone())
            };
            parcel.recipients.iter().map(|rcpt| carry(rcpt.to.to_string())).collect()
        })
    }
}

/// Ann, and small, who may hold 3000 bytes.
fn local(aliases: &AliasesFile) -> Local {
    let accounts = [Account::new("ann"), Account::new("small").quota(3000)];
    let accounts = accounts.map(|account| (account.name.clone(), Arc::new(account)));
    Local::new(["example.org"], BTreeMap::from(accounts)).aliases(aliases.clone())
}

/// A server for reception at port 25, for submission at 587 and for LMTP at 24, with its queue.
struct Site {
    net: Net,
    srv: HostHandle,
    world: World,
    aliases: AliasesFile,
    _folder: TempDir,
}

impl Site {
    fn new(net: Net, aliases: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("aliases"), aliases).unwrap();
        let aliases = AliasesFile::open(folder.path().join("aliases"), "/mail").unwrap();
        let srv = net.host("srv");
        let site = Self { net, srv, world: World::default(), aliases, _folder: folder };
        site.serve();
        site
    }

    /// Starts the server, as it is after a crash too.
    fn serve(&self) {
        let (disk, users) = (self.srv.disk(), Memory::new().with(Account::new("ann"), "a"));
        let queue = Queue::open(
            Arc::new(disk.clone()),
            QueueOptions::new("srv.example.org"),
            self.srv.reactor().wall(),
        );
        let queue = queue.unwrap();
        let local = local(&self.aliases);
        let owner = local.clone();
        let submission = SmtpServer::submission("srv.example.org", Portal::accounts("smtp", users))
            .allow_plain_auth(true)
            .senders(move |account, sender| owner.owns(account, sender));
        let world = self.world.clone();
        self.srv
            .run(|reactor| {
                let store = Mailstore::new(&Storage::new(reactor, disk), "srv");
                let inlet = queue.inlet(reactor);
                let exchange = Exchange::new(local, store).with_queue(inlet.clone());
                let reception = SmtpServer::reception("srv.example.org", ["example.org"]);
                for (port, server) in
                    [("tcp:25", reception), ("tcp:587", submission), ("tcp:24", SmtpServer::lmtp("srv"))]
                {
                    reactor.listen_with(port, server.on(exchange.clone()))?;
                }
                reactor.start(queue.carried_by(Courier::new(&exchange, inlet, world)))
            })
            .unwrap();
    }

    fn probe(&self, port: u16) -> Probe {
        self.net.host("cli").probe(&format!("tcp:srv:{port}"))
    }

    /// Says this at a port, and gives the codes of the answers.
    fn say(&self, port: u16, text: &str) -> Vec<u16> {
        let client = self.probe(port);
        client.send(text);
        self.net.advance(Duration::from_secs(30));
        let replies = String::from_utf8(client.received()).unwrap();
        let last = replies.lines().filter(|line| line.get(3..4) != Some("-"));
        last.map(|line| line[..3].parse().unwrap()).collect()
    }

    fn count(&self, maildir: &str) -> usize {
        messages_in(&self.srv.disk(), maildir).len()
    }

    /// Who in the world got how many.
    fn got(&self) -> Vec<String> {
        self.world.got.borrow().iter().map(|(to, _)| to.clone()).collect()
    }

    fn text(&self, number: usize) -> String {
        self.world.got.borrow()[number].1.clone()
    }
}

const AUTH: &str = "EHLO x\r\nAUTH PLAIN AGFubgBh\r\n";

fn message(from: &str, to: &[&str], text: &str) -> String {
    let to: String = to.iter().map(|to| format!("RCPT TO:<{to}>\r\n")).collect();
    format!("MAIL FROM:<{from}>\r\n{to}DATA\r\n{text}\r\n.\r\n")
}

#[test]
fn accounts_send_to_everybody_and_others_to_nobody() {
    let site = Site::new(Net::gentle(1), "");
    let mixed =
        message("ann@example.org", &["bob@example.com", "ann@example.org", "carl@example.net"], "hello");
    assert_eq!(site.say(587, &(AUTH.to_owned() + &mixed)), [220, 250, 235, 250, 250, 250, 250, 354, 250]);
    let mut got = site.got();
    got.sort();
    assert_eq!(got, ["bob@example.com", "carl@example.net"]);
    assert!(
        site.text(0).starts_with("MAIL FROM:<ann@example.org>\n") && site.text(0).ends_with("\r\nhello\r\n")
    );
    let stored = messages_in(&site.srv.disk(), "ann");
    assert!(
        stored[0].starts_with("Return-Path: <ann@example.org>\r\nReceived: from x ") && stored.len() == 1
    );
    // Nobody else does.
    let open = message("x@example.com", &["bob@example.com"], "hello");
    assert_eq!(site.say(25, &format!("EHLO x\r\n{open}")), [220, 250, 250, 550, 554, 500, 500]);
    assert_eq!(site.say(24, &format!("LHLO x\r\n{open}")), [220, 250, 250, 550, 503, 500, 500]);
    assert_eq!(site.say(587, &format!("EHLO x\r\n{open}")), [220, 250, 530, 503, 503, 500, 500]);
    assert_eq!(site.got().len(), 2);
}

#[test]
fn what_is_forwarded_says_for_whom() {
    let site = Site::new(Net::gentle(1), "ann: \\ann, ann@mobile.example, a@mobile.example\n");
    let text = message("x@example.com", &["Ann+x@example.org"], "Subject: s\r\n\r\nhello")
        .replace("org>", "org> NOTIFY=FAILURE,DELAY");
    assert_eq!(site.say(25, &format!("EHLO x\r\n{text}")), [220, 250, 250, 250, 354, 250]);
    assert_eq!(
        (site.count("ann"), site.got()),
        (1, vec!["ann@mobile.example".into(), "a@mobile.example".into()])
    );
    let text = site.text(0);
    assert!(text.starts_with("MAIL FROM:<x@example.com>\n"));
    assert!(text.contains("delay: true") && text.contains("kind: \"rfc822\""), "{text}");
    assert!(text.contains("\nDelivered-To: Ann+x@example.org\r\nReceived: from x "), "{text}");
    assert!(!messages_in(&site.srv.disk(), "ann")[0].contains("Delivered-To"));
}

#[test]
fn what_comes_back_is_not_forwarded_again() {
    let site = Site::new(Net::gentle(1), "away: ann@example.com\n");
    let text = message("x@example.net", &["away@example.org"], "DELIVERED-TO: Away@example.org\r\n\r\nhello");
    assert_eq!(site.say(25, &format!("EHLO x\r\n{text}")), [220, 250, 250, 250, 354, 250]);
    assert_eq!(site.got(), ["x@example.net"], "it is told, and nobody else gets anything");
    assert!(site.text(0).starts_with("MAIL FROM:<>\n") && site.text(0).contains("5.4.6"), "{}", site.text(0));
    // That of somebody else means nothing, and in the body it is text.
    let text = "Delivered-To: b@example.org\r\n\r\nDelivered-To: away@example.org";
    site.say(25, &format!("EHLO x\r\n{}", message("x@example.net", &["away@example.org"], text)));
    assert_eq!(site.got(), ["x@example.net", "ann@example.com"]);
}

#[test]
fn a_full_mailbox_does_not_bring_a_message_to_the_others_again() {
    let site = Site::new(Net::gentle(1), "team: ann, small, bob@example.com\n");
    let full = "x".repeat(900) + "\r\n" + &"y".repeat(900);
    assert_eq!(
        site.say(25, &format!("EHLO x\r\n{}", message("x@y", &["small@example.org"], &full))).last(),
        Some(&250)
    );
    let large = "z".repeat(900);
    // It fits when it comes, and not when it is brought.
    let both = format!(
        "EHLO x\r\n{}{}",
        message("x@y", &["team@example.org"], &large),
        message("x@y", &["team@example.org"], &large)
    );
    assert_eq!(site.say(25, &both).last(), Some(&250));
    site.net.advance(Duration::from_secs(3600));
    let delivered = || (["ann", "small"].map(|name| site.count(name)), site.got());
    let before = ([2, 1], vec!["bob@example.com".to_owned(); 2]);
    assert_eq!(delivered(), before);
    // The next server knows it, too, by what was noted.
    site.srv.crash();
    site.srv.restart(|_| ());
    site.serve();
    site.net.advance(Duration::from_secs(3600));
    assert_eq!(delivered(), before);
    let new = site.srv.disk().folder("small/new").unwrap();
    new.unlink(&new.list().unwrap()[0].name).unwrap();
    site.net.advance(Duration::from_secs(24 * 3600));
    assert_eq!(["ann", "small"].map(|name| site.count(name)), [2, 2]);
    assert_eq!(site.got().len(), 2);
}

#[test]
fn who_wants_to_know_is_told_that_it_has_arrived() {
    let site = Site::new(Net::gentle(1), "");
    let text = message("x@example.com", &["ann@example.org"], "hello").replace("org>", "org> NOTIFY=SUCCESS");
    assert_eq!(site.say(25, &format!("EHLO x\r\n{text}")), [220, 250, 250, 250, 354, 250]);
    assert_eq!((site.count("ann"), site.got()), (1, vec!["x@example.com".into()]));
    assert!(site.text(0).contains("Action: delivered"), "{}", site.text(0));
}

#[test]
fn who_is_named_often_is_forwarded_for_once() {
    let site = Site::new(Net::gentle(1), "away: bob@example.com\n");
    site.say(25, &format!("EHLO x\r\n{}", message("x@example.net", &["away@example.org"; 50], "hello")));
    assert_eq!(site.got(), ["bob@example.com"]);
}

#[test]
fn an_address_in_brackets_is_one_here_for_the_queue_too() {
    let site = Site::new(Net::gentle(1), "away: bob@example.com\n");
    site.say(25, &format!("EHLO x\r\n{}", message("x@example.net", &["away@[10.0.0.1]"], "hello")));
    assert_eq!(site.got(), ["bob@example.com"]);
    let told = message("x@example.net", &["ann@[10.0.0.1]"], "hello").replace("1]>", "1]> NOTIFY=SUCCESS");
    site.say(25, &format!("EHLO x\r\n{told}"));
    assert_eq!((site.count("ann"), site.got()), (1, vec!["bob@example.com".into(), "x@example.net".into()]));
    assert!(site.text(1).contains("Action: delivered"), "{}", site.text(1));
}

#[test]
fn an_address_that_is_too_long_to_be_named_to_others_is_forwarded_without() {
    let name = "\u{e4}".repeat(100);
    let site = Site::new(Net::gentle(1), &format!("{name}: bob@example.com\n"));
    let text = message("x@example.net", &[&format!("{name}@example.org")], "hello");
    let text = text.replace("net>", "net> SMTPUTF8");
    assert_eq!(site.say(25, &format!("EHLO x\r\n{text}")), [220, 250, 250, 250, 354, 250]);
    assert_eq!(site.got(), ["bob@example.com"]);
    assert!(site.text(0).contains("\nNone None\n"), "{}", site.text(0));
}

/// The power fails at a call of the disk; afterwards the server starts again. Whether it was before the end.
fn crash(seed: u64, step: usize) -> bool {
    let site = Site::new(Net::new(seed), "team: ann, bob@example.com\n");
    let (mut calls, dark) = (0, site.world.is_dark.clone());
    let guard = site.srv.disk().rule(move |_| {
        calls += 1;
        if calls == step {
            dark.store(true, SeqCst);
            return DiskFate::PowerOff;
        }
        DiskFate::Go
    });
    let client = site.probe(25);
    client.send(format!(
        "EHLO x\r\n{}{}",
        message("x@y", &["team@example.org"], "word-0"),
        message("x@y", &["ann@example.org", "team@example.org"], "word-1")
    ));
    site.net.advance(Duration::from_secs(30));
    let taken = String::from_utf8(client.received()).unwrap().matches("250 2.0.0 Taken").count();
    let failed = site.world.is_dark.swap(false, SeqCst);
    site.srv.crash();
    drop(guard);
    site.srv.restart(|_| ());
    site.serve();
    site.net.advance(Duration::from_secs(600));
    let disk = site.srv.disk();
    let stored = disk.folder("ann/new").map(|_| messages_in(&disk, "ann")).unwrap_or_default();
    for number in 0..taken {
        let word = format!("\r\nword-{number}\r\n");
        assert!(
            stored.iter().any(|text| text.ends_with(&word)),
            "seed {seed}, step {step}: {word:?} is lost"
        );
        let got = site.world.got.borrow();
        assert!(
            got.iter().any(|(to, text)| to == "bob@example.com" && text.ends_with(&word)),
            "seed {seed}, step {step}: {word:?} is not sent"
        );
    }
    failed
}

#[test]
fn crashes_at_every_step_lose_nothing() {
    let steps = (1..1000).find(|step| !crash(0, *step)).unwrap();
    assert!(steps > 60, "{steps} steps are too few");
    for seed in 1..=2 {
        for step in 1..=steps {
            crash(seed, step);
        }
    }
}
