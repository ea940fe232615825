use stratafs::{DirFd, Errno, Result};
use stratafs_abi::{Buffer, Call, Ptr, Size};

use crate::args::{AtFlags, Dir, Mode, Path, Target, check_buffer};

const CWD: Dir = Dir(DirFd::Cwd);

/// Makes a directory with `mode` less the umask.
///
/// # Errors
/// `EFAULT`; `EBADF` for `dirfd`; those of [`Process::mkdirat`](stratafs::Process::mkdirat).
pub fn __syscall_mkdirat(cx: &mut Call<'_>, dirfd: Dir, path: Path, mode: Mode) -> Result<()> {
    let path = path.of(&cx.memory, cx.process)?;
    cx.process.mkdirat(dirfd.0, &path, mode.bits())
}

/// [`__syscall_mkdirat`] from the working directory.
///
/// # Errors
/// As there.
pub fn __syscall_mkdir(cx: &mut Call<'_>, path: Path, mode: Mode) -> Result<()> {
    __syscall_mkdirat(cx, CWD, path, mode)
}

/// Makes an empty file or a FIFO.
///
/// # Errors
/// `EINVAL` for a type that there is not; `EPERM` for a directory, a device or a socket; `EFAULT`; `EBADF` for `dirfd`; those of
/// [`Process::mkfileat`](stratafs::Process::mkfileat).
pub fn __syscall_mknodat(cx: &mut Call<'_>, dirfd: Dir, path: Path, mode: Mode, _dev: u32) -> Result<()> {
    let fifo = match mode.0 & 0o170_000 {
        0 | 0o100_000 => false,
        0o010_000 => true,
        0o020_000 | 0o040_000 | 0o060_000 | 0o140_000 => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    };
    let path = path.of(&cx.memory, cx.process)?;
    if fifo { cx.process.mkfifoat(dirfd.0, &path, mode.bits()) } else { cx.process.mkfileat(dirfd.0, &path, mode.bits()) }
}

/// [`__syscall_mknodat`] from the working directory.
///
/// # Errors
/// As there.
pub fn __syscall_mknod(cx: &mut Call<'_>, path: Path, mode: Mode, dev: u32) -> Result<()> {
    __syscall_mknodat(cx, CWD, path, mode, dev)
}

/// Takes away an empty directory.
///
/// # Errors
/// `EFAULT`; those of [`Process::rmdirat`](stratafs::Process::rmdirat).
pub fn __syscall_rmdir(cx: &mut Call<'_>, path: Path) -> Result<()> {
    __syscall_unlinkat(cx, CWD, path, AtFlags::new(AtFlags::REMOVEDIR))
}

/// Takes away a name, or with `AT_REMOVEDIR` an empty directory.
///
/// # Errors
/// `EINVAL` for an unknown flag; `EFAULT`; `EBADF` for `dirfd`; those of [`Process::unlinkat`](stratafs::Process::unlinkat), or of
/// [`Process::rmdirat`](stratafs::Process::rmdirat).
pub fn __syscall_unlinkat(cx: &mut Call<'_>, dirfd: Dir, path: Path, flags: AtFlags) -> Result<()> {
    flags.only(AtFlags::REMOVEDIR)?;
    let path = path.of(&cx.memory, cx.process)?;
    if flags.has(AtFlags::REMOVEDIR) { cx.process.rmdirat(dirfd.0, &path) } else { cx.process.unlinkat(dirfd.0, &path) }
}

/// [`__syscall_unlinkat`] from the working directory.
///
/// # Errors
/// `EFAULT`; those of [`Process::unlinkat`](stratafs::Process::unlinkat).
pub fn __syscall_unlink(cx: &mut Call<'_>, path: Path) -> Result<()> {
    __syscall_unlinkat(cx, CWD, path, AtFlags::NONE)
}

/// Moves a file or directory, replacing what is there.
///
/// # Errors
/// `EFAULT`; `EBADF` for a directory; those of [`Process::renameat`](stratafs::Process::renameat).
pub fn __syscall_renameat(cx: &mut Call<'_>, olddirfd: Dir, oldpath: Path, newdirfd: Dir, newpath: Path) -> Result<()> {
    let old = oldpath.of(&cx.memory, cx.process)?;
    let new = newpath.of(&cx.memory, cx.process)?;
    cx.process.renameat(olddirfd.0, &old, newdirfd.0, &new)
}

/// [`__syscall_renameat`] from the working directory.
///
/// # Errors
/// As there.
pub fn __syscall_rename(cx: &mut Call<'_>, oldpath: Path, newpath: Path) -> Result<()> {
    __syscall_renameat(cx, CWD, oldpath, CWD, newpath)
}

