//! Replays the fuzzer's corpus of the proxies on the stable compiler.

#[path = "../../../fuzz/src/proxies.rs"]
mod checks;

use std::{fs, path::Path};

#[test]
fn corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/proxies");
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let data = fs::read(entry.expect("it can be listed").path()).expect("it can be read");
        // Every prefix, and cut in every size: a few files cover many more states.
        for end in 0..=data.len() {
            checks::proxies(&data[..end]);
        }
        for size in 1..=32 {
            let message = data.get(1..).unwrap_or_default();
            checks::proxies(&[&[size], message].concat());
        }
        count += 1;
    }
    assert!(count >= 40, "only {count} files");
}
