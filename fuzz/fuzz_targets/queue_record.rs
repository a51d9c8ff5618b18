#![no_main]
#[allow(dead_code)]
#[path = "../src/queue.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::queue_record(data));
