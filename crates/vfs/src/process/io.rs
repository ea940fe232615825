use std::borrow::Cow;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;

use super::Process;
use crate::fd_table::Fd;
use crate::filesystem::FileHandle;
use crate::open_file::{Body, OpenFile};
use crate::wait::Outcome;
use crate::{Errno, FileKind, Result, SetAttr, SetTime, Stat};

/// Buffers that a read fills, lent one at a time: a guest's may overlap.
pub trait ReadBufs {
    /// How many there are.
    fn count(&self) -> usize;

    /// The buffer of that index.
    ///
    /// # Errors
    /// `EFAULT` when it does not lie in the guest's memory.
    fn get(&mut self, index: usize) -> Result<&mut [u8]>;
}

impl ReadBufs for &mut [IoSliceMut<'_>] {
    fn count(&self) -> usize {
        self.len()
    }

    fn get(&mut self, index: usize) -> Result<&mut [u8]> {
        self.get_mut(index).map(|buf| &mut **buf).ok_or(Errno::EFAULT)
    }
}

/// A single buffer to read into.
pub struct OneBuf<'a>(pub &'a mut [u8]);

impl ReadBufs for OneBuf<'_> {
    fn count(&self) -> usize {
        1
    }

    fn get(&mut self, _: usize) -> Result<&mut [u8]> {
        Ok(self.0)
    }
}

/// What a seek counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whence {
    /// The start.
    Set,
    /// The current offset.
    Current,
    /// The end.
    End,
}

/// Answers `EAGAIN` in place of a wait, where the guest asked for that.
fn unless_nonblocking<T>(file: &OpenFile, outcome: Outcome<T>) -> Result<Outcome<T>> {
    match outcome {
        Outcome::Wait(_) if file.status().nonblock => Err(Errno::EAGAIN),
        outcome => Ok(outcome),
    }
}

