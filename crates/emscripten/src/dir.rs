use std::ops::ControlFlow;

use stratafs::{DirEntry, Errno, Fd, Result, Whence};
use stratafs_abi::{Buffer, Call, Size};

use crate::args::check_buffer;
use crate::layout::entry_type;

/// Bytes before the name of a `struct dirent`.
const HEAD: usize = 19;
/// The most that one call lists.
const MOST: usize = 64 << 10;

/// Appends a `struct dirent`, padded to 8 bytes, unless that makes more than `room` bytes. Answers whether it fitted.
fn append(list: &mut Vec<u8>, entry: &DirEntry<'_>, room: usize) -> bool {
    let len = (HEAD + entry.name.len() + 1).next_multiple_of(8);
    let Ok(reclen) = u16::try_from(len) else { return false };
    let end = list.len() + len;
    if end > room {
        return false;
    }
    list.extend_from_slice(&entry.ino.to_le_bytes());
    list.extend_from_slice(&entry.next.to_le_bytes());
    list.extend_from_slice(&reclen.to_le_bytes());
    list.push(entry_type(entry.kind));
    list.extend_from_slice(entry.name);
    list.resize(end, 0);
    true
}

/// Lists an open directory from its offset on, and moves that. Answers the bytes written, 0 at the end.
///
/// # Errors
/// `EBADF`; `ENOTDIR`; `EFAULT`; `EINVAL` when the next entry does not fit; `ENOENT` when the directory has been removed.
pub fn __syscall_getdents64(cx: &mut Call<'_>, fd: Fd, dirp: Buffer, count: Size) -> Result<u32> {
    let room = count.get().min(MOST);
    let from = match cx.process.lseek(fd, Whence::Current, 0) {
        Err(Errno::ESPIPE) => return Err(Errno::ENOTDIR),
        from => from?,
    };
    check_buffer(&cx.memory, dirp.ptr(), Size::of(room)?)?;
    let mut list = Vec::with_capacity(room.min(4096));
    let (mut next, mut full) = (from, false);
    let listed = cx.process.read_dir(fd, from, &mut |entry| {
        if append(&mut list, &entry, room) {
            next = entry.next;
            return ControlFlow::Continue(());
        }
        full = true;
        ControlFlow::Break(())
    });
    if list.is_empty() {
        listed?;
        return if full { Err(Errno::EINVAL) } else { Ok(0) };
    }
    cx.process.lseek(fd, Whence::Set, i64::try_from(next).map_err(|_| Errno::EOVERFLOW)?)?;
    cx.memory.write(dirp.ptr(), &list)?;
    Ok(Size::of(list.len())?.raw())
}
