use stratafs::{DirFd, Errno, Fd, Result, SetAttr, SetTime, Timestamp};
use stratafs_abi::{Call, GuestMemory, Ptr};

use crate::args::{AtFlags, Dir, Id, Mode, Path, Target, Varargs, join};

const UTIME_NOW: u32 = 0x3fff_ffff;
const UTIME_OMIT: u32 = 0x3fff_fffe;

/// Cuts or grows a file.
///
/// # Errors
/// `EINVAL` for a negative length, or what is no file; `EFAULT`; what resolving gives; `EISDIR`; `EROFS`; `ENOSPC`.
pub fn __syscall_truncate64(cx: &mut Call<'_>, path: Path, length: i64) -> Result<()> {
    let size = u64::try_from(length).map_err(|_| Errno::EINVAL)?;
    let path = path.of(&cx.memory, cx.process)?;
    cx.process.set_attr_at(DirFd::Cwd, &path, true, &SetAttr::size(size))
}

/// Cuts or grows an open file.
///
/// # Errors
/// `EINVAL` for a negative length; those of [`Process::ftruncate`](stratafs::Process::ftruncate).
pub fn __syscall_ftruncate64(cx: &mut Call<'_>, fd: Fd, length: i64) -> Result<()> {
    cx.process.ftruncate(fd, u64::try_from(length).map_err(|_| Errno::EINVAL)?)
}

/// Makes a file at least so long.
///
/// # Errors
/// `EBADF`; `EINVAL` for a negative or empty range; `ENOTSUP` for a mode; those of
/// [`Process::fallocate`](stratafs::Process::fallocate).
pub fn __syscall_fallocate(cx: &mut Call<'_>, fd: Fd, mode: u32, offset: i64, len: i64) -> Result<()> {
    cx.process.descriptor(fd)?;
    let (Ok(offset), Ok(len @ 1..)) = (u64::try_from(offset), u64::try_from(len)) else { return Err(Errno::EINVAL) };
    if mode != 0 {
        return Err(Errno::ENOTSUP);
    }
    cx.process.fallocate(fd, offset, len)
}

/// Takes advice on how a file will be used.
///
/// # Errors
/// `EBADF`; `ESPIPE` on a pipe; `EINVAL` for unknown advice or a negative length.
pub fn __syscall_fadvise64(cx: &mut Call<'_>, fd: Fd, _offset: i64, len: i64, advice: u32) -> Result<()> {
    cx.process.fadvise(fd)?;
    if len < 0 || advice > 5 { Err(Errno::EINVAL) } else { Ok(()) }
}

/// [`__syscall_fadvise64`] with its 64-bit arguments in halves, as 3.1.6 imports it.
///
/// # Errors
/// As there.
pub fn __syscall_fadvise64_64(
    cx: &mut Call<'_>,
    fd: Fd,
    offset_low: u32,
    offset_high: u32,
    len_low: u32,
    len_high: u32,
    advice: u32,
) -> Result<()> {
    __syscall_fadvise64(cx, fd, join(offset_low, offset_high), join(len_low, len_high), advice)
}

/// Brings a file's contents to stable storage where there is such a thing.
///
/// # Errors
/// `EBADF`; `EINVAL` on a stream; what the file gives.
pub fn __syscall_fdatasync(cx: &mut Call<'_>, fd: Fd) -> Result<()> {
    cx.process.sync(fd, true)
}

fn set_attr(cx: &mut Call<'_>, dirfd: Dir, path: Path, flags: AtFlags, attr: &SetAttr) -> Result<()> {
    match Target::of(&cx.memory, cx.process, dirfd, path, flags)? {
        Target::Fd(fd) => cx.process.fset_attr(fd, attr),
        Target::Path(dir, path) => cx.process.set_attr_at(dir, &path, flags.follow(), attr),
    }
}

/// Changes a file's permission bits.
///
/// # Errors
/// `EINVAL` for an unknown flag; `EFAULT`; `ENOTSUP` for a link itself; `EBADF` for `dirfd`; what resolving gives; `EROFS`.
pub fn __syscall_fchmodat2(cx: &mut Call<'_>, dirfd: Dir, path: Path, mode: Mode, flags: AtFlags) -> Result<()> {
    flags.only(AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH)?;
    set_attr(cx, dirfd, path, flags, &SetAttr::mode(mode.bits()))
}

/// [`__syscall_fchmodat2`] with variadic flags, as 3.1.6 imports it.
///
/// # Errors
/// As there.
pub fn __syscall_fchmodat(cx: &mut Call<'_>, dirfd: Dir, path: Path, mode: Mode, varargs: Varargs) -> Result<()> {
    let flags = AtFlags::new(varargs.first(&cx.memory)?);
    __syscall_fchmodat2(cx, dirfd, path, mode, flags)
}

/// Changes a file's permission bits.
///
/// # Errors
/// `EFAULT`; what resolving gives; `EROFS`.
pub fn __syscall_chmod(cx: &mut Call<'_>, path: Path, mode: Mode) -> Result<()> {
    __syscall_fchmodat2(cx, Dir(DirFd::Cwd), path, mode, AtFlags::NONE)
}

/// Changes an open file's permission bits.
///
/// # Errors
/// `EBADF`; `EPERM` on a stream; `EROFS`.
pub fn __syscall_fchmod(cx: &mut Call<'_>, fd: Fd, mode: Mode) -> Result<()> {
    cx.process.fset_attr(fd, &SetAttr::mode(mode.bits()))
}

