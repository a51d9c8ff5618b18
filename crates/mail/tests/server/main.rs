//! The server in the simulator, with Maildirs on a disk that fails and crashes: clients that are slow, broken, hostile or
//! gone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bounds;
mod courier;
mod crashes;
mod dialogue;
mod exchange;
mod faults;
mod login;
mod maildirs;
mod outcomes;
mod tls;

use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_auth::{Account, Memory, Portal, Rights};
use trenza_mail::{
    maildir::Maildirs,
    smtp::{Code, Recipient, Reply, SmtpServer, Status, server::Delivery},
};
use trenza_sim::{Disk, DiskOpen, HostHandle, Net, Probe};
use trenza_storage::{Path, Storage};

/// A server on a host of its own, with a client at its port.
struct Site {
    net: Net,
    srv: HostHandle,
    client: Probe,
    /// What was read and not asked for.
    read: RefCell<Vec<u8>>,
}

/// Ann, Bob and the postmaster have Maildirs.
fn maildirs(storage: &Storage) -> Maildirs {
    Maildirs::new(storage, "srv", |_, to| {
        let name = match to {
            Recipient::Postmaster => "postmaster",
            Recipient::Mailbox(mailbox) => mailbox.local(),
        };
        match name {
            "ann" | "bob" | "postmaster" => Ok(Path::new(format!("mail/{name}")).unwrap()),
            _ => Err(Reply::new(Code::REFUSED, Status::NO_MAILBOX, "No such user here")),
        }
    })
}

fn reception() -> SmtpServer {
    SmtpServer::reception("srv.example.org", ["example.org"])
}

fn submission() -> SmtpServer {
    let users = Memory::new()
        .with(Account::new("ann"), "secret")
        .with(Account::new("bob@example.com"), "b")
        .with(Account::new("reader").rights(Rights::READ_ONLY), "r");
    SmtpServer::submission("srv.example.org", Portal::accounts("smtp", users)).domains(["example.org"])
}

/// Listens at `tcp:25`, with Maildirs on the host's disk.
fn serve(srv: &HostHandle, server: &SmtpServer) {
    let disk = srv.disk();
    serve_with(srv, server, |reactor| maildirs(&Storage::new(reactor, disk)));
}

fn serve_with<D: Delivery>(
    srv: &HostHandle,
    server: &SmtpServer,
    delivery: impl FnOnce(&trenza_core::Reactor) -> D,
) {
    srv.run(|reactor| reactor.listen_with("tcp:25", server.on(delivery(reactor))).map(drop)).unwrap();
}

impl Site {
    fn new(net: Net, server: &SmtpServer) -> Self {
        Self::made(net, |srv| serve(srv, server))
    }

    fn made(net: Net, serve: impl FnOnce(&HostHandle)) -> Self {
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        serve(&srv);
        let client = cli.probe("tcp:srv:25");
        Self { net, srv, client, read: RefCell::default() }
    }

    /// After EHLO.
    fn greeted(server: &SmtpServer) -> Self {
        let site = Self::new(Net::gentle(1), server);
        site.expect("220");
        site.ask("EHLO cli.example.com", "250");
        site
    }

    /// The next reply, all of its lines.
    #[track_caller]
    fn reply(&self) -> String {
        for _ in 0..200 {
            let mut read = self.read.borrow_mut();
            read.extend(self.client.take_received());
            if let Some(end) = end_of_reply(&read) {
                let reply: Vec<u8> = read.drain(..end).collect();
                return String::from_utf8(reply).unwrap();
            }
            drop(read);
            self.net.advance(Duration::from_millis(50));
        }
        panic!("no reply came; {:?}", String::from_utf8_lossy(&self.read.borrow()));
    }

    #[track_caller]
    fn expect(&self, start: &str) -> String {
        let reply = self.reply();
        assert!(reply.starts_with(start), "{start} was expected, and came: {reply}");
        reply
    }

    /// Sends a command, and expects a reply that begins so.
    #[track_caller]
    fn ask(&self, command: impl AsRef<[u8]>, start: &str) -> String {
        self.client.send([command.as_ref(), b"\r\n"].concat());
        self.expect(start)
    }

    /// Sends all of it, and expects the first codes of the replies that come within a minute.
    #[track_caller]
    fn all(&self, text: impl AsRef<[u8]>, codes: &[u16]) {
        self.client.send(text);
        self.net.advance(Duration::from_secs(60));
        let read = [self.read.take(), self.client.take_received()].concat();
        let replies = String::from_utf8(read).unwrap();
        let seen: Vec<u16> = replies
            .lines()
            .filter(|line| line.get(3..4) != Some("-"))
            .map(|line| line[..3].parse().unwrap())
            .collect();
        assert_eq!(seen, codes, "{replies}");
    }

    /// The messages in somebody's `new`.
    fn messages(&self, name: &str) -> Vec<String> {
        messages(&self.srv.disk(), name)
    }
}

fn end_of_reply(read: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in read.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line.ends_with(b"\n") && line.get(3) != Some(&b'-') {
            return Some(at);
        }
    }
    None
}

/// The messages in somebody's `new`.
fn messages(disk: &Disk, name: &str) -> Vec<String> {
    messages_in(disk, &format!("mail/{name}"))
}

/// The messages in the `new` of a Maildir, whose sizes are what their names tell.
fn messages_in(disk: &Disk, maildir: &str) -> Vec<String> {
    let Ok(folder) = disk.folder(&format!("{maildir}/new")) else { return Vec::new() };
    let entries = folder.list().unwrap();
    let read = entries.iter().map(|entry| {
        let text = folder.open(&entry.name, DiskOpen::Read).unwrap().read_all().unwrap();
        assert!(entry.name.to_str().unwrap().ends_with(&format!(",S={}", text.len())), "{entry:?}");
        String::from_utf8(text).unwrap()
    });
    read.collect()
}

/// All names in somebody's `tmp`.
fn left_over(disk: &Disk, name: &str) -> Vec<String> {
    let Ok(folder) = disk.folder(&format!("mail/{name}/tmp")) else { return Vec::new() };
    folder.list().unwrap().into_iter().map(|entry| entry.name.into_string().unwrap()).collect()
}

/// What a client counts.
type Shared<T> = Rc<RefCell<T>>;
