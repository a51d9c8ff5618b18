//! Replays the fuzzer's corpus of the PROXY protocol on the stable compiler.

#[path = "../../../fuzz/src/proxy_header.rs"]
mod checks;

use std::{fs, path::Path};

#[test]
fn corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/proxy_header");
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let data = fs::read(entry.expect("it can be listed").path()).expect("it can be read");
        checks::proxy_header(&data);
        // Every byte of the beginning as something else: a few files cover many more states.
        for at in 0..data.len().min(64) {
            for wrong in [0, 1, b' ', b'\n', 0x20, 0x21, 0x31, 0xff] {
                let mut torn = data.clone();
                torn[at] = wrong;
                checks::proxy_header(&torn[..torn.len().min(512)]);
            }
        }
        count += 1;
    }
    assert!(count >= 25, "only {count} files");
}
