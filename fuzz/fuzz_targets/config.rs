//! libFuzzer's way to `config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcspec_fuzz::config(data));
