#![no_main]
#[allow(dead_code)]
#[path = "../src/mail_checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::mail_checks(data));
