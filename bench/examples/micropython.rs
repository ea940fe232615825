//! Prints the rows of MicroPython's loops alone.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match stratafs_bench::micropython::rows() {
        Ok(rows) => {
            rows.iter().for_each(|(label, nanos)| println!("{:>10.1} ms  {label}", nanos / 1e6));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
