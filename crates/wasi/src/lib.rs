//! All 46 functions of `wasi_snapshot_preview1` over a stratafs [`Process`](stratafs::Process).
//!
//! Each is a plain Rust function with one parameter per wasm parameter. [`functions!`](crate::functions) names them all once: engine adapters
//! link from it, and [`FUNCTIONS`] calls them by name and untyped arguments.
//!
//! [`micropython_functions!`](crate::micropython_functions) names what MicroPython's build for WASI imports beside them.
//!
//! Numbers are decoded and encoded here and nowhere behind: `Process` knows no flag and no error number of WASI.
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
// One parameter per wasm parameter.
#![allow(clippy::too_many_arguments)]

mod args_env;
mod clock;
mod dir;
mod fd;
mod fd_stat;
mod micropython;
mod path;
mod poll;
mod process;
mod rights;
mod sock;
mod types;

pub use args_env::{args_get, args_sizes_get, environ_get, environ_sizes_get};
pub use clock::{clock_res_get, clock_time_get};
pub use dir::{fd_prestat_dir_name, fd_prestat_get, fd_readdir};
pub use fd::{
    fd_advise, fd_allocate, fd_close, fd_datasync, fd_pread, fd_pwrite, fd_read, fd_renumber, fd_seek, fd_sync, fd_tell, fd_write,
};
pub use fd_stat::{
    fd_fdstat_get, fd_fdstat_set_flags, fd_fdstat_set_rights, fd_filestat_get, fd_filestat_set_size, fd_filestat_set_times,
};
pub use micropython::{MICROPYTHON_FUNCTIONS, MicroPython, host_call, host_result_cap};
pub use path::{
    path_create_directory, path_filestat_get, path_filestat_set_times, path_link, path_open, path_readlink,
    path_remove_directory, path_rename, path_symlink, path_unlink_file,
};
pub use poll::{Event, Subscription, poll_oneoff};
pub use process::{proc_exit, proc_raise, random_get, sched_yield};
pub use rights::Rights;
pub use sock::{sock_accept, sock_recv, sock_send, sock_shutdown};
pub use types::{Advice, ClockId, FdFlags, FdStat, FileStat, FstFlags, LookupFlags, OFlags, Prestat, SeekFrom};

use stratafs::Result;
use stratafs_abi::{Abi, Function, wasi_number};

/// The rules of `wasi_snapshot_preview1`: a call answers an error number, 0 for none.
#[derive(Debug, Clone, Copy)]
pub struct Wasi;

impl Abi for Wasi {
    const MODULE: &'static str = "wasi_snapshot_preview1";

    #[inline]
    fn answer(result: Result<u32>) -> u32 {
        match result {
            Ok(_) => 0,
            Err(errno) => wasi_number(errno).into(),
        }
    }
}

/// Hands the list of all functions to the macro `$each`, with the tokens `$with` before it; see [`stratafs_abi::table!`] for what it sees.
///
/// ```
/// macro_rules! count {
///     ({} [$krate:tt] $abi:ty; $($name:ident($($param:ident),*) $($may_wait:ident)?;)*) => { [$(stringify!($name)),*].len() };
/// }
/// assert_eq!(stratafs_wasi::functions!(count!), 46);
/// ```
#[macro_export]
macro_rules! functions {
    ($each:ident! $($with:tt)*) => {
        $each! { { $($with)* } [$crate] $crate::Wasi;
            args_get(argv, argv_buf);
            args_sizes_get(argc, argv_buf_size);
            environ_get(environ, environ_buf);
            environ_sizes_get(environc, environ_buf_size);
            clock_res_get(id, resolution);
            clock_time_get(id, precision, time);
            fd_advise(fd, offset, len, advice);
            fd_allocate(fd, offset, len);
            fd_close(fd);
            fd_datasync(fd);
            fd_fdstat_get(fd, stat);
            fd_fdstat_set_flags(fd, flags);
            fd_fdstat_set_rights(fd, base, inheriting);
            fd_filestat_get(fd, stat);
            fd_filestat_set_size(fd, size);
            fd_filestat_set_times(fd, atim, mtim, flags);
            fd_pread(fd, iovs, iovs_len, offset, nread);
            fd_prestat_get(fd, prestat);
            fd_prestat_dir_name(fd, path, path_len);
            fd_pwrite(fd, iovs, iovs_len, offset, nwritten);
            fd_read(fd, iovs, iovs_len, nread) may_wait;
            fd_readdir(fd, buf, buf_len, cookie, used);
            fd_renumber(from, to);
            fd_seek(fd, offset, whence, at);
            fd_sync(fd);
            fd_tell(fd, at);
            fd_write(fd, iovs, iovs_len, nwritten) may_wait;
            path_create_directory(dir, path, path_len);
            path_filestat_get(dir, lookup, path, path_len, stat);
            path_filestat_set_times(dir, lookup, path, path_len, atim, mtim, flags);
            path_link(old_dir, lookup, old_path, old_path_len, new_dir, new_path, new_path_len);
            path_open(dir, lookup, path, path_len, oflags, base, inheriting, fdflags, opened) may_wait;
            path_readlink(dir, path, path_len, buf, buf_len, used);
            path_remove_directory(dir, path, path_len);
            path_rename(old_dir, old_path, old_path_len, new_dir, new_path, new_path_len);
            path_symlink(target, target_len, dir, path, path_len);
            path_unlink_file(dir, path, path_len);
            poll_oneoff(subscriptions, events, count, ready) may_wait;
            proc_exit(code);
            proc_raise(signal);
            random_get(buf, buf_len);
            sched_yield();
            sock_accept(fd, flags, accepted);
            sock_recv(fd, iovs, iovs_len, flags, nread, out_flags);
            sock_send(fd, iovs, iovs_len, flags, nwritten);
            sock_shutdown(fd, how);
        }
    };
}

/// Every function, to be called by name and untyped arguments.
pub static FUNCTIONS: &[Function] = {
    use stratafs_abi::table;
    functions!(table!)
};
