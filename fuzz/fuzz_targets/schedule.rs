//! libFuzzer's way to `schedule`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcspec_fuzz::schedule(data));
