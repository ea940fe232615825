//! Emscripten's syscalls, import by import: which release has which, and what exercises it.

pub mod cases;
pub mod compare;
pub mod facts;
