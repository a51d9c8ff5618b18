#![no_main]
#[path = "../src/ftp_session.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::ftp_session(data));
