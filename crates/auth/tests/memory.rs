//! What hashing leaves behind, in a process of its own.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "these are the threads of a pool")]

use std::{fs, thread};
use trenza_auth::Verifier;

/// What the process has in memory, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn many_threads_that_have_hashed_hold_no_memory() {
    let stored = Verifier::argon2id(&"secret".into(), [7; 16]);
    let before = resident();
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| assert!(stored.fits(&"secret".into()) && !stored.fits(&"Secret".into())));
        }
    });
    let after = resident();
    assert!(after < before + (19 << 10), "{before} KiB before, {after} KiB after");
}
