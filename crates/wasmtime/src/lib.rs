//! Links stratafs into a wasmtime [`Linker`](wasmtime::Linker), sync and async, from the one list of guest functions.
//!
//! The store's data `T` holds a [`Guest`]; a function from `&mut T` to it is all that the linker needs to know. Waiting calls park the thread
//! in a sync linker and are awaited in an async one; [`Interrupt`](stratafs::Interrupt) ends both, and with [`interruptible`] also a guest that computes.
#![deny(unsafe_code)]
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

mod engine;
#[cfg(unix)]
pub mod image;
mod link;
mod program;
mod start;

pub use engine::{Interrupter, MAX_WASM_STACK, MemoryLimit, config, interruptible};
pub use link::{
    link_async, link_emscripten_async, link_emscripten_sync, link_micropython_async, link_micropython_sync, link_sync,
};
pub use program::Program;
pub use start::{Ended, call_all, start, start_async};

/// A guest in a wasmtime store.
pub type Guest = stratafs_abi::Guest<wasmtime::Memory>;

/// The functions that the linkers of this crate have: what a module's imports are matched with.
pub static HOST_FUNCTIONS: &[&[stratafs_abi::Function]] = &[
    stratafs_wasi::FUNCTIONS,
    stratafs_emscripten::FUNCTIONS,
    stratafs_emscripten::SPLIT_FUNCTIONS,
    stratafs_emscripten::RUNTIME_FUNCTIONS,
    stratafs_emscripten::WASI_FUNCTIONS,
];
