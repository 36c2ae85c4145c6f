//! libFuzzer's way to `like`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcspec_fuzz::like(data));
