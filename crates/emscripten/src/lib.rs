//! Emscripten's `env.__syscall_*` imports over a stratafs [`Process`](stratafs::Process).
//!
//! Each is a plain Rust function with one parameter per wasm parameter, under the name that the guest imports.
//! [`functions!`](crate::functions) names them all once, and [`split_functions!`](crate::split_functions) those that an older Emscripten has under
//! the same name with another type or layout; [`Generation`] tells which of them a module means.
//!
//! [`runtime`] has the imports of the same module that are no syscalls, clocks and calendar among them, and
//! [`runtime_functions!`](crate::runtime_functions) their list.
//!
//! A call answers a value or a negative error number. Error numbers are WASI's (but for `ENOTSUP`, 138), flags and modes are Linux's. The same module reads and
//! writes through `wasi_snapshot_preview1`, on the same descriptors.
//!
//! Where Emscripten under JavaScript and Linux differ, this is Linux: unknown bits of `open` are not looked at, an unknown `ioctl` is `ENOTTY`,
//! `getcwd` into no bytes is `ERANGE`, a null pointer is `EFAULT`.
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

mod abort;
mod args;
mod attr;
mod dir;
mod epoll;
mod fd;
mod generation;
mod ioctl;
mod layout;
pub mod link;
mod micropython;
mod mmap;
mod open;
mod poll;
pub mod runtime;
mod socket;
pub mod split;
mod stat;
mod tree;
pub mod wasi;

pub use abort::{__assert_fail, _abort_js, abort};
pub use args::{AtFlags, Dir, Id, Mode, Path, Varargs};
pub use attr::{
    __syscall_chmod, __syscall_chown32, __syscall_fadvise64, __syscall_fadvise64_64, __syscall_fallocate, __syscall_fchmod,
    __syscall_fchmodat, __syscall_fchmodat2, __syscall_fchown32, __syscall_fchownat, __syscall_fdatasync, __syscall_ftruncate64,
    __syscall_lchown32, __syscall_truncate64, __syscall_utimensat,
};
pub use dir::__syscall_getdents64;
pub use epoll::{__syscall_epoll_create1, __syscall_epoll_ctl, __syscall_epoll_pwait, __syscall_epoll_pwait_nonblocking};
pub use fd::{__syscall_dup, __syscall_dup3, __syscall_fcntl64, __syscall_pipe, __syscall_pipe2};
pub use generation::{Generation, lookup};
pub use ioctl::__syscall_ioctl;
/// What the glue of [`link`] calls.
pub mod glue {
    pub use crate::micropython::{micropython_raised, micropython_source, micropython_unread, micropython_wrapped};
    pub use crate::mmap::{mmap, msync, munmap, sync_mappings};
    pub use crate::runtime::{addrinfo, errno_at};
}

pub use layout::{Stat88, Stat96};
pub use open::{__syscall_open, __syscall_openat, OpenFlags};
pub use poll::{__syscall__newselect, __syscall_poll, __syscall_poll_nonblocking};
pub use socket::{
    __syscall_accept4, __syscall_bind, __syscall_connect, __syscall_getpeername, __syscall_getsockname, __syscall_getsockopt,
    __syscall_listen, __syscall_recvfrom, __syscall_recvmsg, __syscall_sendmsg, __syscall_sendto, __syscall_setsockopt,
    __syscall_shutdown, __syscall_socket,
};
pub use stat::{
    __syscall_faccessat, __syscall_fstat64, __syscall_fstatfs64, __syscall_lstat64, __syscall_newfstatat, __syscall_stat64,
    __syscall_statfs64,
};
pub use tree::{
    __syscall_chdir, __syscall_fchdir, __syscall_getcwd, __syscall_getegid32, __syscall_geteuid32, __syscall_getgid32,
    __syscall_getuid32, __syscall_getuid32_js, __syscall_linkat, __syscall_mkdir, __syscall_mkdirat, __syscall_mknod,
    __syscall_mknodat, __syscall_readlink, __syscall_readlinkat, __syscall_rename, __syscall_renameat, __syscall_rmdir,
    __syscall_symlink, __syscall_symlinkat, __syscall_umask, __syscall_umask_js, __syscall_unlink, __syscall_unlinkat,
};

use stratafs::{Errno, Result};
use stratafs_abi::{Abi, Function, wasi_number};

/// Emscripten's number for an error: WASI's, but for the one that WASI's libc names otherwise.
fn number(errno: Errno) -> u16 {
    match errno {
        Errno::ENOTSUP | Errno::EOPNOTSUPP => 138,
        other => wasi_number(other),
    }
}

/// The rules of Emscripten's syscalls: a call answers a value, or the negative of WASI's error number.
#[derive(Debug, Clone, Copy)]
pub struct Emscripten;

