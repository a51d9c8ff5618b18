#![no_main]
#[allow(dead_code)]
#[path = "../src/smtp_client.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::smtp_client(data));
