//! The POP3 server in the simulator, over Maildirs on a disk that fails: clients that are slow, broken, hostile or gone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod ahead;
mod bounds;
mod client;
mod dialogue;
mod faults;
mod locks;
mod login;
mod messages;
mod quota;
mod tls;
mod ugly;

use std::{cell::RefCell, time::Duration};
use trenza_auth::{Account, Memory, Portal, Rights};
use trenza_mail::{
    maildir::Maildir,
    pop3::{Pop3Server, Reply, ResponseCode},
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

/// Ann and Bob have accounts, and say their passwords in clear.
fn server() -> Pop3Server {
    protected().allow_plain_auth(true)
}

/// They do not.
fn protected() -> Pop3Server {
    let users = Memory::new().with(Account::new("ann"), "secret").with(Account::new("bob"), "b b");
    let users = users.with(Account::new("eve"), "e");
    let users = users.with(Account::new("reader").rights(Rights::READ_ONLY), "r");
    let users = users.with(Account::new("writer").rights(Rights::WRITE), "w");
    Pop3Server::new("srv", Portal::accounts("pop3", users))
}

/// Listens at `tcp:110`.
fn serve(srv: &HostHandle, server: &Pop3Server) {
    let disk = srv.disk();
    srv.run(|reactor| {
        let storage = Storage::new(reactor, disk);
        reactor.listen_with("tcp:110", server.on(find(&storage))).map(drop)
    })
    .unwrap();
}

/// Eve has an account, and no mailbox.
fn find(storage: &Storage) -> impl Fn(&Account) -> Result<Maildir, Reply> + 'static {
    let storage = storage.clone();
    move |account| match account.name.as_str() {
        "eve" => Err(Reply::err("You have no mailbox").code(ResponseCode::SysPerm)),
        name => Ok(Maildir::new(&storage, Path::new(format!("mail/{name}")).unwrap())),
    }
}

/// Makes somebody's Maildir with these messages, which are called by their numbers.
fn deliver(srv: &HostHandle, name: &str, messages: &[&[u8]]) {
    let disk = srv.disk();
    for folder in ["mail", &format!("mail/{name}")] {
        make(&disk, folder);
    }
    for folder in ["new", "cur", "tmp"] {
        make(&disk, &format!("mail/{name}/{folder}"));
    }
    for (number, message) in messages.iter().enumerate() {
        let folder = disk.folder(&format!("mail/{name}/new")).unwrap();
        let file = folder.open(format!("{}.a.srv", number + 1), DiskOpen::Create).unwrap();
        file.write_all_at(message, 0).unwrap();
        file.sync().unwrap();
        folder.sync().unwrap();
    }
}

fn make(disk: &Disk, path: &str) {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = if parent.is_empty() { disk.root() } else { disk.folder(parent).unwrap() };
    let _ = parent.make_folder(name);
    parent.sync().unwrap();
}

/// The names of the messages that somebody has, flags included.
fn left(disk: &Disk, name: &str) -> Vec<String> {
    let names = ["new", "cur"].into_iter().flat_map(|folder| {
        let folder = disk.folder(&format!("mail/{name}/{folder}")).unwrap();
        folder.list().unwrap().into_iter().map(|entry| entry.name.into_string().unwrap())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

const MESSAGES: [&[u8]; 3] =
    [b"Subject: a\r\n\r\n.one\r\n..two\r\n", b"Subject: b\r\n\r\nlast", b"Subject: c\r\n\r\n\r\n.\r\n"];

impl Site {
    /// Ann has three messages.
    fn new(net: Net, server: &Pop3Server) -> Self {
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        deliver(&srv, "ann", &MESSAGES);
        serve(&srv, server);
        let client = cli.probe("tcp:srv:110");
        Self { net, srv, client, read: RefCell::default() }
    }

    /// Somebody has logged in.
    fn open(server: &Pop3Server) -> Self {
        let site = Self::new(Net::gentle(1), server);
        site.expect("+OK srv POP3\r\n");
        site.ask("USER ann", "+OK");
        site.ask("PASS secret", "+OK 3 messages (");
        site
    }

    /// The next bytes that `until` finds the end of.
    #[track_caller]
    fn wait(&self, until: impl Fn(&[u8]) -> Option<usize>) -> String {
        for _ in 0..300 {
            let mut read = self.read.borrow_mut();
            read.extend(self.client.take_received());
            if let Some(end) = until(&read) {
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
        let reply = self.wait(|read| Some(read.windows(2).position(|two| two == b"\r\n")? + 2));
        assert!(reply.starts_with(start), "{start} was expected, and came: {reply}");
        reply
    }

    /// Sends a command, and expects a line that begins so.
    #[track_caller]
    fn ask(&self, command: impl AsRef<[u8]>, start: &str) -> String {
        self.client.send([command.as_ref(), b"\r\n"].concat());
        self.expect(start)
    }

    /// Sends a command, expects `+OK`, and gives the lines behind it.
    #[track_caller]
    fn lines(&self, command: &str) -> String {
        self.ask(command, "+OK");
        let end = b"\r\n.\r\n";
        let text = self.wait(|read| match read.starts_with(b".\r\n") {
            true => Some(3),
            false => Some(read.windows(5).position(|five| five == end)? + 5),
        });
        text.strip_suffix(".\r\n").unwrap().to_owned()
    }

    fn left(&self) -> Vec<String> {
        left(&self.srv.disk(), "ann")
    }
}
