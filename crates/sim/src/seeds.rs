//! [`for_seeds`]: one test, many seeds.

use std::ops::Range;

/// The environment variable that replays one seed.
const REPLAY: &str = "TRENZA_SEED";

/// Runs `test` with each seed. If it panics, the failing seed is printed as the command that replays it: with
/// the environment variable `TRENZA_SEED` set, only that seed is run.
///
/// # Panics
/// `TRENZA_SEED` is not a number, or `test` panics.
pub fn for_seeds(seeds: Range<u64>, mut test: impl FnMut(u64)) {
    if let Ok(seed) = std::env::var(REPLAY) {
        return test(seed.parse().expect("TRENZA_SEED is a number"));
    }
    for seed in seeds {
        let announce = Announce(seed);
        test(seed);
        drop(announce);
    }
}

/// Names its seed when a panic drops it.
struct Announce(u64);

impl Drop for Announce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            let package = std::env::var("CARGO_PKG_NAME").unwrap_or_else(|_| "trenza-sim".to_owned());
            let test = thread.name().unwrap_or_default();
            eprintln!("failing seed: {}; replay: {REPLAY}={} cargo test -p {package} {test}", self.0, self.0);
        }
    }
}
