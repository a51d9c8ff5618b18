//! Replays the fuzzers' corpora on the stable compiler.

#[path = "../../../fuzz/src/ftp.rs"]
mod checks;
#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;

fn replay(target: &str, check: fn(&[u8])) {
    corpus::replay(target, 25, 64, b"\0 \n\r-0;\xff", check);
}

#[test]
fn commands() {
    replay("ftp_commands", checks::ftp_commands);
}

#[test]
fn replies() {
    replay("ftp_replies", checks::ftp_replies);
}

#[test]
fn listing() {
    replay("ftp_listing", checks::ftp_listing);
}
