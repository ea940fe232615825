use stratafs::{Errno, Fd, FileKind, Outcome, Result, Whence};
use stratafs_abi::{Call, IoVecs, Out, Size};

use crate::rights::{self, Rights};
use crate::{Advice, SeekFrom};

/// Tells how a part of a file will be used. Nothing is done with it.
///
/// # Errors
/// `EINVAL` for unknown advice or a length past `i64::MAX`; `EBADF`; `ENOTCAPABLE`; `ESPIPE` on a pipe.
pub fn fd_advise(cx: &mut Call<'_>, fd: Fd, _offset: u64, len: u64, _advice: Advice) -> Result<()> {
    rights::file(cx.process, fd, Rights::FD_ADVISE)?;
    i64::try_from(len).map_err(|_| Errno::EINVAL)?;
    cx.process.fadvise(fd)
}

/// Makes a file at least `offset + len` bytes long.
///
/// # Errors
/// `EBADF`, also when not open for writing; `ENOTCAPABLE`; `EINVAL`, `EFBIG`, `ESPIPE`, `ENODEV`, `ENOSPC`.
pub fn fd_allocate(cx: &mut Call<'_>, fd: Fd, offset: u64, len: u64) -> Result<()> {
    rights::file(cx.process, fd, Rights::FD_ALLOCATE)?;
    cx.process.fallocate(fd, offset, len)
}

/// Closes a descriptor, a preopen or standard stream too.
///
/// # Errors
/// `EBADF`.
pub fn fd_close(cx: &mut Call<'_>, fd: Fd) -> Result<()> {
    cx.process.close(fd)
}

/// Brings a file's data to stable storage.
///
/// # Errors
/// `EBADF`; `ENOTCAPABLE`; `EINVAL` on a stream.
pub fn fd_datasync(cx: &mut Call<'_>, fd: Fd) -> Result<()> {
    // wasi-libc leaves FD_DATASYNC away where a file is opened for reading; the greater right holds the lesser.
    rights::file(cx.process, fd, Rights::FD_DATASYNC.and(Rights::FD_SYNC))?;
    cx.process.sync(fd, true)
}

/// Brings a file to stable storage.
///
/// # Errors
/// As [`fd_datasync`].
pub fn fd_sync(cx: &mut Call<'_>, fd: Fd) -> Result<()> {
    rights::file(cx.process, fd, Rights::FD_SYNC)?;
    cx.process.sync(fd, false)
}

/// Moves `from` to the number `to` and closes what `to` was.
///
/// # Errors
/// `EBADF` when either is not open.
pub fn fd_renumber(cx: &mut Call<'_>, from: Fd, to: Fd) -> Result<()> {
    cx.process.renumber(from, to)
}

/// Reads at the offset and moves it. May wait on a stream.
///
/// # Errors
/// `EFAULT`; `EINVAL` for too many buffers; `EBADF`, also when not open for reading; `ENOTCAPABLE`; `EISDIR`; `EAGAIN` when non-blocking.
pub fn fd_read(cx: &mut Call<'_>, fd: Fd, iovs: IoVecs, iovs_len: Size, nread: Out<Size>) -> Result<Outcome<()>> {
    nread.check(&cx.memory)?;
    let mut bufs = iovs.scatter(&mut cx.memory, iovs_len, cx.process.limits())?;
    rights::file(cx.process, fd, Rights::FD_READ)?;
    match cx.process.read(fd, &mut bufs)? {
        Outcome::Ready(n) => nread.store(&mut cx.memory, &Size::of(n)?).map(Outcome::Ready),
        Outcome::Wait(wait) => Ok(Outcome::Wait(wait)),
    }
}

