//! Emscripten calls, with those of WASI that its modules import, with arbitrary arguments and memory.

use stratafs_abi::Function;

/// Runs the calls that `data` says.
pub fn run(data: &[u8]) {
    let of_wasi = stratafs_wasi::FUNCTIONS.iter().filter(|f| f.about.name.starts_with("fd_"));
    let functions: Vec<&'static Function> =
        stratafs_emscripten::FUNCTIONS.iter().chain(stratafs_emscripten::SPLIT_FUNCTIONS).chain(of_wasi).collect();
    crate::calls::run(data, &functions);
}
