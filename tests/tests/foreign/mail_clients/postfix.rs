//! Postfix's smtp-source, which sends much at once.

use super::{Served, ugly, with_lf};
use crate::run;
use std::process::Command;

/// It sends so many messages over so many connections at a time.
const MESSAGES: usize = 500;
const SESSIONS: usize = 20;

fn source(served: &Served, more: &[&str]) -> Command {
    let mut command = Command::new("smtp-source");
    let (messages, sessions) = (MESSAGES.to_string(), SESSIONS.to_string());
    command.args(["-m", &messages, "-s", &sessions, "-f", "x@example.com", "-t", "ann@example.org"]);
    command.args(more).arg(format!("127.0.0.1:{}", served.reception));
    command
}

#[test]
fn many_messages_at_once() {
    let served = Served::new();
    run(&mut source(&served, &["-l", "10000"]));
    assert_eq!(served.messages("ann").len(), MESSAGES);
    // All over connections that stay.
    run(&mut source(&served, &["-d"]));
    let messages = served.messages("ann");
    assert_eq!(messages.len(), 2 * MESSAGES);
    assert_eq!(messages.iter().filter(|message| message.len() >= 10_000).count(), MESSAGES);
}

#[test]
fn a_message_many_times() {
    let served = Served::new();
    let file = served.file("message", &with_lf(&ugly()));
    run(&mut source(&served, &["-F", &file]));
    let messages = served.messages("ann");
    assert_eq!(messages.len(), MESSAGES);
    // It ends each with an empty line.
    let sent = [&ugly()[..], b"\r\n"].concat();
    assert!(messages.iter().all(|message| *message == sent));
}
