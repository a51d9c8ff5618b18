//! Runs every example as a process and talks to it over sockets.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "threads and sockets are the outside world"
)]

mod example;

use example::{ANY, Client, Example};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, UdpSocket},
    path::Path,
    time::{Duration, Instant},
};

/// The most lines of an example.
const LINES_MAX: usize = 40;

#[test]
fn every_example_is_short_and_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found = 0;
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let name = name.strip_suffix(".rs").unwrap_or_else(|| panic!("{name} is no example"));
        let text = fs::read_to_string(&path).expect("it can be read");
        assert!(text.lines().count() <= LINES_MAX, "{name} has over {LINES_MAX} lines");
        let command = format!("`cargo run -p trenza --example {name}`");
        assert!(text.starts_with("//! ") && text.contains(&command), "{name} does not say how to try it");
        assert!(include_str!("main.rs").contains(&format!("#[test]\nfn {name}() {{")), "{name} has no test");
        found += 1;
    }
    assert!(found >= 24, "only {found} examples were found");
}

/// A server with one answer to each question, over a connection of its own.
fn answers(name: &str, cases: &[(&[u8], &str)]) {
    let (example, address) = Example::server(name);
    for (question, answer) in cases {
        assert_eq!(Client::ask(&address, question), *answer, "{:?}", String::from_utf8_lossy(question));
    }
    example.stops();
}

#[test]
fn echo() {
    answers("echo", &[(b"hello", "hello"), (b"", "")])
}

#[test]
fn login() {
    answers(
        "login",
        &[
            (b"ann secret\r\nann guess\r\n", "welcome ann, you may rl\r\nwrong name or password\r\n"),
            (b"bob\r\n", "wrong name or password\r\n"),
        ],
    )
}

#[test]
fn commands() {
    answers(
        "commands",
        &[
            (b"add 2\nadd 40\r\nclear\n", "2\n42\n0\n"),
            (
                b"add x\nmultiply 2\nquit\nadd 1\n",
                "no: invalid digit found in string\nno: add NUMBER, clear or quit\n",
            ),
        ],
    );
}

#[test]
fn finger() {
    answers(
        "finger",
        &[
            (b"ada\r\n", "Ada Lovelace, at the analytical engine\r\n"),
            (b"/W grace\r\n", "Grace Hopper, at sea\r\n"),
            (b"\r\n", "ada\r\ngrace\r\n"),
            (b"bob\r\n", "\"bob\" is not known here\r\n"),
        ],
    );
}

#[test]
fn ident() {
    answers(
        "ident",
        &[
            (b"6193, 23\r\n 1,2\r\n", "6193, 23 : ERROR : HIDDEN-USER\r\n1, 2 : ERROR : HIDDEN-USER\r\n"),
            (b"0, 23\r\n6193\r\n1, 65536\r\n", &"0, 0 : ERROR : INVALID-PORT\r\n".repeat(3)),
        ],
    );
}

#[test]
fn netstring() {
    let wrong = "54:the peer broke the protocol: a netstring has no length,";
    answers(
        "netstring",
        &[
            (b"5:hello,0:,12:hello, world,", "5:hello,0:,12:hello, world,"),
            (b"1:a,x", &format!("1:a,{wrong}")),
        ],
    );
}

#[test]
fn lookup() {
    // A name server with one answer: the question, repeated, and an address.
    let server = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    server.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout can be set");
    let address = server.local_addr().expect("it is bound").to_string();
    let example = Example::start("lookup", &["www.example.org", "A", &address]);
    let mut question = [0; 512];
    let (length, from) = server.recv_from(&mut question).expect("a question");
    let name = &question[12..length - 15]; // without type and class, and the OPT record
    let header = [&question[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]].concat();
    let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1];
    let answer = [&header, name, &[0, 1, 0, 1], &record[..]].concat();
    server.send_to(&answer, from).expect("it can be sent");
    let said = example.says().to_lowercase();
    assert_eq!(said, "www.example.org. 60 in a 192.0.2.1");
    example.ends();
    assert!(Example::filter("lookup", &["localhost"], "").contains("127.0.0.1"));
}

