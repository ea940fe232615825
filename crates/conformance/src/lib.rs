//! Conformance cases and random call sequences for filesystems behind stratafs, with the machine's own kernel as the oracle.
#![forbid(unsafe_code)]

mod calls;
pub mod case;
pub mod cases;
pub mod model;
pub mod native;
pub mod posix;
mod process;
pub mod real;
mod serve;
pub mod subject;
pub mod tree;

pub use serve::serve_if_asked;