impl Abi for Emscripten {
    const MODULE: &'static str = "env";

    #[inline]
    fn answer(result: Result<u32>) -> u32 {
        match result {
            Ok(value) => value,
            Err(errno) => 0_u32.wrapping_sub(number(errno).into()),
        }
    }
}

/// The rules of the functions of [`wasi`]: WASI's, under another name of the module, so that a linker can hold both.
#[derive(Debug, Clone, Copy)]
pub struct Wasi;

impl Abi for Wasi {
    const MODULE: &'static str = "wasi_snapshot_preview1 (Emscripten)";

    #[inline]
    fn answer(result: Result<u32>) -> u32 {
        match result {
            Ok(_) => 0,
            Err(errno) => number(errno).into(),
        }
    }
}

/// The rules of the functions of [`split`]: Emscripten's, under another name of the module, so that a linker can hold both generations.
#[derive(Debug, Clone, Copy)]
pub struct Split;

impl Abi for Split {
    const MODULE: &'static str = "env (3.1.6)";

    #[inline]
    fn answer(result: Result<u32>) -> u32 {
        Emscripten::answer(result)
    }
}

/// The rules of the functions that the glue of [`link`] calls; no guest can name them.
#[derive(Debug, Clone, Copy)]
pub struct Glue;

impl Abi for Glue {
    const MODULE: &'static str = "stratafs";

    #[inline]
    fn answer(result: Result<u32>) -> u32 {
        Emscripten::answer(result)
    }
}

/// Hands the list of the functions of all generations, but for those in [`split_functions!`](crate::split_functions), to the macro `$each`,
/// with the tokens `$with` before it; see [`stratafs_abi::table!`] for what it sees.
#[macro_export]
macro_rules! functions {
    ($each:ident! $($with:tt)*) => {
        $each! { { $($with)* } [$crate] $crate::Emscripten;
            __assert_fail(condition, file, line, function);
            _abort_js();
            abort();
            __syscall__newselect(nfds, readfds, writefds, exceptfds, timeout) may_wait;
            __syscall_accept4(fd, addr, len, flags, _5, _6) may_wait;
            __syscall_bind(fd, addr, len, _4, _5, _6);
            __syscall_chdir(path);
            __syscall_chmod(path, mode);
            __syscall_chown32(path, uid, gid);
            __syscall_connect(fd, addr, len, _4, _5, _6);
            __syscall_dup(fd);
            __syscall_dup3(fd, newfd, flags);
            __syscall_epoll_create1(flags);
            __syscall_epoll_ctl(epfd, op, fd, event);
            __syscall_epoll_pwait(epfd, events, maxevents, timeout, sigmask, sigsetsize) may_wait;
            __syscall_epoll_pwait_nonblocking(epfd, events, maxevents) may_wait;
            __syscall_faccessat(dirfd, path, amode, flags);
            __syscall_fadvise64(fd, offset, len, advice);
            __syscall_fadvise64_64(fd, offset_low, offset_high, len_low, len_high, advice);
            __syscall_fallocate(fd, mode, offset, len);
            __syscall_fchdir(fd);
            __syscall_fchmod(fd, mode);
            __syscall_fchmodat(dirfd, path, mode, varargs);
            __syscall_fchmodat2(dirfd, path, mode, flags);
            __syscall_fchown32(fd, uid, gid);
            __syscall_fchownat(dirfd, path, uid, gid, flags);
            __syscall_fcntl64(fd, cmd, varargs) may_wait;
            __syscall_fdatasync(fd);
            __syscall_fstat64(fd, stat);
            __syscall_fstatfs64(fd, size, buf);
            __syscall_ftruncate64(fd, length);
            __syscall_getcwd(buf, size);
            __syscall_getdents64(fd, dirp, count);
            __syscall_getegid32();
            __syscall_geteuid32();
            __syscall_getgid32();
            __syscall_getpeername(fd, addr, len, _4, _5, _6);
            __syscall_getsockname(fd, addr, len, _4, _5, _6);
            __syscall_getsockopt(fd, level, option, value, len, _6);
            __syscall_getuid32();
            __syscall_getuid32_js();
            __syscall_ioctl(fd, op, varargs);
            __syscall_lchown32(path, uid, gid);
            __syscall_linkat(olddirfd, oldpath, newdirfd, newpath, flags);
            __syscall_listen(fd, backlog, _3, _4, _5, _6);
            __syscall_lstat64(path, stat);
            __syscall_mkdir(path, mode);
            __syscall_mkdirat(dirfd, path, mode);
            __syscall_mknod(path, mode, dev);
            __syscall_mknodat(dirfd, path, mode, dev);
            __syscall_newfstatat(dirfd, path, stat, flags);
            __syscall_open(path, flags, varargs) may_wait;
            __syscall_openat(dirfd, path, flags, varargs) may_wait;
            __syscall_pipe(fds);
            __syscall_pipe2(fds, flags);
            __syscall_poll(fds, nfds, timeout) may_wait;
            __syscall_poll_nonblocking(fds, nfds) may_wait;
            __syscall_readlink(path, buf, bufsize);
            __syscall_readlinkat(dirfd, path, buf, bufsize);
            __syscall_recvfrom(fd, buf, len, flags, addr, addrlen) may_wait;
            __syscall_recvmsg(fd, msg, flags, _4, _5, _6) may_wait;
            __syscall_rename(oldpath, newpath);
            __syscall_renameat(olddirfd, oldpath, newdirfd, newpath);
            __syscall_rmdir(path);
            __syscall_sendmsg(fd, msg, flags, _4, _5, _6) may_wait;
            __syscall_sendto(fd, buf, len, flags, addr, addrlen) may_wait;
            __syscall_setsockopt(fd, level, option, value, len, _6);
            __syscall_shutdown(fd, how, _3, _4, _5, _6);
            __syscall_socket(domain, kind, protocol, _4, _5, _6);
            __syscall_stat64(path, stat);
            __syscall_statfs64(path, size, buf);
            __syscall_symlink(target, linkpath);
            __syscall_symlinkat(target, newdirfd, linkpath);
            __syscall_truncate64(path, length);
            __syscall_umask(mask);
            __syscall_umask_js(mask);
            __syscall_unlink(path);
            __syscall_unlinkat(dirfd, path, flags);
            __syscall_utimensat(dirfd, path, times, flags);
        }
    };
}

