//! What `trenza mail serve` answers 250 to is on the medium before: the message, its names, and the folders that lead to them.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;
use trenza_tests::{PATIENCE, Program};

const TRACED: &str =
    "--trace=write,pwrite64,fsync,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,sendto,sendmsg,writev";
/// What is done to keep a message, before its 250.
pub(super) const SYNCED: &str = "fsync(";

/// A system call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) text: String,
    /// The lines of the log in which it begins, and in which it has returned.
    pub(super) begun: usize,
    pub(super) returned: usize,
}

impl Call {
    fn is(&self, parts: &[&str]) -> bool {
        parts.iter().all(|part| self.text.contains(part)) && !self.text.contains(" = -1 ")
    }
}

/// The calls of a log, those that others came between put together again.
fn calls(log: &str) -> Vec<Call> {
    let (mut calls, mut open) = (Vec::<Call>::new(), Vec::<(String, usize)>::new());
    for (number, line) in log.lines().enumerate() {
        let (thread, text) = line.trim_start().split_once(' ').unwrap_or_default();
        let text = text.trim_start();
        if let Some((_, rest)) = text.strip_prefix("<... ").and_then(|text| text.split_once(" resumed>")) {
            let at = open.iter().rposition(|(other, _)| other == thread).expect("it was begun");
            let (_, at) = open.remove(at);
            let call = calls.get_mut(at).expect("it is there");
            call.text += rest;
            call.returned = number;
            continue;
        }
        let begun = text.strip_suffix(" <unfinished ...>");
        if begun.is_some() {
            open.push((thread.to_owned(), calls.len()));
        }
        let returned = if begun.is_some() { usize::MAX } else { number };
        calls.push(Call { text: begun.unwrap_or(text).to_owned(), begun: number, returned });
    }
    calls
}

/// Nobody answers questions there.
const MUTE: &str = "127.0.0.1:1";

/// The server under strace, with the accounts ann, bob and carl.
pub(super) struct Traced {
    place: TempDir,
    program: Program,
    client: BufReader<TcpStream>,
}

impl Traced {
    /// Its client is elsewhere, as far as it knows, where what comes is to be checked.
    /// With its calls looked at from the start on.
    pub(super) fn new(checked: bool) -> Self {
        Self::start(checked, true)
    }