#[test]
fn rpc() {
    answers(
        "rpc",
        &[
            (b"\0\x0bsum 1 2 3 4\0\x0creverse abcd", "\0\x0210\0\x04dcba"),
            (b"\0\x01x", "\0\x17error: no such function"),
            (b"\0\x1esum 9223372036854775807 1      ", "\0\x10error: too large"),
        ],
    );
}

#[test]
fn files() {
    let this = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("it is there");
    answers(
        "files",
        &[
            (b"Cargo.toml\n", &this),
            (b"/etc/../Cargo.toml\nsrc\n..\n", &format!("{this}no: not a file\nno: no name of a file\n")),
        ],
    );
}

#[test]
fn process() {
    let example = Example::start("process", &["sh", "-c", "echo one; echo two >&2; exit 4"]);
    let mut said: Vec<_> = (0..3).map(|_| example.says()).collect();
    said.sort();
    assert_eq!(said, ["1: one", "2: two", "exit code 4"]);
    example.ends();
}

#[test]
fn output() {
    let example = Example::start("output", &["sh", "-c", "cat; echo out; exit 3"]);
    assert_eq!([example.says(), example.says()], ["out", "exit code 3"]);
    example.ends();
}

#[test]
fn exec() {
    let example = Example::start("exec", &["exec:sort:-r"]);
    assert_eq!([example.says(), example.says()], ["pear", "apple"]);
    example.ends();
}

#[test]
fn chat() {
    let (example, address) = Example::server("chat");
    let [mut ann, mut bob] = [1, 2].map(|count| {
        let mut member = Client::connect(&address);
        assert_eq!(member.line(), format!("there are {count} of us\n"));
        member
    });
    ann.send("hello\n");
    assert!(bob.line().ends_with(": hello\n"));
    bob.send("hello, too\n");
    assert!(ann.line().ends_with(": hello, too\n"));
    drop(ann);
    example.stop();
    assert_eq!(bob.rest(), "");
    drop(bob);
    example.ends();
}

#[test]
fn proxy() {
    let far = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let to = format!("tcp:{}", far.local_addr().expect("it is bound"));
    let example = Example::start("proxy", &[ANY, &to]);
    let mut near = Client::connect(example.address());
    near.send("there");
    near.finish();
    let mut far = Client::accept(&far);
    assert_eq!(far.rest(), "there");
    // Much more than the proxy holds: it waits for the reader.
    let answer = "and back".repeat(1_000_000);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            far.send(&answer);
            far.finish();
        });
        assert_eq!(near.rest(), answer);
    });
    example.stops();
}

#[test]
fn watch() {
    assert_eq!(Example::filter("watch", &[], "hello\nyou\n"), "HELLO\nYOU\n");
}

#[test]
fn passing() {
    let path = std::env::temp_dir().join(format!("trenza-passing-{}.sock", std::process::id()));
    let example = Example::start("passing", &[&format!("unix:{}:mode=600", path.display())]);
    assert_eq!(example.says(), "Cargo.toml: here you are");
    assert!(example.says().starts_with("nothing: no: No such file"));
    assert_eq!(example.says(), "it begins with [package]");
    example.ends();
    assert!(!path.exists());
}

#[test]
fn netcat() {
    let (echo, address) = Example::server("echo");
    let text = "there and back\n".repeat(100_000);
    assert!(Example::filter("netcat", &[&format!("tcp:{address}")], &text) == text);
    echo.stops();
}

