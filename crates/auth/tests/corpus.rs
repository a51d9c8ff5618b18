//! Replays the fuzzer's corpus on the stable compiler.

#[path = "../../../fuzz/src/accounts.rs"]
mod checks;

use std::{fs, path::Path};

/// Every file as it is, every beginning of it, and every byte as something else: a few files cover many more states.
#[test]
fn corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/accounts");
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let data = fs::read(entry.expect("it can be listed").path()).expect("it can be read");
        for end in 0..=data.len() {
            checks::accounts(data.get(..end).expect("it is within"));
        }
        for at in 0..data.len() {
            for wrong in *b"\0 \n:$,=\"[9\xff" {
                let mut torn = data.clone();
                *torn.get_mut(at).expect("it is within") = wrong;
                checks::accounts(&torn);
            }
        }
        count += 1;
    }
    assert!(count >= 20, "only {count} files");
}
