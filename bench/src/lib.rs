//! One guest program, `fixtures/bench/bench.c`, on stratafs, on its peers and on the kernel.
#![forbid(unsafe_code)]

pub mod goals;
pub mod hosts;
pub mod machine;
pub mod startup;
pub mod strata;
pub mod table;
pub mod wasi;
