//! libFuzzer's way to `golden`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcspec_fuzz::golden(data));
