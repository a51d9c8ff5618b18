//! Replays the fuzzer's corpus of checks on the stable compiler.

#[path = "../../../fuzz/src/mail_checks.rs"]
mod checks;

use std::{fs, path::Path};

/// Every file as it is, every seventh beginning of it, and many of its bytes as something else.
#[test]
fn checks_of_mail() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/mail_checks");
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let data = fs::read(entry.expect("it can be listed").path()).expect("it can be read");
        checks::mail_checks(&data);
        for end in (0..data.len()).step_by(7) {
            checks::mail_checks(data.get(..end).expect("it is within"));
        }
        for at in (0..data.len().min(400)).step_by(3) {
            for wrong in *b"\0\r\n ;=%{}/:\xff" {
                let mut torn = data.clone();
                *torn.get_mut(at).expect("it is within") = wrong;
                checks::mail_checks(&torn);
            }
        }
        count += 1;
    }
    assert!(count >= 20, "only {count} files");
}
