//! libFuzzer's way to `symbols`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcspec_fuzz::symbols(data));
