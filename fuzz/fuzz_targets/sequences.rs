//! Sequences of calls against a simple model.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stratafs_fuzz::sequences::run(data));
