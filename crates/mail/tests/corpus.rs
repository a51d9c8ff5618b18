//! Replays the fuzzers' corpora on the stable compiler.

#[path = "../../../fuzz/src/smtp.rs"]
mod checks;
#[path = "../../../fuzz/src/queue.rs"]
mod queue_checks;

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
    replay("smtp_commands", checks::smtp_commands);
}

#[test]
fn replies() {
    replay("smtp_replies", checks::smtp_replies);
}

#[test]
fn data() {
    replay("smtp_data", checks::smtp_data);
}

#[test]
fn records_of_the_queue() {
    replay("queue_record", queue_checks::queue_record);
}
