//! `trenza mail serve` on a disk that is full: a file system of 2 MiB that only the program sees (`unshare --mount`).

use crate::program;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use trenza_tests::{PATIENCE, Program};

/// Makes the file system, and becomes the program.
const SCRIPT: &str = "mount -t tmpfs -o size=2m,mode=700 tmpfs \"$0\" && mkdir \"$0/mail\" && exec \"$@\"";
/// The lines of a message, of 25 bytes each.
const LINES: usize = 1000;
/// More than would fit.
const MESSAGES_MAX: usize = 200;

/// The server for example.org, whose mail and queue are on a disk of their own; what is for others goes to a port.
struct Cramped {
    disk: TempDir,
    _users: TempDir,
    program: Program,
    client: BufReader<TcpStream>,
}

impl Cramped {
    fn new(to: u16) -> Self {
        let (disk, users) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = users.path().join("users.toml").display().to_string();
        let mut add = Command::new(program());
        add.args(["user", "add", "ann", "--password-stdin", "--file", &file]);
        let mut add = add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        add.stdin.take().unwrap().write_all(b"secret\n").unwrap();
        assert!(add.wait().unwrap().success());
        let shown = disk.path().display().to_string();
        let trenza = program();
        let mut program = Program::start(
            Path::new("unshare"),
            [
                "--mount",
                "sh",
                "-c",
                SCRIPT,
                &shown,
                trenza.to_str().unwrap(),
                "mail",
                "serve",
                "--domain=example.org",
                "--submission=tcp:0:interface=127.0.0.1",
                "--allow-plain-auth",
                &format!("--maildir={shown}/mail"),
                &format!("--users={file}"),
                &format!("--queue={shown}/queue"),
                &format!("--route=*=tcp:127.0.0.1:{to}"),
            ],
        );
        let url = program.hear_url("smtp://");
        let stream = TcpStream::connect(url.trim_start_matches("smtp://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut cramped = Self { disk, _users: users, program, client: BufReader::new(stream) };
        assert_eq!(cramped.reply(), "220");
        assert_eq!(cramped.ask("EHLO x"), "250");
        assert_eq!(cramped.ask("AUTH PLAIN AGFubgBzZWNyZXQ="), "235");
        cramped
    }

    /// The code of a reply.
    fn reply(&mut self) -> String {
        let mut line = String::new();
        while line.get(3..4) != Some(" ") {
            line.clear();
            assert!(self.client.read_line(&mut line).unwrap() > 0, "it has hung up");
        }
        line.truncate(3);
        line
    }

    fn ask(&mut self, command: &str) -> String {
        self.client.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// The first code that refuses a message of ann's, or 250.
    fn send(&mut self, number: usize, to: &str) -> String {
        let commands =
            ["MAIL FROM:<ann@example.org>".to_owned(), format!("RCPT TO:<{to}>"), "DATA".to_owned()];
        for command in commands {
            let code = self.ask(&command);
            if !matches!(&*code, "250" | "354") {
                self.ask("RSET");
                return code;
            }
        }
        self.ask(&format!("{}.", text(number)))
    }

    /// A folder as the program sees it.
    fn inside(&self, name: &str) -> PathBuf {
        let shown = self.disk.path().display();
        format!("/proc/{}/root{shown}/{name}", self.program.id()).into()
    }
}

fn text(number: usize) -> String {
    let lines = "what fills a small disk\r\n".repeat(LINES);
    format!("Subject: {number}\r\n\r\n{lines}end of {number}\r\n")
}

/// The number of a message that is whole.
fn number(stored: &str) -> usize {
    let number = stored.rsplit_once("end of ").and_then(|(_, rest)| rest.trim_end().parse().ok());
    let number = number.expect("it is whole");
    assert!(stored.ends_with(&text(number)), "message {number} is another one");
    number
}

/// Takes what comes by a listener on which nobody was heard so far; the numbers of the messages.
fn take_all(listener: TcpListener) -> Arc<Mutex<BTreeSet<usize>>> {
    let taken = Arc::new(Mutex::new(BTreeSet::new()));
    let all = taken.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let taken = all.clone();
            // Whoever has connected and is gone meanwhile is no matter.
            thread::spawn(move || take(stream, &taken));
        }
    });
    taken
}

fn take(stream: TcpStream, taken: &Mutex<BTreeSet<usize>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"220 sink\r\n")?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line.starts_with("DATA") {
            stream.get_mut().write_all(b"354 go on\r\n")?;
            let mut message = String::new();
            while !message.ends_with("\r\n.\r\n") {
                if stream.read_line(&mut message)? == 0 {
                    return Ok(());
                }
            }
            taken.lock().unwrap().insert(number(message.strip_suffix(".\r\n").unwrap()));
        }
        let code: &[u8] = if line.starts_with("QUIT") { b"221 bye\r\n" } else { b"250 ok\r\n" };
        stream.get_mut().write_all(code)?;
    }
}

#[test]
fn a_full_disk_is_told_as_452_and_loses_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut cramped = Cramped::new(listener.local_addr().unwrap().port());
    let (mut ours, mut theirs, mut refused) = (BTreeSet::new(), BTreeSet::new(), [0, 0]);
    for number in 0..MESSAGES_MAX {
        let for_others = number % 2;
        let to = if for_others == 1 { "zoe@example.net" } else { "ann@example.org" };
        match &*cramped.send(number, to) {
            "250" if for_others == 1 => _ = theirs.insert(number),
            "250" => _ = ours.insert(number),
            code => {
                assert_eq!(code, "452", "message {number} for {to}");
                refused[for_others] += 1;
            }
        }
        if refused.iter().all(|times| *times >= 5) {
            break;
        }
    }
    assert!(refused.iter().all(|times| *times >= 5), "{refused:?} of {MESSAGES_MAX} messages were refused");
    assert!(!ours.is_empty() && !theirs.is_empty());
    let left = |name: &str| fs::read_dir(cramped.inside(name)).unwrap().count();
    assert_eq!(
        (left("mail/ann/tmp"), left("queue/messages")),
        (0, 2 * theirs.len()),
        "what was refused leaves nothing"
    );

    // When others take what is theirs there is room again.
    let taken = take_all(listener);
    let began = Instant::now();
    while fs::read_dir(cramped.inside("queue/messages")).unwrap().count() > 0 {
        assert!(began.elapsed() < PATIENCE, "something stays in the queue");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(*taken.lock().unwrap(), theirs);
    assert_eq!(cramped.send(MESSAGES_MAX, "ann@example.org"), "250");
    ours.insert(MESSAGES_MAX);
    let stored = fs::read_dir(cramped.inside("mail/ann/new")).unwrap();
    let stored: BTreeSet<usize> =
        stored.map(|file| number(&fs::read_to_string(file.unwrap().path()).unwrap())).collect();
    assert_eq!(stored, ours);
    cramped.program.signal("TERM");
    let (status, said) = cramped.program.end();
    assert!(status.success(), "{status}: {said}");
}
