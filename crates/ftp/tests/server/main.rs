//! The server in the simulator: control and data connections together, with clients that are slow, broken, hostile or
//! gone, and disks that are full.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod channels;
mod corpus;
mod faults;
mod files;
mod homes;
mod listings;
mod tls;
mod transfers;

use std::{cell::RefCell, net::SocketAddr, sync::Arc, time::Duration};
use trenza_auth::{Account, Anonymous, Chain, Memory, Portal};
use trenza_ftp::{FtpServer, Homes, address};
use trenza_sim::{Disk, DiskOpen, HostHandle, Net, Probe};

/// A server on a host of its own, with a client at its control port.
struct Site {
    net: Net,
    srv: HostHandle,
    cli: HostHandle,
    control: Probe,
    /// Replies that were read from the control connection and not asked for.
    read: RefCell<Vec<u8>>,
}

fn users() -> Chain {
    Chain::new()
        .with(Memory::new().with(Account::new("ann"), "secret").with(Account::new("bob"), "b"))
        .with(Anonymous::new())
}

fn server(disk: Disk) -> FtpServer {
    FtpServer::new(Portal::new("ftp", users(), Homes::of_tree(Arc::new(disk))))
}

impl Site {
    fn new(net: Net, set_up: impl FnOnce(FtpServer) -> FtpServer) -> Self {
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        let server = set_up(server(srv.disk()));
        srv.run(|reactor| reactor.listen_with("tcp:21", server.factory()).map(drop)).unwrap();
        let control = cli.probe("tcp:srv:21");
        Self { net, srv, cli, control, read: RefCell::default() }
    }

    fn gentle() -> Self {
        Self::new(Net::gentle(1), |server| server)
    }

    /// With ann logged in, in TYPE I.
    fn logged_in(net: Net, set_up: impl FnOnce(FtpServer) -> FtpServer) -> Self {
        let site = Self::new(net, set_up);
        site.log_in();
        site
    }

    fn ann() -> Self {
        Self::logged_in(Net::gentle(1), |server| server)
    }

    fn log_in(&self) {
        self.expect("220");
        for (command, code) in [("USER ann", "331"), ("PASS secret", "230"), ("TYPE I", "200")] {
            self.ask(command, code);
        }
    }

    /// The next reply, all of its lines.
    fn reply(&self) -> String {
        for _ in 0..200 {
            let mut read = self.read.borrow_mut();
            read.extend(self.control.take_received());
            if let Some(end) = end_of_reply(&read) {
                let reply: Vec<u8> = read.drain(..end).collect();
                return String::from_utf8_lossy(&reply).into_owned();
            }
            drop(read);
            self.net.advance(Duration::from_millis(50));
        }
        panic!("no reply came; {:?}", String::from_utf8_lossy(&self.read.borrow()));
    }

    #[track_caller]
    fn expect(&self, code: &str) -> String {
        let reply = self.reply();
        assert!(reply.starts_with(code), "{code} was expected, and came: {reply}");
        reply
    }

    /// Sends a command, and expects a reply with this code.
    #[track_caller]
    fn ask(&self, command: impl AsRef<[u8]>, code: &str) -> String {
        self.say(command);
        self.expect(code)
    }

    fn say(&self, command: impl AsRef<[u8]>) {
        self.control.send([command.as_ref(), b"\r\n"].concat());
    }

    /// Nothing more has come.
    fn is_quiet(&self) -> bool {
        self.net.run();
        self.control.received().is_empty() && self.read.borrow().is_empty()
    }

    /// The address that a PASV gives.
    #[track_caller]
    fn passive_address(&self) -> SocketAddr {
        let reply = self.ask("PASV", "227");
        address::parse_227(reply.as_bytes()).unwrap().into()
    }

    /// A data connection by PASV.
    #[track_caller]
    fn passive(&self) -> Probe {
        self.cli.probe_to(self.passive_address())
    }

    /// What comes over a data connection after this command.
    #[track_caller]
    fn get(&self, command: impl AsRef<[u8]>) -> Vec<u8> {
        let data = self.passive();
        self.ask(command, "150");
        self.expect("226");
        self.net.run();
        assert!(data.eof());
        data.take_received()
    }

    /// Sends `bytes` over a data connection after this command.
    #[track_caller]
    fn put(&self, command: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) {
        let data = self.passive();
        self.ask(command, "150");
        data.send(bytes);
        data.close_write();
        self.expect("226");
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let file = self.srv.disk().root().open(name, DiskOpen::Truncate).unwrap();
        file.write_all_at(bytes.as_ref(), 0).unwrap();
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.srv.disk().root().open(name, DiskOpen::Read).ok()?;
        Some(file.read_all().unwrap())
    }

    /// The names on the disk, temporary ones included.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .srv
            .disk()
            .root()
            .list()
            .unwrap()
            .into_iter()
            .map(|entry| entry.name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The client goes, and nothing is left of it: no connection, port, timer, task or temporary file.
    #[track_caller]
    fn leaves_nothing(&self) {
        self.control.close();
        self.net.advance(Duration::from_secs(200));
        let connections = self.srv.run(|reactor| reactor.connections());
        assert!(connections.is_empty(), "{connections:?}");
        let left = self.srv.left();
        assert_eq!((left.ports, left.connections), (1, 0), "{:?}", self.srv.leftovers());
        let names = self.names();
        assert!(!names.iter().any(|name| name.starts_with(".trenza-")), "{names:?}");
    }
}

/// Where the first reply ends, if it is whole.
fn end_of_reply(read: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(end) = read[at..].windows(2).position(|two| two == b"\r\n") {
        let line = &read[at..at + end];
        at += end + 2;
        if line.len() >= 4 && line[..3].iter().all(u8::is_ascii_digit) && line[3] == b' ' {
            return Some(at);
        }
    }
    None
}
