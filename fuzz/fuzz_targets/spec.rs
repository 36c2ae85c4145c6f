//! libFuzzer's way to `spec`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcspec_fuzz::spec(data));
