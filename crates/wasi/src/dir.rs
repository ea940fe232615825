use std::ops::ControlFlow;

use stratafs::{Cookie, DirEntry, Errno, Fd, Result};
use stratafs_abi::{Buffer, Call, GuestMemory, Out, Ptr, Size};

use crate::Prestat;
use crate::rights::{self, Rights};
use crate::types::{file_type, put};

/// Bytes of an entry before its name.
const HEADER: usize = 24;

/// Lists a directory from `cookie` on into a buffer: "." and ".." first, as many entries as fit, the last of them cut off where the buffer
/// ends. A buffer that is not full holds the end.
///
/// # Errors
/// `EFAULT`; `EBADF`; `ENOTDIR`; `ENOTCAPABLE`. A directory that has been removed is at its end.
pub fn fd_readdir(cx: &mut Call<'_>, fd: Fd, buf: Buffer, buf_len: Size, cookie: Cookie, used: Out<Size>) -> Result<()> {
    cx.memory.check(buf.ptr(), buf_len)?;
    used.check(&cx.memory)?;
    rights::directory(cx.process, fd, Rights::FD_READDIR)?;
    let mut listing = Listing { memory: &mut cx.memory, at: buf.ptr(), left: buf_len.raw() };
    let mut result = Ok(());
    let listed = cx.process.read_dir(fd, cookie, &mut |entry| match listing.entry(&entry) {
        Ok(flow) => flow,
        Err(errno) => {
            result = Err(errno);
            ControlFlow::Break(())
        }
    });
    match listed {
        // A directory that was removed while it is open is at its end for POSIX; wasi-libc leaves that to us, where glibc sees to it.
        Err(Errno::ENOENT) => {}
        listed => listed?,
    }
    let filled = buf_len.raw().saturating_sub(listing.left);
    result?;
    used.store(&mut cx.memory, &Size::new(filled))
}

/// The rest of a guest's buffer for entries.
struct Listing<'m, 'a> {
    memory: &'m mut GuestMemory<'a>,
    at: Ptr,
    left: u32,
}

impl Listing<'_, '_> {
    fn entry(&mut self, entry: &DirEntry<'_>) -> Result<ControlFlow<()>> {
        let mut header = [0; HEADER];
        put(&mut header, 0, entry.next.to_le_bytes());
        put(&mut header, 8, entry.ino.to_le_bytes());
        put(&mut header, 16, Size::of(entry.name.len())?.raw().to_le_bytes());
        put(&mut header, 20, [file_type(entry.kind)]);
        for piece in [&header, entry.name] {
            let fits = piece.get(..Size::new(self.left).get()).unwrap_or(piece);
            self.memory.write(self.at, fits)?;
            let len = Size::of(fits.len())?.raw();
            self.left -= len;
            if self.left == 0 {
                return Ok(ControlFlow::Break(()));
            }
            self.at = self.at.offset(len)?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn preopen(cx: &Call<'_>, fd: Fd) -> Result<Option<std::sync::Arc<[u8]>>> {
    Ok(cx.process.descriptor(fd)?.preopen.clone())
}

/// What kind of preopen a descriptor is: a directory, with the length of its name.
///
/// # Errors
/// `EFAULT`; `EBADF` when it is not open or no preopen.
pub fn fd_prestat_get(cx: &mut Call<'_>, fd: Fd, prestat: Out<Prestat>) -> Result<()> {
    prestat.check(&cx.memory)?;
    let name = preopen(cx, fd)?.ok_or(Errno::EBADF)?;
    prestat.store(&mut cx.memory, &Prestat(Size::of(name.len())?.raw()))
}

/// The name of a preopened directory, without a NUL. The buffer may be longer than the name.
///
/// # Errors
/// `EFAULT`; `EBADF`; `ENOTDIR` when it is no preopen; `ENAMETOOLONG` when the buffer is too short.
pub fn fd_prestat_dir_name(cx: &mut Call<'_>, fd: Fd, path: Buffer, path_len: Size) -> Result<()> {
    cx.memory.check(path.ptr(), path_len)?;
    let name = preopen(cx, fd)?.ok_or(Errno::ENOTDIR)?;
    if name.len() > path_len.get() {
        return Err(Errno::ENAMETOOLONG);
    }
    cx.memory.write(path.ptr(), &name)
}
