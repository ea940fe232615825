//! Links stratafs into a wasmi [`Linker`](wasmi::Linker), from the one list of guest functions: the proof that the core knows no engine.
//!
//! wasmi has no epochs; a guest that computes is interrupted between slices of fuel (see [`start`]).
#![forbid(unsafe_code)]

mod link;
mod start;

pub use link::link;
pub use start::{Ended, MemoryLimit, config, instantiate, start};

/// A guest in a wasmi store.
pub type Guest = stratafs_abi::Guest<wasmi::Memory>;