fn owner(uid: Id, gid: Id) -> SetAttr {
    SetAttr { uid: uid.0, gid: gid.0, ..SetAttr::default() }
}

/// Changes a file's owner and group.
///
/// # Errors
/// `EINVAL` for an unknown flag; `EFAULT`; `EBADF` for `dirfd`; what resolving gives; `EROFS`.
pub fn __syscall_fchownat(cx: &mut Call<'_>, dirfd: Dir, path: Path, uid: Id, gid: Id, flags: AtFlags) -> Result<()> {
    flags.only(AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH)?;
    set_attr(cx, dirfd, path, flags, &owner(uid, gid))
}

/// Changes an open file's owner and group.
///
/// # Errors
/// `EBADF`; `EPERM` on a stream; `EROFS`.
pub fn __syscall_fchown32(cx: &mut Call<'_>, fd: Fd, uid: Id, gid: Id) -> Result<()> {
    cx.process.fset_attr(fd, &owner(uid, gid))
}

/// Changes a file's owner and group.
///
/// # Errors
/// `EFAULT`; what resolving gives; `EROFS`.
pub fn __syscall_chown32(cx: &mut Call<'_>, path: Path, uid: Id, gid: Id) -> Result<()> {
    __syscall_fchownat(cx, Dir(DirFd::Cwd), path, uid, gid, AtFlags::NONE)
}

/// Changes a file's owner and group, of a final link itself.
///
/// # Errors
/// `EFAULT`; what resolving gives; `EROFS`.
pub fn __syscall_lchown32(cx: &mut Call<'_>, path: Path, uid: Id, gid: Id) -> Result<()> {
    __syscall_fchownat(cx, Dir(DirFd::Cwd), path, uid, gid, AtFlags::new(AtFlags::SYMLINK_NOFOLLOW))
}

/// Reads a `struct timespec` of 16 bytes.
fn timespec(memory: &GuestMemory<'_>, at: Ptr) -> Result<(i64, u32)> {
    Ok((memory.read_u64(at)?.cast_signed(), memory.read_u32(at.offset(8)?)?))
}

/// Reads a `struct timespec` of 8 bytes, with 32-bit seconds.
fn timespec_32(memory: &GuestMemory<'_>, at: Ptr) -> Result<(i64, u32)> {
    Ok((memory.read_u32(at)?.cast_signed().into(), memory.read_u32(at.offset(4)?)?))
}

/// What a `tv_nsec` asks for; none when it is out of range.
fn set_time((sec, nsec): (i64, u32)) -> Option<SetTime> {
    match nsec {
        UTIME_NOW => Some(SetTime::Now),
        UTIME_OMIT => Some(SetTime::Keep),
        0..1_000_000_000 => Some(SetTime::To(Timestamp { sec, nsec })),
        _ => None,
    }
}

fn set_times(cx: &mut Call<'_>, dirfd: Dir, path: Path, times: Option<[(i64, u32); 2]>, flags: AtFlags) -> Result<()> {
    let times = match times {
        None => Some((SetTime::Now, SetTime::Now)),
        Some([atime, mtime]) => set_time(atime).zip(set_time(mtime)),
    };
    // utimensat(2): nothing to do is done without a look at the path.
    if times == Some((SetTime::Keep, SetTime::Keep)) {
        return Ok(());
    }
    let attr = |(atime, mtime)| SetAttr { atime, mtime, ..SetAttr::default() };
    if let (true, DirFd::At(fd)) = (path.is_null(), dirfd.0) {
        let times = times.filter(|_| flags.is_empty()).ok_or(Errno::EINVAL)?;
        return cx.process.fset_attr(fd, &attr(times));
    }
    flags.only(AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH)?;
    match times {
        Some(times) => set_attr(cx, dirfd, path, flags, &attr(times)),
        None => {
            // The file is found before the times are looked at.
            let _ = match Target::of(&cx.memory, cx.process, dirfd, path, flags)? {
                Target::Fd(fd) => cx.process.fstat(fd)?,
                Target::Path(dir, path) => cx.process.statat(dir, &path, flags.follow())?,
            };
            Err(Errno::EINVAL)
        }
    }
}

/// Sets a file's times, to the nanosecond; null is now. A null path is the open file `dirfd`.
///
/// # Errors
/// `EFAULT`; `EINVAL` for an unknown flag or nanoseconds out of range; `EBADF` for `dirfd`; what resolving gives; `EROFS`.
pub fn __syscall_utimensat(cx: &mut Call<'_>, dirfd: Dir, path: Path, times: Ptr, flags: AtFlags) -> Result<()> {
    let read = |at| timespec(&cx.memory, at);
    let times = if times.raw() == 0 { None } else { Some([read(times)?, read(times.offset(16)?)?]) };
    set_times(cx, dirfd, path, times, flags)
}

/// [`__syscall_utimensat`] with 32-bit seconds.
pub(crate) fn utimensat_32(cx: &mut Call<'_>, dirfd: Dir, path: Path, times: Ptr, flags: AtFlags) -> Result<()> {
    let read = |at| timespec_32(&cx.memory, at);
    let times = if times.raw() == 0 { None } else { Some([read(times)?, read(times.offset(8)?)?]) };
    set_times(cx, dirfd, path, times, flags)
}
