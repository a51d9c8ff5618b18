//! Replays the fuzzers' corpora on the stable compiler.

#[path = "../../../fuzz/src/smtp.rs"]
mod checks;
#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;

fn replay(target: &str, check: fn(&[u8])) {
    corpus::replay(target, 25, 64, b"\0 \n\r.-0<\"\xff", check);
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
