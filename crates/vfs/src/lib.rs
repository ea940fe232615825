//! stratafs: a layered virtual filesystem for WebAssembly guests.
//!
//! A host builds one tree out of layers (memory, host directories, copy-on-write overlays, read-only zip archives) and hands it to
//! a guest as a [`Process`]: POSIX's file calls on host types. This crate knows no engine, no guest memory and no ABI.
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

mod clock;
mod epoll;
mod errno;
mod fd_table;
mod filesystem;
mod limits;
mod locks;
mod name;
mod names;
mod namespace;
mod node;
mod open_file;
mod open_how;
mod process;
mod random;
mod socket;
mod tree;
mod types;
mod walk;

pub mod devfs;
pub mod faultfs;
#[cfg(unix)]
pub mod hostfs;
pub mod memfs;
pub mod overlay;
pub mod pipe;
mod shards;
pub mod stream;
pub mod wait;
pub mod zipfs;

pub use clock::{Clock, SystemClock};
pub use epoll::{Told, Watch, WatchChange};
pub use errno::{Errno, Result};
pub use fd_table::{Descriptor, Fd, Rights};
pub use filesystem::{Entry, FileHandle, Filesystem, Opened};
pub use limits::{Budget, Limits};
pub use locks::{ByteRange, HeldLock, LockKind};
pub use name::{NAME_MAX, Name, PATH_MAX, is_reserved_on_windows};
pub use names::Names;
pub use namespace::{MountId, Namespace, Place};
pub use node::NodeRef;
pub use open_file::{OpenFile, StatusFlags};
pub use open_how::{FileType, OpenHow};
pub use process::{AccessMode, DirFd, LockHolder, MapHow, Mapping, OneBuf, PollFd, Process, ProcessBuilder, ReadBufs, Whence};
pub use random::{OsRandom, Random};
pub use tree::{Layer, Tree, TreeError, default_guest_path};
pub use types::{Access, Cookie, DirEntry, FileKind, NewKind, Removal, SetAttr, SetTime, Stat, StatFs, Timestamp};
pub use wait::{Event, Interrupt, Outcome, Wait};
