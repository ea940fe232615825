//! What the tests share: every backend as a [`Subject`](stratafs_conformance::subject::Subject), and guests on every engine.
#![forbid(unsafe_code)]

pub mod backends;
pub mod emscripten;
pub mod guest;
pub mod invariants;
pub mod saboteur;

/// The README's example of embedding.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
