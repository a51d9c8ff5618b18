#![no_main]
#[path = "../src/tls.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::tls(data));
