#![no_main]
#[allow(dead_code)]
#[path = "../src/dns.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::dns_answer(data));
