#![no_main]
#[allow(dead_code)]
#[path = "../src/pop3.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::pop3_replies(data));
