//! Operations on an overlay against a flat tree.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stratafs_fuzz::overlay::run(data));
