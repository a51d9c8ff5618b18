#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::h1_split_anywhere(data));
