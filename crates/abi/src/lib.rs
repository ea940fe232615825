//! What the WASI and the Emscripten side of stratafs share: guest memory, decoding, the list of guest functions, tracing.
//!
//! A guest function is a plain Rust function with one parameter per wasm parameter, each of a type that is a [`Slot`]:
//!
//! ```
//! use stratafs::{Fd, Result};
//! use stratafs_abi::{Call, Out};
//!
//! pub fn fd_tell(cx: &mut Call<'_>, fd: Fd, offset: Out<u64>) -> Result<()> {
//!     offset.check(&cx.memory)?;
//!     let at = cx.process.lseek(fd, stratafs::Whence::Current, 0)?;
//!     offset.store(&mut cx.memory, &at)
//! }
//! ```
//!
//! An ABI crate lists its functions once, in a macro that hands the list to another one (see [`table!`]): an engine adapter's, that links
//! them, or [`table!`], that makes [`Function`]s which can be called by name and untyped arguments.
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

mod call;
mod errno;
mod flags;
mod function;
mod guest;
mod iovec;
mod memory;
mod record;
mod slot;
mod trace;

pub use call::{Abi, Abort, Answer, Call, Exit, Flow, MinusOne, Nothing, Silent, WasmResult, Zero};
pub use errno::wasi_number;
pub use function::{About, Function, GuestFn, MAX_ARITY, Param};
pub use guest::{Guest, Registers, Stop, ZoneVariables};
pub use iovec::{Gather, IoVecs, Scatter};
pub use memory::{GuestMemory, Ptr, Size};
pub use record::{Array, Buffer, Layout, Out, Record, Text};
pub use slot::{Shape, Slot, ValType, Value, View};
pub use trace::{Summary, SummaryLine, Tracer};

#[doc(hidden)]
pub use function::call_raw as __call_raw;
#[doc(hidden)]
pub use stratafs as __stratafs;