#[test]
fn reconnect() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let to = format!("tcp:{}", listener.local_addr().expect("it is bound"));
    let example = Example::start("reconnect", &[&to]);
    let mut first = Client::accept(&listener);
    assert_eq!([first.line(), first.line()], ["hello\r\n", "hello\r\n"]);
    assert!(example.says().starts_with("connected to 127.0.0.1:"));
    first.send("good morning\r\n");
    assert_eq!(example.says(), "good morning");
    drop(first);
    assert!(example.says().starts_with("failure 1, again in "));
    let mut second = Client::accept(&listener);
    assert_eq!(second.line(), "hello\r\n");
    assert!(example.says().starts_with("connected to "));
    drop(listener);
    drop(second);
    assert!(example.says().starts_with("failure 2, again in "));
    assert!(example.says().starts_with("failure 3, again in "));
    example.stops();
}

#[test]
fn services() {
    let example = Example::start("services", &[ANY]);
    let address = example.address();
    let mut peer = Client::connect(&address);
    peer.send("hello\r\n");
    assert_eq!(peer.line(), "hello\r\n");
    while example.says() != "1 connections" {}
    example.stop();
    while example.says() != "closing" {}
    assert_eq!(peer.rest(), "");
    drop(peer);
    example.ends();
}

#[cfg(feature = "proxy")]
#[test]
fn haproxy() {
    let (example, address) = Example::server("haproxy");
    let mut proxy = Client::connect(&address);
    proxy.send("PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\nGET / HTTP/1.0\r\n\r\n");
    let said = proxy.rest();
    assert!(said.contains("\r\n\r\nhello 192.0.2.1:5000, brought by 127.0.0.1:"), "{said}");
    example.stops();
}

#[test]
fn client() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let to = format!("tcp:{}", listener.local_addr().expect("it is bound"));
    let example = Example::start("client", &[&to]);
    let mut peer = Client::accept(&listener);
    assert_eq!(peer.line(), "hello\r\n");
    peer.send("good morning\r\n");
    assert_eq!(peer.rest(), "");
    drop(peer);
    assert_eq!(example.says(), "good morning");
    example.ends();
}

#[test]
fn coroutine() {
    let (example, address) = Example::server("coroutine");
    let mut client = Client::connect(address);
    assert_eq!(client.line(), "which number from 0 to 255?\r\n");
    client.send("x\r\n");
    assert_eq!(client.line(), "that is not a number from 0 to 255\r\n");
    let (mut low, mut high) = (0_u8, 255_u8);
    loop {
        let guess = low.midpoint(high);
        client.send(format!("{guess}\r\n"));
        match client.line().trim_end() {
            "more" => low = guess + 1,
            "less" => high = guess - 1,
            other => break assert_eq!(other, "bye"),
        }
    }
    assert_eq!(client.rest(), "");
    drop(client);
    example.stops();
}

#[test]
fn halves() {
    let (example, address) = Example::server("halves");
    let mut client = Client::connect(address);
    assert_eq!(client.line(), "counting\n");
    client.send("one\ntwo\n");
    while client.line() != "2 lines\n" {}
    client.send("three\n");
    client.finish();
    assert!(client.rest().ends_with("3 lines\n"));
    example.stops();
}

#[test]
fn channels() {
    let (example, address) = Example::server("channels");
    let mut client = Client::connect(address);
    client.send(b"\0\x04ahel\0\x08bother\r\n");
    assert_eq!(client.bytes(8), b"\0\x06bOTHER");
    client.send(b"\0\x05alo\r\n");
    assert_eq!(client.bytes(8), b"\0\x06aHELLO");
    client.finish();
    assert_eq!(client.rest(), "");
    example.stops();
}

#[test]
fn copy() {
    answers(
        "copy",
        &[(b"a\nb\nc\nd\ne\n", "1 a\n2 b\n3 c\nand the rest:\nd\ne\n"), (b"", "1 2 3 and the rest:\n")],
    );
}

#[test]
fn discard() {
    let (example, address) = Example::server("discard");
    assert_eq!(Client::ask(address, vec![b'x'; 1_000_000]), "");
    assert!(example.says().starts_with("1000000 bytes, then closed"));
    example.stops();
}

