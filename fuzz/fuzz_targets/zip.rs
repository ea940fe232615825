//! Archives: opened, listed, read.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stratafs_fuzz::zip::run(data));