/// The functions of [`split`], in the same way. The receiver reaches them as `split::name`: have [`split`] in scope where it is used.
#[macro_export]
macro_rules! split_functions {
    ($each:ident! $($with:tt)*) => {
        $each! { { $($with)* } [split] $crate::Split;
            __syscall_fallocate(fd, mode, offset_low, offset_high, len_low, len_high);
            __syscall_fstat64(fd, stat);
            __syscall_fstatat64(dirfd, path, stat, flags);
            __syscall_ftruncate64(fd, length_low, length_high);
            __syscall_lstat64(path, stat);
            __syscall_stat64(path, stat);
            __syscall_truncate64(path, length_low, length_high);
            __syscall_utimensat(dirfd, path, times, flags);
            _gmtime_js(time, tm);
            _localtime_js(time, tm);
            _mktime_js(tm);
            _timegm_js(tm);
        }
    };
}

/// The functions of [`wasi`], in the same way. The receiver reaches them as `wasi::name`: have [`wasi`] in scope where it is used.
#[macro_export]
macro_rules! wasi_functions {
    ($each:ident! $($with:tt)*) => {
        $each! { { $($with)* } [wasi] $crate::Wasi;
            fd_fdstat_get(fd, stat);
            fd_seek(fd, offset, whence, at);
        }
    };
}

/// The functions of [`glue`], which the glue of [`link`] calls. The receiver reaches them as `glue::name`: have [`glue`] in scope where it is used.
#[macro_export]
macro_rules! glue_functions {
    ($each:ident! $($with:tt)*) => {
        $each! { { $($with)* } [glue] $crate::Glue;
            addrinfo(node, service, hint, at, address);
            errno_at(at);
            micropython_raised(at, len);
            micropython_source(part, buf, size);
            micropython_unread(number);
            micropython_wrapped(at, len, buf, size);
            mmap(at, len, prot, flags, fd, offset);
            msync(at, len);
            munmap(at, len);
            sync_mappings();
        }
    };
}

/// Every function of [`functions!`](crate::functions), to be called by name and untyped arguments.
pub static FUNCTIONS: &[Function] = {
    use stratafs_abi::table;
    functions!(table!)
};

/// Every function of [`split_functions!`](crate::split_functions), to be called by name and untyped arguments.
pub static SPLIT_FUNCTIONS: &[Function] = {
    use stratafs_abi::table;
    split_functions!(table!)
};

/// Every function of [`wasi_functions!`](crate::wasi_functions), to be called by name and untyped arguments.
pub static WASI_FUNCTIONS: &[Function] = {
    use stratafs_abi::table;
    wasi_functions!(table!)
};

/// Every function of [`glue_functions!`](crate::glue_functions), to be called by name and untyped arguments.
pub static GLUE_FUNCTIONS: &[Function] = {
    use stratafs_abi::table;
    glue_functions!(table!)
};

/// Every function of [`runtime_functions!`](crate::runtime_functions), to be called by name and untyped arguments.
pub static RUNTIME_FUNCTIONS: &[Function] = {
    use stratafs_abi::table;
    runtime_functions!(table!)
};
