//! The fuzzers' corpora, replayed on the stable compiler by tests of the crates.

use std::{fs, path::Path};

/// Gives `check` every file of a target as it is, every beginning of it, and the file with each of its first `torn` bytes as
/// each of `wrong`: a few files cover many more states. There are `least` files at least.
pub(crate) fn replay(target: &str, least: usize, torn: usize, wrong: &[u8], check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let data = fs::read(entry.expect("it can be listed").path()).expect("it can be read");
        for end in 0..=data.len() {
            check(data.get(..end).expect("it is within"));
        }
        for at in 0..data.len().min(torn) {
            for byte in wrong {
                let mut torn = data.clone();
                *torn.get_mut(at).expect("it is within") = *byte;
                check(&torn);
            }
        }
        count += 1;
    }
    assert!(count >= least, "{target} has only {count} files");
}
