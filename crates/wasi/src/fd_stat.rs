use stratafs::{Errno, Fd, FileKind, OpenFile, Result, SetAttr, StatusFlags};
use stratafs_abi::{Call, Out};

use crate::rights::{self, Rights};
use crate::types::file_type;
use crate::{FdFlags, FdStat, FileStat, FstFlags};

/// The type that a descriptor shows. A program takes a character device that cannot seek for a terminal, so only a terminal shows as one.
fn shown_type(file: &OpenFile) -> u8 {
    match file.kind() {
        FileKind::CharDevice if file.is_stream() && !file.is_terminal() => file_type(FileKind::Fifo),
        kind => file_type(kind),
    }
}

/// The type, flags and rights of a descriptor.
///
/// # Errors
/// `EFAULT`; `EBADF`.
pub fn fd_fdstat_get(cx: &mut Call<'_>, fd: Fd, stat: Out<FdStat>) -> Result<()> {
    stat.check(&cx.memory)?;
    let descriptor = cx.process.descriptor(fd)?;
    let status = descriptor.file.status();
    let mut flags = FdFlags::default();
    if status.append {
        flags = flags.and(FdFlags::APPEND);
    }
    if status.nonblock {
        flags = flags.and(FdFlags::NONBLOCK);
    }
    let (base, inheriting) = Rights::of(descriptor);
    let shown = FdStat { file_type: shown_type(&descriptor.file), flags, base, inheriting };
    stat.store(&mut cx.memory, &shown)
}

/// Changes the status flags of an open file.
///
/// # Errors
/// `EINVAL` for flags other than append and non-blocking; `EBADF`; `ENOTCAPABLE`.
pub fn fd_fdstat_set_flags(cx: &mut Call<'_>, fd: Fd, flags: FdFlags) -> Result<()> {
    if flags.has_any(FdFlags::DSYNC.and(FdFlags::RSYNC).and(FdFlags::SYNC)) {
        return Err(Errno::EINVAL);
    }
    rights::file(cx.process, fd, Rights::FD_FDSTAT_SET_FLAGS)?;
    let status = StatusFlags { append: flags.has(FdFlags::APPEND), nonblock: flags.has(FdFlags::NONBLOCK) };
    cx.process.set_status_flags(fd, status)
}

/// Takes rights away from a descriptor.
///
/// # Errors
/// `EBADF`; `ENOTCAPABLE` for a right that it does not have.
pub fn fd_fdstat_set_rights(cx: &mut Call<'_>, fd: Fd, base: Rights, inheriting: Rights) -> Result<()> {
    let descriptor = cx.process.descriptor_mut(fd)?;
    let (old_base, old_inheriting) = Rights::of(descriptor);
    if !old_base.has(base) || !old_inheriting.has(inheriting) {
        return Err(Errno::ENOTCAPABLE);
    }
    descriptor.rights = Rights::kept(base, inheriting);
    Ok(())
}

/// The attributes of an open file.
///
/// # Errors
/// `EFAULT`; `EBADF`; `ENOTCAPABLE`.
pub fn fd_filestat_get(cx: &mut Call<'_>, fd: Fd, stat: Out<FileStat>) -> Result<()> {
    stat.check(&cx.memory)?;
    rights::file(cx.process, fd, Rights::FD_FILESTAT_GET)?;
    let found = cx.process.fstat(fd)?;
    stat.store(&mut cx.memory, &FileStat(found))
}

/// Cuts or grows a file to `size` bytes.
///
/// # Errors
/// `EBADF`; `ENOTCAPABLE`; `EINVAL` when it is not a file, not open for writing, or past `i64::MAX`; `EFBIG`, `ENOSPC`.
pub fn fd_filestat_set_size(cx: &mut Call<'_>, fd: Fd, size: u64) -> Result<()> {
    rights::file(cx.process, fd, Rights::FD_FILESTAT_SET_SIZE)?;
    cx.process.ftruncate(fd, size)
}

/// Sets the times of an open file.
///
/// # Errors
/// `EINVAL` for a time that is both given and now; `EBADF`; `ENOTCAPABLE`; `EROFS`; `EPERM` on a stream.
pub fn fd_filestat_set_times(cx: &mut Call<'_>, fd: Fd, atim: u64, mtim: u64, flags: FstFlags) -> Result<()> {
    let (atime, mtime) = flags.times(atim, mtim)?;
    rights::file(cx.process, fd, Rights::FD_FILESTAT_SET_TIMES)?;
    cx.process.fset_attr(fd, &SetAttr { atime, mtime, ..SetAttr::default() })
}
