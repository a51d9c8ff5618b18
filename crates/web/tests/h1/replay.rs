//! Replays the fuzzers' corpus on the stable compiler.

use super::checks;

#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;

fn replay(target: &str, check: fn(&[u8])) {
    corpus::replay(target, 8, 0, b"", check);
}

#[test]
fn requests() {
    replay("h1_request", checks::h1_request);
}

#[test]
fn split_anywhere() {
    replay("h1_split_anywhere", checks::h1_split_anywhere);
}

#[test]
fn chunked() {
    replay("chunked", checks::chunked);
}
