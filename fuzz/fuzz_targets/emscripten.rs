//! Emscripten calls with arbitrary arguments and memory.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stratafs_fuzz::emscripten::run(data));
