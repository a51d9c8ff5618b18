//! Many clients that ask for too much: memory is bounded, and nothing is left of them.

use super::{PORT, place, serve, session::Session, until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;

const SESSIONS: usize = 1000;
/// A session that waits costs less.
const IDLE_KIB: usize = 4;
/// What each has under way of a message when it hangs up.
const PART: usize = 100 * 1024;
/// So much more memory may be needed at most, for all together: 16 KiB each.
const MEMORY_KIB: usize = 16 * SESSIONS;

/// Sessions need descriptors, here too.
fn allow_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

#[test]
fn a_thousand_sessions_and_lines_of_10_mb_cost_bounded_memory() {
    allow_descriptors();
    let place = place();
    let many = ["", "-per-address"].map(|of| format!("--max-sessions{of}={}", SESSIONS + 10));
    let options = [&format!("--smtp={PORT}"), &*many[0], &*many[1], "--queue={}queue"];
    let (program, url) = serve(place.path(), "example.org", &options);
    Session::connect(&url).unwrap().send("ann@example.org", "x\r\n", false).unwrap();
    let before = program.memory_kib("VmRSS");
    let mut sessions: Vec<Session> = (0..SESSIONS).map(|_| Session::connect(&url).unwrap()).collect();
    let idle = program.memory_kib("VmRSS").saturating_sub(before);
    assert!(idle < IDLE_KIB * SESSIONS, "{idle} KiB for {SESSIONS} sessions that wait");

    let long = sessions.first_mut().unwrap();
    (0..10).for_each(|_| long.say(&[b'x'; 1 << 20]).unwrap());
    long.ask("", "500").unwrap();
    long.ask("NOOP", "250").unwrap();
    let after = program.memory_kib("VmHWM");
    assert!(after < before + MEMORY_KIB, "{before} KiB before, {after} after a line of 10 MB");

    for session in &mut sessions {
        session.ask("MAIL FROM:<x@example.com>", "250").unwrap();
        session.ask("RCPT TO:<ann@example.org>", "250").unwrap();
        session.ask("DATA", "354").unwrap();
    }
    // None of it ends, be it a line or many.
    let part = [[b'y'; PART / 2].as_slice(), &b".y\r\n".repeat(PART / 8)].concat();
    for session in &mut sessions {
        session.say(&part).unwrap();
    }
    drop(sessions);
    let folders = ["mail/ann/tmp", "queue/messages"].map(|name| place.path().join(name));
    let left = || folders.iter().map(|folder| fs::read_dir(folder).unwrap().count()).sum::<usize>();
    until("something is left of messages that did not end", || left() == 0);
    assert_eq!(fs::read_dir(place.path().join("mail/ann/new")).unwrap().count(), 1);
    let after = program.memory_kib("VmHWM");
    assert!(after < before + MEMORY_KIB, "{before} KiB before, {after} after {SESSIONS} messages");
    Session::connect(&url).unwrap().send("ann@example.org", "x\r\n", true).unwrap();
    program.signal("TERM");
    assert!(program.end().0.success());
}