/// Fills `bufs` in order with `read`, which is told how many bytes came before. Ends at the first short read, and where an error comes
/// after the first bytes.
fn fill(bufs: &mut dyn ReadBufs, max: usize, mut read: impl FnMut(&mut [u8], usize) -> Result<usize>) -> Result<usize> {
    let mut total = 0;
    for index in 0..bufs.count() {
        let read = bufs.get(index).and_then(|buf| {
            let len = buf.len().min(max - total);
            if len == 0 { Ok((0, 0)) } else { Ok((len, read(buf.get_mut(..len).unwrap_or_default(), total)?)) }
        });
        match read {
            Ok((len, n)) => {
                total += n.min(len);
                if n < len {
                    break;
                }
            }
            Err(_) if total > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(total)
}

/// As [`check_span`], for what `bufs` take. Their sum is asked for only where it matters: a guest's buffers are not looked at twice.
fn check_read(bufs: &mut dyn ReadBufs, max: usize, offset: u64) -> Result<()> {
    if check_span(offset, max).is_ok() {
        return Ok(());
    }
    let sum = (0..bufs.count()).try_fold(0, |sum: usize, index| Ok(sum.saturating_add(bufs.get(index)?.len())))?;
    check_span(offset, sum.min(max))
}

fn read_file(handle: &Arc<dyn FileHandle>, bufs: &mut dyn ReadBufs, max: usize, offset: u64) -> Result<usize> {
    check_read(bufs, max, offset)?;
    fill(bufs, max, |buf, done| handle.read_at(buf, offset.saturating_add(done as u64)))
}

fn check_offset(offset: u64) -> Result<()> {
    i64::try_from(offset).map(drop).map_err(|_| Errno::EINVAL)
}

/// As Linux's `rw_verify_area`: where the last byte would lie past `i64::MAX`, nothing is moved at all.
fn check_span(offset: u64, len: usize) -> Result<()> {
    check_offset(offset.saturating_add(len as u64))
}

/// As much of `bufs` as one call may move.
fn cut<'a>(bufs: &'a [IoSlice<'a>], max: usize) -> Cow<'a, [IoSlice<'a>]> {
    let mut left = max;
    let fit = |buf: &IoSlice<'_>| left.checked_sub(buf.len()).map(|rest| left = rest).is_some();
    let whole = bufs.iter().map(fit).take_while(|&fits| fits).count();
    match bufs.get(whole) {
        None => Cow::Borrowed(bufs),
        Some(last) => {
            let part = last.get(..left).map(IoSlice::new);
            Cow::Owned(bufs.iter().take(whole).copied().chain(part).collect())
        }
    }
}

impl Process {
    /// Reads at the offset and moves it. 0 is the end, or no room.
    ///
    /// # Errors
    /// `EBADF` when not open for reading; `EISDIR`; `EINVAL` when the bytes asked for reach past `i64::MAX`; `EAGAIN` instead of a wait when
    /// non-blocking; what the file gives.
    pub fn read(&mut self, fd: Fd, bufs: &mut dyn ReadBufs) -> Result<Outcome<usize>> {
        self.abandon_wait();
        let file = &self.fds.get(fd)?.file;
        let max = self.limits.call;
        match file.readable()? {
            Body::File(handle) => {
                let offset = file.offset();
                let n = read_file(handle, bufs, max, offset)?;
                file.set_offset(offset.saturating_add(n as u64));
                Ok(Outcome::Ready(n))
            }
            Body::Stream(stream) => {
                let mut wait = None;
                let n = fill(bufs, max, |buf, _| match stream.read(buf)? {
                    Outcome::Ready(n) => Ok(n),
                    Outcome::Wait(first) => {
                        wait.get_or_insert(first);
                        Ok(0)
                    }
                })?;
                match wait {
                    Some(wait) if n == 0 => unless_nonblocking(file, Outcome::Wait(wait)),
                    _ => Ok(Outcome::Ready(n)),
                }
            }
            Body::Directory | Body::FdDirectory | Body::Path => Err(Errno::EISDIR),
        }
    }

    /// Reads at `offset` (bytes) and leaves the file's own offset.
    ///
    /// # Errors
    /// `EINVAL` past `i64::MAX`; `ESPIPE` on a stream; else as [`read`](Process::read).
    pub fn pread(&mut self, fd: Fd, bufs: &mut dyn ReadBufs, offset: u64) -> Result<usize> {
        self.abandon_wait();
        let file = &self.fds.get(fd)?.file;
        check_offset(offset)?;
        if file.is_stream() {
            return Err(Errno::ESPIPE);
        }
        match file.readable() {
            Ok(Body::File(handle)) => read_file(handle, bufs, self.limits.call, offset),
            Ok(_) | Err(Errno::EISDIR) => check_read(bufs, self.limits.call, offset).and(Err(Errno::EISDIR)),
            Err(errno) => Err(errno),
        }
    }

    /// Writes at the offset, or at the end when appending, and moves the offset.
    ///
    /// # Errors
    /// `EBADF` when not open for writing; `EINVAL` when the bytes reach past `i64::MAX`; `EAGAIN` instead of a wait when non-blocking; `EPIPE`;
    /// what the file gives.
    pub fn write(&mut self, fd: Fd, bufs: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        self.abandon_wait();
        let file = &self.fds.get(fd)?.file;
        let body = file.writable()?;
        let bufs = &*cut(bufs, self.limits.call);
        if matches!(body, Body::File(_)) {
            check_span(file.offset(), bufs.iter().map(|buf| buf.len()).sum())?;
        }
        match body {
            Body::File(handle) if file.status().append => {
                let (n, end) = handle.append(bufs)?;
                if n > 0 {
                    file.set_offset(end);
                }
                Ok(Outcome::Ready(n))
            }
            Body::File(handle) => {
                let offset = file.offset();
                let n = handle.write_at(bufs, offset)?;
                file.set_offset(offset.saturating_add(n as u64));
                Ok(Outcome::Ready(n))
            }
            Body::Stream(stream) => {
                let outcome = unless_nonblocking(file, stream.write(bufs)?)?;
                if let (FileKind::Fifo, Some(place), Outcome::Ready(1..)) = (file.kind(), &file.place, &outcome) {
                    // What was written is written, whether or not its time can be kept.
                    let _ = place.node.set_attr(&SetAttr { mtime: SetTime::Now, ..SetAttr::default() });
                }
                Ok(outcome)
            }
            Body::Directory | Body::FdDirectory | Body::Path => Err(Errno::EBADF),
        }
    }

    /// Writes at `offset` (bytes) and leaves the file's own offset; when appending, writes at the end, as Linux does.
    ///
    /// # Errors
    /// `EINVAL` past `i64::MAX`; `ESPIPE` on a stream; else as [`write`](Process::write).
    pub fn pwrite(&mut self, fd: Fd, bufs: &[IoSlice<'_>], offset: u64) -> Result<usize> {
        self.abandon_wait();
        let file = &self.fds.get(fd)?.file;
        check_offset(offset)?;
        if file.is_stream() {
            return Err(Errno::ESPIPE);
        }
        let body = file.writable()?;
        let bufs = &*cut(bufs, self.limits.call);
        check_span(offset, bufs.iter().map(|buf| buf.len()).sum())?;
        match body {
            Body::File(handle) if file.status().append => Ok(handle.append(bufs)?.0),
            Body::File(handle) => handle.write_at(bufs, offset),
            _ => Err(Errno::EBADF),
        }
    }

    /// Moves the offset of a file, or the place in a directory's listing.
    ///
    /// # Errors
    /// `EBADF`; `ESPIPE` on a stream; `EINVAL` before the start or past `i64::MAX`.
    pub fn lseek(&mut self, fd: Fd, whence: Whence, offset: i64) -> Result<u64> {
        let file = &self.fds.get(fd)?.file;
        match &file.body {
            Body::Stream(_) => return Err(Errno::ESPIPE),
            Body::Path => return Err(Errno::EBADF),
            // Devices have one position.
            Body::File(_) if file.kind() == FileKind::CharDevice => return Ok(0),
            Body::File(_) | Body::Directory | Body::FdDirectory => {}
        }
        let base = match whence {
            Whence::Set => 0,
            Whence::Current => file.offset(),
            Whence::End => match &file.body {
                Body::File(handle) => handle.stat()?.size,
                _ => return Err(Errno::EINVAL),
            },
        };
        let target = base.checked_add_signed(offset).ok_or(Errno::EINVAL)?;
        check_offset(target)?;
        file.set_offset(target);
        Ok(target)
    }

    /// Brings a file to stable storage where there is such a thing.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` on a stream; what the file gives.
    pub fn sync(&mut self, fd: Fd, data_only: bool) -> Result<()> {
        match &self.fds.get(fd)?.file.body {
            Body::File(handle) => handle.sync(data_only),
            Body::Stream(_) => Err(Errno::EINVAL),
            Body::Path => Err(Errno::EBADF),
            Body::Directory | Body::FdDirectory => Ok(()),
        }
    }

    /// Makes a file at least `offset + len` bytes long, reserving the space where that means something.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` for a length of 0 or past `i64::MAX`; `EBADF` when not open for writing; `EFBIG` for their sum; `ESPIPE` on
    /// a pipe, `ENODEV` on what is not a file; `ENOSPC`.
    pub fn fallocate(&mut self, fd: Fd, offset: u64, len: u64) -> Result<()> {
        let file = &self.fds.get(fd)?.file;
        if file.is_path() {
            return Err(Errno::EBADF);
        }
        check_offset(offset)?;
        check_offset(len)?;
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        match file.writable()? {
            Body::File(handle) if file.kind() == FileKind::File => {
                if offset.checked_add(len).is_none_or(|end| check_offset(end).is_err()) {
                    return Err(Errno::EFBIG);
                }
                handle.allocate(offset, len)
            }
            Body::Stream(_) if file.kind() == FileKind::Fifo => Err(Errno::ESPIPE),
            _ => Err(Errno::ENODEV),
        }
    }

    /// Takes advice on how a file will be used, and does nothing with it.
    ///
    /// # Errors
    /// `EBADF`; `ESPIPE` on a pipe.
    pub fn fadvise(&self, fd: Fd) -> Result<()> {
        let file = &self.fds.get(fd)?.file;
        if file.is_path() {
            return Err(Errno::EBADF);
        }
        if file.is_stream() && file.kind() == FileKind::Fifo { Err(Errno::ESPIPE) } else { Ok(()) }
    }

    /// An open file's attributes.
    ///
    /// # Errors
    /// `EBADF`; what the storage gives.
    pub fn fstat(&self, fd: Fd) -> Result<Stat> {
        self.fds.get(fd)?.file.stat()
    }

    /// Changes an open file's mode, owner or times.
    ///
    /// # Errors
    /// `EBADF`, also for a descriptor that is only a place; `EROFS`; `EPERM` on a stream.
    pub fn fset_attr(&mut self, fd: Fd, attr: &SetAttr) -> Result<()> {
        self.fds.get(fd)?.file.set_attr(attr)
    }

    /// Cuts or grows a file to `size` bytes.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` when not a file, not open for writing, or past `i64::MAX`; `EFBIG`, `ENOSPC`.
    pub fn ftruncate(&mut self, fd: Fd, size: u64) -> Result<()> {
        let file = &self.fds.get(fd)?.file;
        check_offset(size)?;
        if file.is_path() {
            return Err(Errno::EBADF);
        }
        if file.kind() != FileKind::File || !file.access().write {
            return Err(Errno::EINVAL);
        }
        file.set_attr(&SetAttr::size(size))
    }
}
