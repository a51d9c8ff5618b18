//! Replays the fuzzer's corpus of sessions on the stable compiler.

#[path = "../../../../fuzz/src/ftp_session.rs"]
mod checks;

use std::{fs, path::Path};

/// How many beginnings of a session are tried, and how many of its bytes are replaced.
const TORN: usize = 12;

#[test]
fn sessions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/ftp_session");
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let data = fs::read(entry.unwrap().path()).unwrap();
        checks::ftp_session(&data);
        for n in 0..TORN {
            let at = 1 + n * (data.len() - 1) / TORN;
            checks::ftp_session(&data[..at]);
            let mut torn = data.clone();
            torn[at] = b"\0 \n\r-0;\xffAX*/"[n];
            checks::ftp_session(&torn);
        }
        count += 1;
    }
    assert!(count >= 16, "only {count} files");
}
