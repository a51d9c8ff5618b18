#![no_main]
#[path = "../src/proxies.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::proxies(data));
