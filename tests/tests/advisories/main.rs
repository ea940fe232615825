//! One test for each security advisory of the field, with its id in the name, on every backend and ABI that it concerns.
//!
//! docs/CONFORMANCE.md has the table, with what does not apply and why.
#![forbid(unsafe_code)]

mod capabilities;
mod descriptors;
mod guest;
mod layouts;
mod memory;
mod names;
mod paths;
mod small;
mod times;