#[test]
fn chargen() {
    let (example, address) = Example::server("chargen");
    let mut client = Client::connect(address);
    let first = client.line();
    assert_eq!((first.len(), &first[..4], &first[70..]), (74, " !\"#", "fg\r\n"));
    assert_eq!(client.line()[..4], *"!\"#$");
    // More than any buffer: it goes on when there is room again.
    client.bytes(74 * (95 * 2000 - 2));
    assert_eq!(client.line(), first);
    // It ends among characters that were not read.
    example.stop();
    assert!(client.rest().ends_with("\r\n"));
    drop(client);
    example.ends();
}

#[test]
fn daytime() {
    let (example, address) = Example::server("daytime");
    let time = Client::ask(address, "");
    assert!(
        time.ends_with(" GMT\r\n") && time.len() == "Sun, 06 Nov 1994 08:49:37 GMT\r\n".len(),
        "{time:?}"
    );
    example.stops();
}

#[test]
fn qotd() {
    let (example, address) = Example::server("qotd");
    let proverb = Client::ask(address, "");
    assert!(proverb.ends_with(".\r\n") && proverb.len() > 10, "{proverb:?}");
    example.stops();
}

#[test]
fn hello() {
    let (example, address) = Example::server("hello");
    assert!(get(&address, "/you").ends_with("\r\n\r\nhello, you\n"));
    example.stops();
}

#[test]
fn upload() {
    let (example, address) = Example::server("upload");
    assert!(get(&address, "/").starts_with("HTTP/1.1 405 "));
    let head = "PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n";
    let answer = Client::ask(&address, [head.as_bytes(), &b"ab\n".repeat(1_000_000)].concat());
    assert!(answer.ends_with("\r\n\r\n3000000 bytes, 1000000 lines\n"), "{answer}");
    example.stops();
}

#[test]
fn keep() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("kept-1"), "older").unwrap();
    let example = Example::start("keep", &[ANY, dir.path().to_str().unwrap()]);
    let address = example.address();
    let sent = b"ab\n".repeat(500_000);
    assert_eq!(Client::ask(&address, &sent), "1500000 bytes in /kept-2\n");
    assert_eq!(Client::ask(&address, ""), "0 bytes in /kept-3\n");
    assert!(fs::read(dir.path().join("kept-2")).unwrap() == sent);
    assert_eq!(fs::read(dir.path().join("kept-1")).unwrap(), b"older");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    example.stops();
}

#[test]
fn ftp_server() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "hello").unwrap();
    let example = Example::start("ftp_server", &[ANY, dir.path().to_str().unwrap()]);
    let answers = Client::ask(
        example.address(),
        "USER ann\r\nPASS secret\r\nTYPE I\r\nSIZE a\r\nMKD b\r\nDELE a\r\nQUIT\r\n",
    );
    let codes: Vec<&str> = answers.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["220", "331", "230", "200", "213", "257", "250", "221"], "{answers}");
    assert!(dir.path().join("b").is_dir() && !dir.path().join("a").exists());
    example.stops();
}

#[test]
fn smtp_server() {
    let dir = tempfile::tempdir().unwrap();
    let example = Example::start("smtp_server", &[ANY, dir.path().to_str().unwrap()]);
    let answers = Client::ask(
        example.address(),
        "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n",
    );
    let codes: Vec<&str> = answers.lines().filter(|line| &line[3..4] == " ").map(|line| &line[..3]).collect();
    assert_eq!(codes, ["220", "250", "250", "550", "250", "354", "250", "221"], "{answers}");
    let stored = fs::read_dir(dir.path().join("ann/new")).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_to_string(stored).unwrap().ends_with("\r\nhello\r\n"));
    assert_eq!(fs::read_dir(dir.path().join("ann/tmp")).unwrap().count(), 0);
    example.stops();
}

