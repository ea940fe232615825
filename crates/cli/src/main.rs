//! The `stratafs` command: runs WebAssembly guests, CPython first, on a tree of layers.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    stratafs_cli::main()
}
