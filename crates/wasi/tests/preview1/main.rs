//! The 46 functions, and MicroPython's two, called by name over a native memory: no engine.

mod guest;

mod calls;
mod dirs;
mod io;
mod list;
mod micropython;
mod paths;
mod polls;
mod rights;
mod stats;
mod tables;
mod traces;
mod waits;
