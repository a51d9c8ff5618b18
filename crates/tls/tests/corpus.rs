//! Replays the fuzzer's corpus of TLS on the stable compiler.

#[path = "../../../fuzz/src/tls.rs"]
mod checks;

use std::{fs, path::Path};

/// The files whose name begins so, each without the byte that says what it is.
fn files(kind: &str, least: usize) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/tls");
    let paths = fs::read_dir(&folder).expect("the corpus is there");
    let paths = paths.map(|entry| entry.expect("it can be listed").path());
    let own =
        paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(kind)));
    let files: Vec<_> = own.map(|path| fs::read(path).expect("it can be read").split_off(1)).collect();
    assert!(files.len() >= least, "only {} files", files.len());
    files
}

#[test]
fn peers() {
    let sent = |size: u8, message: &[u8]| checks::tls(&[&[size], message].concat());
    for message in files("peer_", 30) {
        for size in [2, 5, 6, 64] {
            sent(size, &message);
        }
        // Each byte of the beginning as something else: a few files cover many more states.
        for at in 0..message.len().min(80) {
            for wrong in [0, 1, 20, 21, 22, 23, 0x7f, 0xff] {
                let mut torn = message.clone();
                torn[at] = wrong;
                sent(7, &torn);
            }
        }
    }
}

#[test]
fn sessions() {
    let held = |steps: &[u8]| checks::tls(&[&[0], steps].concat());
    for steps in files("session_", 25) {
        // Every beginning, and every step as another one.
        for end in (0..=steps.len()).step_by(2) {
            held(&steps[..end]);
        }
        for at in (0..steps.len()).step_by(2) {
            for what in 0..12 {
                let mut other = steps.clone();
                other[at] = what;
                held(&other);
            }
        }
    }
}
