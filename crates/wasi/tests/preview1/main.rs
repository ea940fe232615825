//! The 46 functions, called by name over a native memory: no engine.

mod guest;

mod calls;
mod dirs;
mod io;
mod list;
mod paths;
mod polls;
mod rights;
mod stats;
mod tables;
mod traces;
mod waits;