#[test]
fn send_mail() {
    let dir = tempfile::tempdir().unwrap();
    let server = Example::start("smtp_server", &[ANY, dir.path().to_str().unwrap()]);
    let endpoint = format!("tcp:{}", server.address());
    let said = Example::filter(
        "send_mail",
        &[&endpoint, "me@example.com", "ann@example.org", "bob@example.org"],
        "",
    );
    assert!(said.starts_with("not to bob@example.org: ") && said.ends_with("\nsent to 1 of 2\n"), "{said}");
    let stored = fs::read_dir(dir.path().join("ann/new")).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_to_string(stored).unwrap().ends_with("\r\nSubject: hello\r\n\r\nHello!\r\n"));
    server.stops();
}

#[test]
fn pop3_fetch() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp:{}", listener.local_addr().unwrap());
    // A server of one message.
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut lines, mut heard) = (BufReader::new(stream.try_clone().unwrap()).lines(), Vec::new());
        stream.write_all(b"+OK\r\n").unwrap();
        for answer in
            ["-ERR", "+OK", "+OK", "-ERR", "+OK\r\n1 a.b\r\n.", "+OK\r\nhello\r\n...\r\n.", "+OK", "+OK"]
        {
            heard.push(lines.next().unwrap().unwrap());
            stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
        }
        heard
    });
    let dir = tempfile::tempdir().unwrap();
    let example = Example::start_in(dir.path(), "pop3_fetch", &[&to, "ann", "secret"]);
    assert_eq!(example.says(), "a.b: 11 bytes");
    example.ends();
    let heard = server.join().unwrap();
    assert_eq!(heard[1..3], ["USER ann", "PASS secret"]);
    assert_eq!(heard[4..], ["UIDL", "RETR 1", "DELE 1", "QUIT"]);
    assert_eq!(fs::read(dir.path().join("a.b.eml")).unwrap(), b"hello\r\n..\r\n");
}

#[test]
fn both() {
    let example = Example::start("both", &[ANY, ANY]);
    let (lines, web) = (example.address(), example.address());
    assert_eq!(Client::ask(lines, "first\nsecond\n"), "noted\nnoted\n");
    assert!(get(&web, "/").ends_with("\r\n\r\nsecond\n"));
    example.stops();
}

#[test]
fn upgrade() {
    let (example, address) = Example::server("upgrade");
    assert!(get(&address, "/").starts_with("HTTP/1.1 426 "));
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n";
    let answer = Client::ask(&address, format!("{head}hello\r\n"));
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.ends_with("\r\n\r\nHELLO\r\n"), "{answer}");
    example.stops();
}

#[test]
fn timers() {
    let (example, address) = Example::server("timers");
    let mut client = Client::connect(address);
    client.send("cancel\nset 3600000\nset 7200000\nmove 1\n");
    assert_eq!(client.line(), "no: set N, or move N or cancel after that\n");
    assert_eq!(client.line(), "ring\n");
    client.send("move 1\nset 3600000\ncancel\nmove 1\n");
    client.finish();
    assert_eq!(client.rest(), "no: set N, or move N or cancel after that\n".repeat(2));
    example.stops();
}

#[test]
fn stop() {
    let (example, address) = Example::server("stop");
    let [mut idle, mut busy] = [(); 2].map(|()| Client::connect(&address));
    busy.send("hello\nbegin\nfirst\n");
    assert_eq!(busy.line(), "no: begin, at most 100 lines, end\n");
    example.stop();
    assert_eq!(idle.rest(), "");
    drop(idle);
    busy.send("second\nend\nbegin\n");
    assert_eq!(busy.rest(), "2 lines\nno: begin, at most 100 lines, end\n");
    drop(busy);
    example.ends();
}

#[test]
fn idle() {
    let example = Example::start("idle", &[ANY, "0.5"]);
    let mut client = Client::connect(example.address());
    assert_eq!(client.rest(), "I wait for 500ms\nIdle: bye\n");
    drop(client);
    example.stops();
}

