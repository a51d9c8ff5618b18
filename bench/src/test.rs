//! [`Test`]: what is measured.

use crate::handshake::Group;
use crate::recipe::Kind;

/// One kind of work, done by all servers that can.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    /// Servers of this kind take part.
    pub(crate) kind: Kind,
    pub(crate) work: Work,
}

/// What the load does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// Connections stay, and so many messages of so many bytes are under way on each.
    Stream { connections: usize, size: usize, depth: usize },
    /// Connections are opened, exchange a message and are closed, so many at once.
    Connect { at_once: usize, size: usize },
    /// So many datagrams of so many bytes are under way on each socket.
    Datagrams { sockets: usize, size: usize, window: usize },
    /// Requests over HTTP, by `wrk`.
    Requests { path: &'static str, connections: usize, pipeline: usize, closing: bool },
    /// Connections over TLS with one request each.
    Handshakes { group: Group, resumed: bool },
    /// Servers are started and asked once.
    Starts { path: &'static str },
    /// Connections that do nothing any more; what they cost is memory.
    Idle { path: &'static str },
}

/// The groups in their order, and what each asks.
pub(crate) const GROUPS: &[(&str, &str)] = &[
    (
        "echo",
        "TCP: messages of 64 B, 4 KiB and 64 KiB, one or 16 (-p16) under way on each of 1, 50 or 1000 connections",
    ),
    ("conn", "TCP: connect, exchange 64 bytes, close"),
    ("udp", "UDP: datagrams of 64 B, one or 32 under way"),
    ("http", "HTTP from memory: kept connections, pipelines of 16, Connection: close"),
    ("file", "HTTP: files of 1 KiB, 100 KiB and 10 MiB"),
    ("https", "TLS: handshakes, full and resumed, and requests on kept connections"),
    ("cores", "two loops beside one, on any core: handlers that work for some 20 µs and 200 µs"),
    ("start", "from the start of a server to its first answer"),
    ("mem", "memory of a server for each connection that is idle"),
    ("timers", "a million timers: time and memory"),
    (
        "instructions",
        "what hot paths take, under valgrind; 5 % more than in bench/instructions.txt is a failure",
    ),
    ("ftp", "FTP beside vsftpd and pyftpdlib: 1 GiB, 5,000 files of 1 KiB, 500 sessions, idle ones"),
    (
        "mail",
        "SMTP beside Postfix: messages of 4 KiB and 64 KiB received, relayed ones, idle sessions; POP3 beside dovecot: 10,000 messages",
    ),
];

impl Work {
    /// Done by the load of ours, which has to be built?
    pub(crate) fn is_echo(self) -> bool {
        matches!(self, Self::Stream { .. } | Self::Connect { .. } | Self::Datagrams { .. })
    }
}

/// All tests, but those that have no servers.
pub(crate) fn all() -> Vec<Test> {
    let mut tests = Vec::new();
    let mut add =
        |group, name: &str, kind, work| tests.push(Test { group, name: name.to_owned(), kind, work });
    for (label, size, most) in [("64", 64, 1000), ("4k", 4 << 10, 1000), ("64k", 64 << 10, 50)] {
        for connections in [1, 50, 1000].into_iter().filter(|connections| *connections <= most) {
            let ping_pong = Work::Stream { connections, size, depth: 1 };
            add("echo", &format!("echo-{label}-c{connections}"), Kind::Echo, ping_pong);
        }
    }
    for (label, size) in [("64", 64), ("4k", 4 << 10)] {
        for connections in [1, 50, 1000] {
            let pipeline = Work::Stream { connections, size, depth: 16 };
            add("echo", &format!("echo-{label}-c{connections}-p16"), Kind::Echo, pipeline);
        }
    }
    add("conn", "conn-32", Kind::Echo, Work::Connect { at_once: 32, size: 64 });
    for window in [1, 32] {
        let work = Work::Datagrams { sockets: 4, size: 64, window };
        add("udp", &format!("udp-64-w{window}"), Kind::Udp, work);
    }
    let hello = |connections, pipeline, closing| Work::Requests { path: "/", connections, pipeline, closing };
    add("http", "hello-c50", Kind::Http, hello(50, 1, false));
    add("http", "hello-c1000", Kind::Http, hello(1000, 1, false));
    add("http", "hello-c50-p16", Kind::Http, hello(50, 16, false));
    add("http", "hello-close", Kind::Http, hello(32, 1, true));
    let get = |path, connections| Work::Requests { path, connections, pipeline: 1, closing: false };
    add("file", "file-1k", Kind::File, get("/1k.bin", 64));
    add("file", "file-100k", Kind::File, get("/100k.bin", 64));
    // Of more, hardly one would be done in a second.
    add("file", "file-10m", Kind::File, get("/10m.bin", 8));
    for (name, group) in [("x25519", Group::X25519), ("hybrid", Group::Hybrid)] {
        add("https", &format!("handshake-{name}"), Kind::Https, Work::Handshakes { group, resumed: false });
        add("https", &format!("resumed-{name}"), Kind::Https, Work::Handshakes { group, resumed: true });
    }
    add("https", "https-1k", Kind::Https, get("/1k.bin", 64));
    add("https", "https-10m", Kind::Https, get("/10m.bin", 8));
    add("cores", "burn-20", Kind::Burn, get("/burn/20", 32));
    add("cores", "burn-200", Kind::Burn, get("/burn/200", 32));
    add("start", "start-echo", Kind::Echo, Work::Starts { path: "" });
    add("start", "start-file", Kind::File, Work::Starts { path: "/1k.bin" });
    for (name, kind, path) in [
        ("idle-echo", Kind::Echo, ""),
        ("idle-http", Kind::Http, "/"),
        ("idle-file", Kind::File, "/1k.bin"),
        ("idle-https", Kind::Https, "/1k.bin"),
    ] {
        add("mem", name, kind, Work::Idle { path });
    }
    tests
}
