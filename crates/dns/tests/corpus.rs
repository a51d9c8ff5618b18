//! Replays the fuzzers' corpora on the stable compiler.

#[path = "../../../fuzz/src/dns.rs"]
mod checks;

use std::{fs, path::Path};

/// Every file as it is, every beginning of it, and every byte of it as something else: a few files cover many more
/// states.
fn replay(target: &str, least: usize, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let data = fs::read(entry.expect("it can be listed").path()).expect("it can be read");
        for end in 0..=data.len() {
            check(data.get(..end).expect("it is within"));
        }
        for at in 0..data.len().min(200) {
            for wrong in *b"\0\x01\x03\x05 \n.:#\\w\x3f\x40\x80\xc0\xff" {
                let mut torn = data.clone();
                *torn.get_mut(at).expect("it is within") = wrong;
                check(&torn);
            }
        }
        count += 1;
    }
    assert!(count >= least, "only {count} files");
}

#[test]
fn answers() {
    replay("dns_answer", 20, checks::dns_answer);
}

#[test]
fn files() {
    replay("dns_files", 6, checks::dns_files);
}
