//! See `harness::TARGETS`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::progress::counted("capi", data));