    pub(super) fn start(checked: bool, from_start: bool) -> Self {
        let place = tempfile::tempdir().unwrap();
        let shown = |name: &str| place.path().join(name).display().to_string();
        fs::create_dir(place.path().join("mail")).unwrap();
        let aliases = "team: ann, bob, carl\naway: zoe@example.net\nboth: ann, zoe@example.net\n";
        fs::write(place.path().join("aliases"), aliases).unwrap();
        for name in ["ann", "bob", "carl"] {
            let mut add = Command::new(crate::program());
            add.args(["user", "add", name, "--password-stdin", "--file", &shown("users.toml")]);
            let mut add = add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            add.stdin.take().unwrap().write_all(b"secret\n").unwrap();
            assert!(add.wait().unwrap().success());
        }
        let output = format!("--output={}", shown("log"));
        let strace = [
            "strace",
            "--daemonize",
            "--follow-forks",
            "--string-limit=4000",
            TRACED,
            "--decode-fds=path",
            &output,
        ];
        let mut arguments = vec!["TRENZA_DRIVER=poll".to_owned()];
        arguments.extend(strace.into_iter().filter(|_| from_start).map(str::to_owned));
        arguments.extend([
            crate::program().display().to_string(),
            "mail".to_owned(),
            "serve".to_owned(),
            "--domain=example.org".to_owned(),
            format!("--smtp={}tcp:0:interface=127.0.0.1", if checked { "haproxy:" } else { "" }),
            format!("--resolver={MUTE}"),
            format!("--maildir={}", shown("mail")),
            format!("--users={}", shown("users.toml")),
            format!("--aliases={}", shown("aliases")),
            format!("--queue={}", shown("var/queue")),
            format!("--route=*=tcp:{MUTE}"),
        ]);
        let mut program = Program::start(Path::new("env"), arguments);
        let url = program.hear_url("smtp://");
        let stream = TcpStream::connect(url.trim_start_matches("smtp://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut traced = Self { place, program, client: BufReader::new(stream) };
        if checked {
            traced.client.get_mut().write_all(b"PROXY TCP4 192.0.2.1 127.0.0.1 1000 25\r\n").unwrap();
        }
        traced.reply("220 ");
        traced.ask("EHLO x", "250 ");
        traced
    }

    fn reply(&mut self, code: &str) {
        let mut line = String::new();
        while line.get(3..4) != Some(" ") {
            line.clear();
            assert!(self.client.read_line(&mut line).unwrap() > 0, "it has hung up");
        }
        assert!(line.starts_with(code), "{line:?} instead of {code}");
    }

    fn ask(&mut self, command: &str, code: &str) {
        self.client.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.reply(code);
    }

    /// The `n`th sync of each thread from now on fails for want of room, until what is given is dropped. The syncs of a message
    /// are those of one thread.
    pub(super) fn fail_sync(&self, n: usize) -> Program {
        let inject = format!("--inject=fsync:error=ENOSPC:when={n}");
        let attach = format!("--attach={}", self.program.id());
        let mut strace = Program::start(Path::new("strace"), ["-f", "--trace=fsync", &inject, &attach]);
        strace.hear("attached");
        strace
    }

    /// What is in a folder of its place.
    pub(super) fn count(&self, folder: &str) -> usize {
        fs::read_dir(self.place.path().join(folder)).unwrap().count()
    }

    /// A message with this word to somebody, by DATA, that is answered with this code.
    pub(super) fn offer(&mut self, word: &str, to: &str, code: &str) {
        self.ask("MAIL FROM:<x@example.com>", "250 ");
        self.ask(&format!("RCPT TO:<{to}@example.org>"), "250 ");
        self.ask("DATA", "354 ");
        self.ask(&format!("{word}\r\n."), code);
    }

    /// A message with this word to these, by DATA or BDAT.
    pub(super) fn send(&mut self, word: &str, to: &[&str], chunks: bool) {
        self.ask("MAIL FROM:<x@example.com>", "250 ");
        for to in to {
            self.ask(&format!("RCPT TO:<{to}@example.org>"), "250 ");
        }
        if chunks {
            let chunk = format!("{word}\r\n");
            self.client
                .get_mut()
                .write_all(format!("BDAT {} LAST\r\n{chunk}", chunk.len()).as_bytes())
                .unwrap();
            return self.reply("250 2.0.0 Taken");
        }
        self.ask("DATA", "354 ");
        self.ask(&format!("{word}\r\n."), "250 2.0.0 Taken");
    }

    /// Ends it, and gives its calls and the folder of its Maildirs.
    pub(super) fn calls(self) -> (TempDir, Vec<Call>) {
        self.program.signal("TERM");
        let (status, said) = self.program.end();
        assert!(status.success(), "{status}: {said}");
        let log = fs::read_to_string(self.place.path().join("log")).unwrap();
        (self.place, calls(&log))
    }
}

/// The first of the calls that is all of this and begins behind a line.
#[track_caller]
pub(super) fn find<'a>(calls: &'a [Call], behind: usize, parts: &[&str]) -> &'a Call {
    let found = calls.iter().find(|call| call.begun > behind && call.is(parts));
    found.unwrap_or_else(|| {
        let shown: Vec<&str> =
            calls.iter().filter(|call| call.begun > behind).map(|call| &*call.text).collect();
        panic!("there is no {parts:?} in\n{}", shown.join("\n"))
    })
}

