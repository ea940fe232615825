//! WASI calls with arbitrary arguments and memory.

use stratafs_abi::Function;

/// Runs the calls that `data` says.
pub fn run(data: &[u8]) {
    let functions: Vec<&'static Function> = stratafs_wasi::FUNCTIONS.iter().collect();
    crate::calls::run(data, &functions);
}
