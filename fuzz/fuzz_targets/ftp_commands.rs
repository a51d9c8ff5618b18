#![no_main]
#[allow(dead_code)]
#[path = "../src/ftp.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::ftp_commands(data));
