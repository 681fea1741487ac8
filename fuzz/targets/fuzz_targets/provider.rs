#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hook_fuzz::provider::holds(data));