/// One of these calls, whichever the server makes, behind a line.
#[track_caller]
pub(super) fn named<'a>(calls: &'a [Call], behind: usize, parts: &[&str]) -> &'a Call {
    let is_named = |call: &&Call| {
        call.begun > behind
            && (call.text.starts_with("rename") || call.text.starts_with("link"))
            && call.is(parts)
    };
    calls.iter().find(is_named).unwrap_or_else(|| panic!("nothing is named {parts:?}"))
}

#[test]
fn what_is_answered_250_was_synced_before() {
    synced_before(false);
}

/// What waits to be checked need not be synced; what it becomes must be, before its 250 as always.
#[test]
fn what_was_checked_was_synced_before() {
    synced_before(true);
}

fn synced_before(checked: bool) {
    let mut traced = Traced::new(checked);
    let messages = [
        ("word-1", &["ann"][..], &["ann"][..], false),
        ("word-2", &["ann"], &["ann"], true),
        ("word-3", &["bob", "ann"], &["bob", "ann"], false),
        ("word-4", &["team"], &["ann", "bob", "carl"], false),
        ("word-5", &["carl", "team"], &["carl", "ann", "bob"], true),
    ];
    for (word, to, _, chunks) in messages {
        traced.send(word, to, chunks);
    }
    let (place, mut calls) = traced.calls();
    let all = calls.len();
    calls.retain(|call| !call.text.contains("/mail/.waiting"));
    assert_eq!(all > calls.len(), checked, "whether messages have waited");
    let root = place.path().join("mail").display().to_string();
    let mut behind = 0;
    for (word, _, maildirs, _) in messages {
        // The bytes, and the file that they are in.
        let written = find(&calls, behind, &["write", "/tmp/", word]);
        let (_, path) = written.text.split_once('<').expect("the descriptor has a path");
        let (path, _) = path.split_once('>').expect("it ends");
        let answered = find(&calls, written.returned, &["send", "250 2.0.0 Taken as "]);
        let synced = find(&calls, written.returned, &[SYNCED, path]);
        assert!(
            synced.returned < answered.begun,
            "{word}: the file is synced too late: {synced:?}, {answered:?}"
        );
        for maildir in maildirs {
            let new = format!("<{root}/{maildir}/new>");
            let name = named(&calls, synced.returned, &[&new, ",S="]);
            let synced = find(&calls, name.returned, &[SYNCED, &format!("{new})")]);
            assert!(
                synced.returned < answered.begun,
                "{word}: {new} is synced too late: {synced:?}, {answered:?}"
            );
        }
        behind = answered.begun;
    }
    // A Maildir is made once, and the folders that lead to it are synced before anything in it is promised.
    for (maildir, word) in [("ann", "word-1"), ("bob", "word-3"), ("carl", "word-4")] {
        let written = find(&calls, 0, &["write", "/tmp/", word]);
        let made = find(&calls, 0, &["mkdirat(", &format!("<{root}/{maildir}>"), "\"new\""]);
        let own = find(&calls, made.returned, &[SYNCED, &format!("<{root}/{maildir}>)")]);
        let above = find(&calls, 0, &["mkdirat(", &format!("\"{maildir}\"")]);
        let root_synced = find(&calls, above.returned, &[SYNCED, &format!("<{root}>)")]);
        let answered = find(&calls, written.returned, &["send", "250 2.0.0 Taken as "]);
        assert!(own.returned < answered.begun && root_synced.returned < answered.begun, "{maildir}");
    }
}

#[test]
fn calls_that_others_come_between_are_put_together() {
    let log = "1 fsync(3</a> <unfinished ...>\n2 write(4</b>, \"x\", 1) = 1\n2 fsync(4</b> <unfinished ...>\n\
               1 <... fsync resumed>) = 0\n2 <... fsync resumed>) = -1 EIO (Input/output error)\n";
    let calls = calls(log);
    assert_eq!(
        calls.iter().map(|call| (call.begun, call.returned)).collect::<Vec<_>>(),
        [(0, 3), (1, 1), (2, 4)]
    );
    assert!(calls[0].is(&[SYNCED, "</a>)"]) && !calls[2].is(&[SYNCED]));
}