/// Gives a file another name.
///
/// # Errors
/// `EINVAL` for an unknown flag; `EFAULT`; `EBADF` for a directory; those of [`Process::linkat`](stratafs::Process::linkat).
pub fn __syscall_linkat(
    cx: &mut Call<'_>,
    olddirfd: Dir,
    oldpath: Path,
    newdirfd: Dir,
    newpath: Path,
    flags: AtFlags,
) -> Result<()> {
    flags.only(AtFlags::SYMLINK_FOLLOW | AtFlags::EMPTY_PATH)?;
    let old = Target::of(&cx.memory, cx.process, olddirfd, oldpath, flags)?;
    let new = newpath.of(&cx.memory, cx.process)?;
    match old {
        Target::Fd(fd) => cx.process.flink(fd, newdirfd.0, &new),
        Target::Path(dir, old) => cx.process.linkat(dir, &old, newdirfd.0, &new, flags.has(AtFlags::SYMLINK_FOLLOW)),
    }
}

/// Makes a symbolic link.
///
/// # Errors
/// `EFAULT`; `EBADF` for `newdirfd`; those of [`Process::symlinkat`](stratafs::Process::symlinkat).
pub fn __syscall_symlinkat(cx: &mut Call<'_>, target: Path, newdirfd: Dir, linkpath: Path) -> Result<()> {
    let target = target.of(&cx.memory, cx.process)?;
    let link = linkpath.of(&cx.memory, cx.process)?;
    cx.process.symlinkat(&target, newdirfd.0, &link)
}

/// [`__syscall_symlinkat`] from the working directory.
///
/// # Errors
/// As there.
pub fn __syscall_symlink(cx: &mut Call<'_>, target: Path, linkpath: Path) -> Result<()> {
    __syscall_symlinkat(cx, target, CWD, linkpath)
}

/// The target of a symbolic link, cut to the buffer and without a NUL; answers its length.
///
/// # Errors
/// `EINVAL` for no room, or when it is no link; `EFAULT`; `EBADF` for `dirfd`; what resolving gives.
pub fn __syscall_readlinkat(cx: &mut Call<'_>, dirfd: Dir, path: Path, buf: Buffer, bufsize: Size) -> Result<u32> {
    if bufsize.raw().cast_signed() <= 0 {
        return Err(Errno::EINVAL);
    }
    let target = cx.process.readlinkat(dirfd.0, &path.of(&cx.memory, cx.process)?)?;
    write_buffer(cx, buf.ptr(), target.get(..bufsize.get()).unwrap_or(&target))
}

/// [`__syscall_readlinkat`] from the working directory.
///
/// # Errors
/// As there.
pub fn __syscall_readlink(cx: &mut Call<'_>, path: Path, buf: Buffer, bufsize: Size) -> Result<u32> {
    __syscall_readlinkat(cx, CWD, path, buf, bufsize)
}

/// Writes `bytes` and answers how many they are.
fn write_buffer(cx: &mut Call<'_>, at: Ptr, bytes: &[u8]) -> Result<u32> {
    let len = Size::of(bytes.len())?;
    check_buffer(&cx.memory, at, len)?;
    cx.memory.write(at, bytes)?;
    Ok(len.raw())
}

/// Changes the working directory.
///
/// # Errors
/// `EFAULT`; `ENOTDIR`; what resolving gives.
pub fn __syscall_chdir(cx: &mut Call<'_>, path: Path) -> Result<()> {
    let path = path.of(&cx.memory, cx.process)?;
    cx.process.chdir(&path)
}

/// Changes the working directory to an open one.
///
/// # Errors
/// `EBADF`, `ENOTDIR`.
pub fn __syscall_fchdir(cx: &mut Call<'_>, fd: stratafs::Fd) -> Result<()> {
    cx.process.fchdir(fd)
}

/// The working directory's path with a NUL; answers its length with the NUL.
///
/// # Errors
/// `ENOENT` when it has been removed; `ERANGE` when it does not fit, in no bytes either, as on Linux; `EFAULT`.
pub fn __syscall_getcwd(cx: &mut Call<'_>, buf: Buffer, size: Size) -> Result<u32> {
    let mut path = cx.process.getcwd()?;
    path.push(0);
    if path.len() > size.get() { Err(Errno::ERANGE) } else { write_buffer(cx, buf.ptr(), &path) }
}

/// Sets the mask that is taken off the mode of new files; answers the old one.
///
/// # Errors
/// None.
pub fn __syscall_umask(cx: &mut Call<'_>, mask: Mode) -> Result<u32> {
    Ok(cx.process.umask(mask.0))
}

/// [`__syscall_umask`], as CPython names it.
///
/// # Errors
/// None.
pub fn __syscall_umask_js(cx: &mut Call<'_>, mask: Mode) -> Result<u32> {
    __syscall_umask(cx, mask)
}

macro_rules! root {
    ($($name:ident)*) => {$(
        /// The guest is root.
        ///
        /// # Errors
        /// None.
        pub fn $name(_: &mut Call<'_>) -> Result<()> {
            Ok(())
        }
    )*};
}

root! { __syscall_getuid32 __syscall_geteuid32 __syscall_getgid32 __syscall_getegid32 __syscall_getuid32_js }