/// Reads at `offset` and leaves the file's own.
///
/// # Errors
/// `EFAULT`; `EINVAL` for too many buffers and past `i64::MAX`; `EBADF`, also when not open for reading; `ENOTCAPABLE`; `ESPIPE` on a stream;
/// `EISDIR`.
pub fn fd_pread(cx: &mut Call<'_>, fd: Fd, iovs: IoVecs, iovs_len: Size, offset: u64, nread: Out<Size>) -> Result<()> {
    nread.check(&cx.memory)?;
    let mut bufs = iovs.scatter(&mut cx.memory, iovs_len, cx.process.limits())?;
    rights::file(cx.process, fd, Rights::FD_READ)?;
    rights::file(cx.process, fd, Rights::FD_SEEK)?;
    let n = cx.process.pread(fd, &mut bufs, offset)?;
    nread.store(&mut cx.memory, &Size::of(n)?)
}

/// Writes at the offset and moves it. May wait on a stream.
///
/// # Errors
/// `EFAULT`; `EINVAL` for too many buffers; `EBADF`, also when not open for writing; `ENOTCAPABLE`; `EAGAIN` when non-blocking; `EPIPE`, `ENOSPC`,
/// `EFBIG`.
pub fn fd_write(cx: &mut Call<'_>, fd: Fd, iovs: IoVecs, iovs_len: Size, nwritten: Out<Size>) -> Result<Outcome<()>> {
    nwritten.check(&cx.memory)?;
    let bufs = iovs.gather(&cx.memory, iovs_len, cx.process.limits())?;
    rights::file(cx.process, fd, Rights::FD_WRITE)?;
    match cx.process.write(fd, bufs.as_slices())? {
        Outcome::Ready(n) => nwritten.store(&mut cx.memory, &Size::of(n)?).map(Outcome::Ready),
        Outcome::Wait(wait) => Ok(Outcome::Wait(wait)),
    }
}

/// Writes at `offset`, or at the end when appending, and leaves the file's own.
///
/// # Errors
/// `EFAULT`; `EINVAL` for too many buffers and past `i64::MAX`; `EBADF`, also when not open for writing; `ENOTCAPABLE`; `ESPIPE` on a stream;
/// `ENOSPC`, `EFBIG`.
pub fn fd_pwrite(cx: &mut Call<'_>, fd: Fd, iovs: IoVecs, iovs_len: Size, offset: u64, nwritten: Out<Size>) -> Result<()> {
    nwritten.check(&cx.memory)?;
    let bufs = iovs.gather(&cx.memory, iovs_len, cx.process.limits())?;
    rights::file(cx.process, fd, Rights::FD_WRITE)?;
    rights::file(cx.process, fd, Rights::FD_SEEK)?;
    let n = cx.process.pwrite(fd, bufs.as_slices(), offset)?;
    nwritten.store(&mut cx.memory, &Size::of(n)?)
}

/// Moves the offset.
///
/// # Errors
/// `EINVAL` for an unknown origin; `EFAULT`; `EBADF`, also on a directory, whose listing goes by cookies; `ENOTCAPABLE`; `ESPIPE` on a stream; `EINVAL`
/// before the start.
pub fn fd_seek(cx: &mut Call<'_>, fd: Fd, offset: i64, whence: SeekFrom, at: Out<u64>) -> Result<()> {
    at.check(&cx.memory)?;
    // Finding out where one is moves nothing.
    let enough = if offset == 0 && whence == SeekFrom::Current { Rights::FD_SEEK.and(Rights::FD_TELL) } else { Rights::FD_SEEK };
    seekable(cx, fd, enough)?;
    let offset = cx.process.lseek(fd, whence.into(), offset)?;
    at.store(&mut cx.memory, &offset)
}

/// The offset.
///
/// # Errors
/// `EFAULT`; `EBADF`, also on a directory; `ENOTCAPABLE`; `ESPIPE` on a stream.
pub fn fd_tell(cx: &mut Call<'_>, fd: Fd, at: Out<u64>) -> Result<()> {
    at.check(&cx.memory)?;
    seekable(cx, fd, Rights::FD_TELL)?;
    let offset = cx.process.lseek(fd, Whence::Current, 0)?;
    at.store(&mut cx.memory, &offset)
}

fn seekable(cx: &Call<'_>, fd: Fd, enough: Rights) -> Result<()> {
    if cx.process.descriptor(fd)?.file.kind() == FileKind::Directory {
        return Err(Errno::EBADF);
    }
    rights::file(cx.process, fd, enough)
}
