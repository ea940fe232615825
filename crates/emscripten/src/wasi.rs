//! Functions of WASI preview1 that an Emscripten module imports and means otherwise than WASI does: they answer for what Emscripten's libc makes of
//! them. All others are WASI's own.

use stratafs::{Errno, Fd, FileKind, Result, Whence};
use stratafs_abi::{Call, Out, Ptr, Size};

use crate::args::{check_buffer, check_out};
use crate::layout::put;

/// Bytes of an `fdstat`.
const FDSTAT: u32 = 24;
const APPEND: u16 = 1;
const NONBLOCK: u16 = 4;

/// Moves an offset. In a directory it moves the listing, which is how `seekdir` and `rewinddir` do it; WASI has no offset there.
///
/// # Errors
/// `EFAULT`; `EINVAL` for an unknown `whence`; those of [`Process::lseek`](stratafs::Process::lseek).
pub fn fd_seek(cx: &mut Call<'_>, fd: Fd, offset: i64, whence: u32, at: Out<u64>) -> Result<()> {
    check_out(&cx.memory, at)?;
    let whence = match whence {
        0 => Whence::Set,
        1 => Whence::Current,
        2 => Whence::End,
        _ => return Err(Errno::EINVAL),
    };
    let offset = cx.process.lseek(fd, whence, offset)?;
    at.store(&mut cx.memory, &offset)
}

/// What a descriptor is. Only a terminal is shown as a character device: `isatty` asks for nothing else, and `/dev/null` is none.
///
/// # Errors
/// `EFAULT`, `EBADF`.
pub fn fd_fdstat_get(cx: &mut Call<'_>, fd: Fd, stat: Ptr) -> Result<()> {
    check_buffer(&cx.memory, stat, Size::new(FDSTAT))?;
    let file = &cx.process.descriptor(fd)?.file;
    let kind: u8 = match file.kind() {
        FileKind::CharDevice if file.is_terminal() => 2,
        FileKind::Directory => 3,
        FileKind::File => 4,
        FileKind::Socket => 6,
        FileKind::Symlink => 7,
        FileKind::Fifo | FileKind::CharDevice => 0,
    };
    let status = file.status();
    let flags = if status.append { APPEND } else { 0 } | if status.nonblock { NONBLOCK } else { 0 };
    let mut record = [0xff; FDSTAT as usize];
    put(&mut record, 0, [kind, 0]);
    put(&mut record, 2, flags.to_le_bytes());
    put(&mut record, 4, [0; 4]);
    cx.memory.write(stat, &record)
}
