//! libFuzzer's way to `isolation`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcspec_fuzz::isolation(data));
