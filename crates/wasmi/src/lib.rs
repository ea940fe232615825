//! Links stratafs into a wasmi [`Linker`](wasmi::Linker), from the one list of guest functions: the proof that the core knows no engine.
//!
//! wasmi has no epochs; a guest that computes is interrupted between slices of fuel (see [`start`]).
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing
    )
)]

mod invoke;
mod link;
mod program;
mod start;

pub use link::{link, link_emscripten};
pub use program::Program;
pub use start::{Ended, MemoryLimit, STACK_SIZE, config, stack_size, start};

/// A guest in a wasmi store.
pub type Guest = stratafs_abi::Guest<wasmi::Memory>;

/// The functions that the linkers of this crate have: what a module's imports are matched with.
pub static HOST_FUNCTIONS: &[&[stratafs_abi::Function]] = &[
    stratafs_wasi::FUNCTIONS,
    stratafs_emscripten::FUNCTIONS,
    stratafs_emscripten::SPLIT_FUNCTIONS,
    stratafs_emscripten::RUNTIME_FUNCTIONS,
    stratafs_emscripten::WASI_FUNCTIONS,
];
