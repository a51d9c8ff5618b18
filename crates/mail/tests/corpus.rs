//! Replays the fuzzers' corpora on the stable compiler.

#[path = "../../../fuzz/src/pop3.rs"]
mod pop3;
#[path = "../../../fuzz/src/smtp.rs"]
mod smtp;

use std::{fs, path::Path};

/// Every file as it is, every beginning of it, and every byte of its beginning as something else: a few files cover many
/// more states.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let data = fs::read(entry.expect("it can be listed").path()).expect("it can be read");
        for end in 0..=data.len() {
            check(data.get(..end).expect("it is within"));
        }
        for at in 0..data.len().min(64) {
            for wrong in *b"\0 \n\r.-0<\"\xff" {
                let mut torn = data.clone();
                *torn.get_mut(at).expect("it is within") = wrong;
                check(&torn);
            }
        }
        count += 1;
    }
    assert!(count >= 25, "only {count} files");
}

#[test]
fn commands() {
    replay("smtp_commands", smtp::smtp_commands);
}

#[test]
fn replies() {
    replay("smtp_replies", smtp::smtp_replies);
}

#[test]
fn data() {
    replay("smtp_data", smtp::smtp_data);
}

#[test]
fn pop3_commands() {
    replay("pop3_commands", pop3::pop3_commands);
}

#[test]
fn pop3_replies() {
    replay("pop3_replies", pop3::pop3_replies);
}

#[test]
fn pop3_text() {
    replay("pop3_text", pop3::pop3_text);
}
