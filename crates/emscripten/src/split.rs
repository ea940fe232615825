//! Functions of 3.1.6 that share their name with a newer one of another type or another layout: 64-bit arguments travel as two
//! halves, low one first, and times have 32-bit seconds.
//! The calendar functions take a time by its address.

use stratafs::{DirFd, Fd, Result};
use stratafs_abi::{Call, Out, Ptr};

pub use crate::runtime::split::{_gmtime_js, _localtime_js, _mktime_js, _timegm_js};

use crate::args::{AtFlags, Dir, Path, join};
use crate::layout::Stat88;
use crate::{attr, stat};

/// The attributes of a file.
///
/// # Errors
/// `EFAULT`; what resolving gives.
pub fn __syscall_stat64(cx: &mut Call<'_>, path: Path, stat: Out<Stat88>) -> Result<()> {
    stat::stat_at(cx, Dir(DirFd::Cwd), path, stat, AtFlags::NONE)
}

/// The attributes of a file, of a final link itself.
///
/// # Errors
/// `EFAULT`; what resolving gives.
pub fn __syscall_lstat64(cx: &mut Call<'_>, path: Path, stat: Out<Stat88>) -> Result<()> {
    stat::stat_at(cx, Dir(DirFd::Cwd), path, stat, AtFlags::new(AtFlags::SYMLINK_NOFOLLOW))
}

/// The attributes of an open file.
///
/// # Errors
/// `EFAULT`, `EBADF`.
pub fn __syscall_fstat64(cx: &mut Call<'_>, fd: Fd, stat: Out<Stat88>) -> Result<()> {
    stat::stat_fd(cx, fd, stat)
}

/// The attributes of a file.
///
/// # Errors
/// `EINVAL` for an unknown flag; `EFAULT`; `EBADF` for `dirfd`; what resolving gives.
pub fn __syscall_fstatat64(cx: &mut Call<'_>, dirfd: Dir, path: Path, stat: Out<Stat88>, flags: AtFlags) -> Result<()> {
    stat::stat_at(cx, dirfd, path, stat, flags)
}

/// Sets a file's times, to the nanosecond; null is now. A null path is the open file `dirfd`.
///
/// # Errors
/// `EFAULT`; `EINVAL` for an unknown flag or nanoseconds out of range; `EBADF` for `dirfd`; what resolving gives; `EROFS`.
pub fn __syscall_utimensat(cx: &mut Call<'_>, dirfd: Dir, path: Path, times: Ptr, flags: AtFlags) -> Result<()> {
    attr::utimensat_32(cx, dirfd, path, times, flags)
}

/// Cuts or grows a file.
///
/// # Errors
/// `EINVAL` for a negative length, or what is no file; `EFAULT`; what resolving gives; `EISDIR`; `EROFS`; `ENOSPC`.
pub fn __syscall_truncate64(cx: &mut Call<'_>, path: Path, length_low: u32, length_high: u32) -> Result<()> {
    attr::__syscall_truncate64(cx, path, join(length_low, length_high))
}

/// Cuts or grows an open file.
///
/// # Errors
/// `EINVAL` for a negative length; those of [`Process::ftruncate`](stratafs::Process::ftruncate).
pub fn __syscall_ftruncate64(cx: &mut Call<'_>, fd: Fd, length_low: u32, length_high: u32) -> Result<()> {
    attr::__syscall_ftruncate64(cx, fd, join(length_low, length_high))
}

/// Makes a file at least so long.
///
/// # Errors
/// `EBADF`; `EINVAL` for a negative or empty range; `ENOTSUP` for a mode; those of [`Process::fallocate`](stratafs::Process::fallocate).
pub fn __syscall_fallocate(
    cx: &mut Call<'_>,
    fd: Fd,
    mode: u32,
    offset_low: u32,
    offset_high: u32,
    len_low: u32,
    len_high: u32,
) -> Result<()> {
    attr::__syscall_fallocate(cx, fd, mode, join(offset_low, offset_high), join(len_low, len_high))
}
