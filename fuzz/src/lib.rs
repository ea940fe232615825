//! What the fuzz targets run. Each target is a function of bytes that panics when something is wrong, so that a corpus can also be run without a
//! fuzzer.
#![forbid(unsafe_code)]

mod calls;
pub mod counted;
pub mod emscripten;
mod input;
pub mod layer_specs;
mod model;
mod ops;
pub mod overlay;
pub mod sequences;
mod trees;
pub mod wasi;
pub mod zip;

// The command's own sources: the package itself would bring the engines.
#[allow(dead_code, missing_docs, unused_imports, unused_macros)]
#[path = "../../crates/cli/src/error.rs"]
mod error;
#[path = "../../crates/cli/src/fault.rs"]
#[allow(dead_code)]
mod fault;
#[path = "../../crates/cli/src/layers.rs"]
#[allow(dead_code)]
mod layers;
#[path = "../../crates/cli/src/limits.rs"]
#[allow(dead_code)]
mod limits;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 6] = [
    ("wasi", wasi::run),
    ("emscripten", emscripten::run),
    ("sequences", sequences::run),
    ("overlay", overlay::run),
    ("zip", zip::run),
    ("layers", layer_specs::run),
];
