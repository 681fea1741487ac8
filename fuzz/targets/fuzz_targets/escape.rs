#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hook_fuzz::escape::holds(data));
