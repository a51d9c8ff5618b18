//! Replays the fuzzers' corpus on the stable compiler.

use super::checks;
use std::{fs, path::Path};

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("it can be listed").path();
        let data = fs::read(&path).expect("it can be read");
        // Every prefix too: a few files cover many more states.
        for end in 0..=data.len() {
            check(&data[..end]);
        }
        count += 1;
    }
    assert!(count >= 8, "{target} has only {count} files");
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
