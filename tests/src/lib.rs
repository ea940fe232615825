//! Conformance cases: plain functions over the trait [`posix::Posix`], run on the real operating system first and then on every
//! backend.
#![forbid(unsafe_code)]

pub mod backends;
mod calls;
pub mod case;
pub mod cases;
pub mod emscripten;
pub mod guest;
pub mod invariants;
pub mod model;
pub mod native;
pub mod posix;
pub mod process;
pub mod real;
pub mod tree;

/// The README's example of embedding.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
