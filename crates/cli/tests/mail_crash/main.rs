//! `trenza mail serve` that is killed, and that is asked for too much: what was answered 250 comes to its end, and memory is
//! bounded.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "this is the outside world"
)]

#[cfg(target_os = "linux")]
mod bounds;
mod session;

use session::Session;
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::{TempDir, tempdir};
use trenza_tests::{PATIENCE, Program};

const TRENZA: &str = env!("CARGO_BIN_EXE_trenza");
const PORT: &str = "tcp:0:interface=127.0.0.1";
/// How often it is killed, after how many messages, which come over so many sessions.
const KILLS: usize = 5;
const MESSAGES: usize = 60;
const SESSIONS: usize = 6;

/// A folder `mail`, and beside it `users.toml` with ann, whose password is `secret`.
fn place() -> TempDir {
    let place = tempdir().unwrap();
    fs::create_dir(place.path().join("mail")).unwrap();
    let mut add = Command::new(TRENZA);
    add.args(["user", "add", "ann", "--password-stdin"]).current_dir(place.path());
    let mut add = add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    add.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    assert!(add.wait().unwrap().success());
    place
}

/// A server of a domain in a place, and where it is.
fn serve(place: &Path, domain: &str, options: &[&str]) -> (Program, String) {
    let shown = |name: &str| place.join(name).display().to_string();
    let fixed = [
        "mail".into(),
        "serve".into(),
        "--quiet".into(),
        "--check=off".into(),
        "--max-messages-per-minute=1000000".into(),
        format!("--domain={domain}"),
        format!("--maildir={}", shown("mail")),
        format!("--users={}", shown("users.toml")),
    ];
    let arguments = fixed.into_iter().chain(options.iter().map(|option| option.replace("{}", &shown(""))));
    let mut program = Program::start(Path::new(TRENZA), arguments);
    let url = program.hear_url("smtp://");
    (program, url)
}

/// The message of a number, which ends with it.
fn text(number: usize) -> String {
    format!("Subject: {number}\r\n\r\n{}end of {number}\r\n", "a line of it\r\n".repeat(number % 400))
}

/// Where it goes: to somebody here, or to others.
fn to(number: usize) -> &'static str {
    if number.is_multiple_of(3) { "ann@example.org" } else { "ann@example.net" }
}

/// Sends messages until the server is gone, and notes which were answered 250.
fn stream(url: &str, next: &AtomicUsize, answered: &Mutex<BTreeSet<usize>>) {
    let Ok(mut session) = Session::connect(url) else { return };
    if session.login().is_err() {
        return;
    }
    loop {
        let number = next.fetch_add(1, SeqCst);
        if session.send(to(number), &text(number), number.is_multiple_of(2)).is_err() {
            return;
        }
        answered.lock().unwrap().insert(number);
    }
}

/// The numbers of the messages that ann has got, each of which is whole.
fn got(place: &Path) -> BTreeSet<usize> {
    let new = fs::read_dir(place.join("mail/ann/new")).unwrap();
    let number = |stored: String| {
        let (_, rest) = stored.rsplit_once("end of ").expect("it is whole");
        let number = rest.trim_end().parse().unwrap();
        assert!(stored.ends_with(&text(number)), "message {number} is another one");
        number
    };
    new.map(|file| number(fs::read_to_string(file.unwrap().path()).unwrap())).collect()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn killed_in_a_stream_of_messages_it_loses_none_that_was_answered() {
    let (here, there) = (place(), place());
    let (_others, others) = serve(there.path(), "example.net", &[&format!("--smtp={PORT}")]);
    let route = format!("--route=example.net=tcp:{}", others.trim_start_matches("smtp://"));
    let start = || {
        let submission = format!("--submission={PORT}");
        serve(here.path(), "example.org", &[&submission, "--allow-plain-auth", "--queue={}queue", &route])
    };
    let (next, answered) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    for kill in 1..=KILLS {
        let (program, url) = start();
        thread::scope(|scope| {
            for _ in 0..SESSIONS {
                scope.spawn(|| stream(&url, &next, &answered));
            }
            until("too few messages are answered", || answered.lock().unwrap().len() >= kill * MESSAGES);
            program.signal("KILL");
        });
    }
    let (program, _) = start();
    let queue = here.path().join("queue/messages");
    until("something stays in the queue", || fs::read_dir(&queue).unwrap().count() == 0);
    let (ours, theirs) = (got(here.path()), got(there.path()));
    let (answered, next) = (answered.into_inner().unwrap(), next.into_inner());
    let lost: Vec<&usize> = answered.difference(&ours).filter(|number| !theirs.contains(number)).collect();
    assert!(lost.is_empty(), "{lost:?} of {} messages are lost", answered.len());
    assert!(ours.iter().all(|number| *number < next && number.is_multiple_of(3)));
    assert!(theirs.iter().all(|number| *number < next && !number.is_multiple_of(3)));
    program.signal("TERM");
    assert!(program.end().0.success());
}