#[test]
fn throttled() {
    let (example, address) = Example::server("throttled");
    let (text, start) = ("x".repeat(3000), Instant::now());
    assert_eq!(Client::ask(address, text.as_bytes()), text);
    assert!(
        start.elapsed() >= Duration::from_millis(900),
        "a thousand bytes at once, two thousand in a second"
    );
    assert!(example.says().contains(" <-> ") && example.says().contains(" <- "));
    example.stops();
}

#[test]
fn remote() {
    let (example, address) = Example::server("remote");
    let mut client = Client::connect(address);
    client.send("91\n97\n");
    assert_eq!([client.line(), client.line()], ["7\n", "97\n"]);
    drop(client);
    example.stops();
}

#[test]
fn cores() {
    let (example, address) = Example::server("cores");
    let mut clients = [(); 8].map(|()| Client::connect(&address));
    for client in &mut clients {
        assert!(client.line().starts_with("loop "));
    }
    clients[0].send("hello\n");
    assert!(clients.iter_mut().all(|client| client.line() == "hello\n"));
    drop(clients);
    example.stops();
}

#[test]
fn ping() {
    let example = Example::start("ping", &[]);
    for n in 1..=3 {
        assert!(example.says().starts_with(&format!("[{n}] from 127.0.0.1:")));
    }
    example.ends();
}

#[test]
fn multicast() {
    // Others on this machine may be in the group as well.
    let members = ["ann", "bob"].map(|name| Example::start("multicast", &[name]));
    for member in &members {
        let mut heard = std::iter::repeat_with(|| member.says());
        assert!(heard.any(|line| line == "bob is here") && heard.any(|line| line == "ann is here"));
    }
    members.into_iter().for_each(Example::stops);
}

#[test]
fn syslog() {
    let path = std::env::temp_dir().join(format!("trenza-syslog-{}.sock", std::process::id()));
    let example = Example::start("syslog", &[&format!("unix-datagram:{}:mode=600", path.display())]);
    assert_eq!(example.says(), format!("listening on {}", path.display()));
    let logger = std::os::unix::net::UnixDatagram::unbound().unwrap();
    for text in ["<19>no space left\n", "bare", "<x>odd\u{7}", "<999>large", ""] {
        logger.send_to(text.as_bytes(), &path).unwrap();
    }
    let said = [(); 5].map(|()| example.says());
    let lines = [
        "2.err: no space left",
        "1.notice: bare",
        "1.notice: <x>odd\\u{7}",
        "1.notice: <999>large",
        "1.notice: ",
    ];
    assert_eq!(said, lines);
    example.stops();
    assert!(!path.exists());
}

#[test]
fn starttls() {
    answers(
        "starttls",
        &[
            (b"hello\r\n", "you said hello\r\n"),
            (b"a\r\nSWAP\r\nHeLLo\r\n", "you said a\r\nyou said SWAP\r\nYOU SAID HeLLo\r\n"),
        ],
    );
}

/// A whole answer to a GET.
fn get(address: &str, path: &str) -> String {
    Client::ask(address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
}

#[test]
fn forward() {
    let (target, to) = Example::server("echo");
    let example = Example::start("forward", &[ANY, &format!("tcp:{to}")]);
    let address = example.address();
    assert_eq!(Client::ask(&address, b"hello"), "hello");
    assert_eq!(example.says(), "5 bytes there, 5 back");
    target.stops();
    example.stops();
}

#[test]
fn socks() {
    let (example, address) = Example::server("socks");
    assert_eq!(Client::ask(&address, b"\x05\x01\x02\x01\x03ann\x05wrong"), "\x05\x02\x01\x01");
    example.stops();
}

#[test]
fn through() {
    let ((target, to), (proxy, via)) = (Example::server("echo"), Example::server("socks"));
    let port = to.rsplit(':').next().expect("a port");
    let to = format!("socks5:{via}:user=ann:password=secret:tcp:localhost:{port}");
    assert_eq!(Example::start("through", &[&to]).says(), "hello through a proxy");
    proxy.stops();
    target.stops();
}
