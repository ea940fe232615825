use stratafs::{AccessMode, DirFd, Errno, Fd, Result, Stat, StatFs};
use stratafs_abi::{Call, Out, Ptr, Record, Size};

use crate::args::{AtFlags, Dir, Path, Target, check_buffer, check_out};
use crate::layout::{Stat96, statfs_64, statfs_88};

/// `fstatat`, in whichever layout.
pub(crate) fn stat_at<S: Record + From<Stat>>(
    cx: &mut Call<'_>,
    dirfd: Dir,
    path: Path,
    stat: Out<S>,
    flags: AtFlags,
) -> Result<()> {
    flags.only(AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH | AtFlags::STATX_SYNC_TYPE)?;
    check_out(&cx.memory, stat)?;
    // Since Linux 6.11 a null pointer is an empty path here.
    let found = match dirfd.0 {
        DirFd::At(fd) if path.is_null() && flags.has(AtFlags::EMPTY_PATH) => cx.process.fstat(fd)?,
        _ => match Target::of(&cx.memory, cx.process, dirfd, path, flags)? {
            Target::Fd(fd) => cx.process.fstat(fd)?,
            Target::Path(dir, path) => cx.process.statat(dir, &path, flags.follow())?,
        },
    };
    stat.store(&mut cx.memory, &found.into())
}

/// `fstat`, in whichever layout.
pub(crate) fn stat_fd<S: Record + From<Stat>>(cx: &mut Call<'_>, fd: Fd, stat: Out<S>) -> Result<()> {
    check_out(&cx.memory, stat)?;
    let found = cx.process.fstat(fd)?;
    stat.store(&mut cx.memory, &found.into())
}

/// The attributes of a file.
///
/// # Errors
/// `EINVAL` for an unknown flag; `EFAULT`; `EBADF` for `dirfd`; what resolving gives.
pub fn __syscall_newfstatat(cx: &mut Call<'_>, dirfd: Dir, path: Path, stat: Out<Stat96>, flags: AtFlags) -> Result<()> {
    stat_at(cx, dirfd, path, stat, flags)
}

/// The attributes of a file.
///
/// # Errors
/// `EFAULT`; what resolving gives.
pub fn __syscall_stat64(cx: &mut Call<'_>, path: Path, stat: Out<Stat96>) -> Result<()> {
    stat_at(cx, Dir(DirFd::Cwd), path, stat, AtFlags::NONE)
}

/// The attributes of a file, of a final link itself.
///
/// # Errors
/// `EFAULT`; what resolving gives.
pub fn __syscall_lstat64(cx: &mut Call<'_>, path: Path, stat: Out<Stat96>) -> Result<()> {
    stat_at(cx, Dir(DirFd::Cwd), path, stat, AtFlags::new(AtFlags::SYMLINK_NOFOLLOW))
}

/// The attributes of an open file.
///
/// # Errors
/// `EFAULT`, `EBADF`.
pub fn __syscall_fstat64(cx: &mut Call<'_>, fd: Fd, stat: Out<Stat96>) -> Result<()> {
    stat_fd(cx, fd, stat)
}

/// Whether a file may be used. The guest is root.
///
/// # Errors
/// `EINVAL` for an unknown mode or flag; `EFAULT`; `EACCES` to execute what has no x bit; `EROFS`; `EBADF` for `dirfd`; what resolving gives.
pub fn __syscall_faccessat(cx: &mut Call<'_>, dirfd: Dir, path: Path, amode: u32, flags: AtFlags) -> Result<()> {
    flags.only(AtFlags::SYMLINK_NOFOLLOW | AtFlags::EACCESS | AtFlags::EMPTY_PATH)?;
    if amode & !7 != 0 {
        return Err(Errno::EINVAL);
    }
    let mode = AccessMode { read: amode & 4 != 0, write: amode & 2 != 0, execute: amode & 1 != 0 };
    match Target::of(&cx.memory, cx.process, dirfd, path, flags)? {
        Target::Fd(fd) => cx.process.faccess(fd, mode),
        Target::Path(dir, path) => cx.process.accessat(dir, &path, mode, flags.follow()),
    }
}

/// Writes it in the layout that has `size` bytes: the guest says which one it was compiled with.
fn store_statfs(cx: &mut Call<'_>, size: u32, buf: Ptr, find: impl FnOnce(&Call<'_>) -> Result<StatFs>) -> Result<()> {
    if size != 88 && size != 64 {
        return Err(Errno::EINVAL);
    }
    check_buffer(&cx.memory, buf, Size::new(size))?;
    let stat = find(cx)?;
    if size == 88 { cx.memory.write(buf, &statfs_88(&stat)) } else { cx.memory.write(buf, &statfs_64(&stat)) }
}

/// How full a filesystem is.
///
/// # Errors
/// `EINVAL` when `size` is no layout's; `EFAULT`; what resolving gives.
pub fn __syscall_statfs64(cx: &mut Call<'_>, path: Path, size: u32, buf: Ptr) -> Result<()> {
    store_statfs(cx, size, buf, |cx| cx.process.statfsat(DirFd::Cwd, &path.of(&cx.memory, cx.process)?))
}

/// How full the filesystem of an open file is.
///
/// # Errors
/// `EINVAL` when `size` is no layout's; `EFAULT`; `EBADF`; `ENOSYS` for a stream that stands in no filesystem.
pub fn __syscall_fstatfs64(cx: &mut Call<'_>, fd: Fd, size: u32, buf: Ptr) -> Result<()> {
    store_statfs(cx, size, buf, |cx| cx.process.fstatfs(fd))
}
