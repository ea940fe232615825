//! stratafs beside its peers and the kernel: what calls cost, what guests cost, and what is aimed at.
#![forbid(unsafe_code)]

pub mod calls;
pub mod cpython;
pub mod curves;
pub mod floor;
pub mod goals;
pub mod guests;
pub mod machine;
pub mod micropython;
pub mod page;
pub mod peer;
pub mod probe;
pub mod sampler;
pub mod section;
pub mod startup;
pub mod strata;
pub mod table;
pub mod wasi;
