//! Layer options of the command line.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stratafs_fuzz::layer_specs::run(data));
