//! Every syscall and runtime function over a process in memory and a memory that is a vector: no engine.
#![forbid(unsafe_code)]

mod attrs;
mod calls;
mod descriptors;
mod epolls;
mod files;
mod generations;
mod guest;
mod locks;
mod polls;
mod runtime;
mod sockets;
mod tables;
mod terminals;
mod trees;
mod wasi;
