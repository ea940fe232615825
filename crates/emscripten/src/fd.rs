use stratafs::{Errno, Fd, FileKind, LockHolder, LockKind, OpenFile, Outcome, Result, StatusFlags, Whence};
use stratafs_abi::{Call, GuestMemory, Ptr, Size};

use crate::args::{Varargs, check_buffer};
use crate::layout::put;
use crate::open::OpenFlags;

/// Another descriptor of the same open file, at the lowest free number.
///
/// # Errors
/// `EBADF`, `EMFILE`.
pub fn __syscall_dup(cx: &mut Call<'_>, fd: Fd) -> Result<u32> {
    cx.process.dup(fd, Fd::STDIN, false).map(Fd::raw)
}

/// Makes `newfd` another descriptor of the same open file, closing what it was.
///
/// # Errors
/// `EINVAL` for an unknown flag or the same number; `EBADF`.
pub fn __syscall_dup3(cx: &mut Call<'_>, fd: Fd, newfd: Fd, flags: u32) -> Result<u32> {
    if flags & !OpenFlags::CLOEXEC != 0 || fd == newfd {
        return Err(Errno::EINVAL);
    }
    cx.process.dup_to(fd, newfd, flags != 0).map(Fd::raw)
}

/// Makes a pipe; the end to read and the end to write go to `fds`.
///
/// # Errors
/// `EINVAL` for an unknown flag; `EFAULT`; `EMFILE`.
pub fn __syscall_pipe2(cx: &mut Call<'_>, fds: Ptr, flags: u32) -> Result<()> {
    if flags & !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    check_buffer(&cx.memory, fds, Size::new(8))?;
    let (read, write) = cx.process.pipe(flags & OpenFlags::NONBLOCK != 0, flags & OpenFlags::CLOEXEC != 0)?;
    cx.memory.write_u32(fds, read.raw())?;
    cx.memory.write_u32(fds.offset(4)?, write.raw())
}

/// [`__syscall_pipe2`] without flags.
///
/// # Errors
/// `EFAULT`; `EMFILE`.
pub fn __syscall_pipe(cx: &mut Call<'_>, fds: Ptr) -> Result<()> {
    __syscall_pipe2(cx, fds, 0)
}

const F_DUPFD: u32 = 0;
const F_GETFD: u32 = 1;
const F_SETFD: u32 = 2;
const F_GETFL: u32 = 3;
const F_SETFL: u32 = 4;
const F_GETLK: u32 = 12;
const F_SETLK: u32 = 13;
const F_SETLKW: u32 = 14;
// The same, as 3.1.6 numbers them; its record is the same, too.
const F_GETLK_SPLIT: u32 = 5;
const F_SETLK_SPLIT: u32 = 6;
const F_SETLKW_SPLIT: u32 = 7;
const F_OFD_GETLK: u32 = 36;
const F_OFD_SETLK: u32 = 37;
const F_OFD_SETLKW: u32 = 38;
const F_DUPFD_CLOEXEC: u32 = 1030;
const F_SETPIPE_SZ: u32 = 1031;
const F_GETPIPE_SZ: u32 = 1032;
const FD_CLOEXEC: u32 = 1;

/// Everything that a descriptor, its open file and its file can be asked beside reading and writing.
///
/// # Errors
/// `EBADF`; `EINVAL` for an unknown command; `EFAULT`; `EMFILE`; those of [`Process::set_pipe_size`](stratafs::Process::set_pipe_size); those of [`Process::set_lock`](stratafs::Process::set_lock) and
/// [`Process::lock_range`](stratafs::Process::lock_range).
pub fn __syscall_fcntl64(cx: &mut Call<'_>, fd: Fd, cmd: u32, varargs: Varargs) -> Result<Outcome<u32>> {
    let file = &cx.process.descriptor(fd)?.file;
    if file.is_path() && !matches!(cmd, F_DUPFD | F_DUPFD_CLOEXEC | F_GETFD | F_SETFD | F_GETFL) {
        return Err(Errno::EBADF);
    }
    let arg = || varargs.first(&cx.memory);
    Ok(Outcome::Ready(match cmd {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let at_least = Fd::new(arg()?);
            cx.process.dup(fd, at_least, cmd == F_DUPFD_CLOEXEC)?.raw()
        }
        F_GETFD => u32::from(cx.process.descriptor(fd)?.cloexec),
        F_SETFD => {
            let flags = arg()?;
            cx.process.descriptor_mut(fd)?.cloexec = flags & FD_CLOEXEC != 0;
            0
        }
        F_GETFL => status_bits(file),
        F_SETFL => {
            let flags = arg()?;
            let status = StatusFlags { append: flags & OpenFlags::APPEND != 0, nonblock: flags & OpenFlags::NONBLOCK != 0 };
            cx.process.set_status_flags(fd, status)?;
            0
        }
        F_GETLK | F_GETLK_SPLIT | F_OFD_GETLK => {
            let at = Ptr::new(arg()?);
            get_lock(cx, fd, holder(cmd), at)?;
            0
        }
        F_SETLK | F_SETLK_SPLIT | F_SETLKW | F_SETLKW_SPLIT | F_OFD_SETLK | F_OFD_SETLKW => {
            let at = Ptr::new(arg()?);
            let wait = matches!(cmd, F_SETLKW | F_SETLKW_SPLIT | F_OFD_SETLKW);
            return Ok(set_lock(cx, fd, holder(cmd), at, wait)?.map(|()| 0));
        }
        F_GETPIPE_SZ => u32::try_from(cx.process.pipe_size(fd)?).map_err(|_| Errno::EOVERFLOW)?,
        F_SETPIPE_SZ => {
            let bytes = arg()?;
            u32::try_from(cx.process.set_pipe_size(fd, bytes)?).map_err(|_| Errno::EOVERFLOW)?
        }
        _ => return Err(Errno::EINVAL),
    }))
}

/// What `F_GETFL` answers.
fn status_bits(file: &OpenFile) -> u32 {
    if file.is_path() {
        return OpenFlags::PATH;
    }
    let access = match (file.access().read, file.access().write) {
        (true, false) => 0,
        (false, true) => OpenFlags::WRONLY,
        (true, true) => OpenFlags::RDWR,
        (false, false) => OpenFlags::ACCMODE,
    };
    let status = file.status();
    let append = if status.append { OpenFlags::APPEND } else { 0 };
    let nonblock = if status.nonblock { OpenFlags::NONBLOCK } else { 0 };
    // A 64-bit Linux shows it for whatever was opened by a path.
    let large = if matches!(file.kind(), FileKind::Fifo | FileKind::Socket) { 0 } else { OpenFlags::LARGEFILE };
    access | append | nonblock | large
}

fn holder(cmd: u32) -> LockHolder {
    if cmd >= F_OFD_GETLK { LockHolder::OpenFile } else { LockHolder::Process }
}

const F_RDLCK: u16 = 0;
const F_WRLCK: u16 = 1;
const F_UNLCK: u16 = 2;

/// `struct flock`, 32 bytes.
struct Flock {
    kind: Option<LockKind>,
    whence: Whence,
    start: i64,
    len: i64,
}

impl Flock {
    fn load(memory: &GuestMemory<'_>, at: Ptr, holder: LockHolder) -> Result<Self> {
        check_buffer(memory, at, Size::new(32))?;
        let whence = match memory.read_u16(at.offset(2)?)? {
            0 => Whence::Set,
            1 => Whence::Current,
            2 => Whence::End,
            _ => return Err(Errno::EINVAL),
        };
        let kind = match memory.read_u16(at)? {
            F_RDLCK => Some(LockKind::Shared),
            F_WRLCK => Some(LockKind::Exclusive),
            F_UNLCK => None,
            _ => return Err(Errno::EINVAL),
        };
        // fcntl(2): the process number of an open file's lock must be given as 0.
        if holder == LockHolder::OpenFile && memory.read_u32(at.offset(24)?)? != 0 {
            return Err(Errno::EINVAL);
        }
        let number = |offset| memory.read_u64(at.offset(offset)?).map(u64::cast_signed);
        Ok(Flock { kind, whence, start: number(8)?, len: number(16)? })
    }
}

fn set_lock(cx: &mut Call<'_>, fd: Fd, holder: LockHolder, at: Ptr, wait: bool) -> Result<Outcome<()>> {
    let flock = Flock::load(&cx.memory, at, holder)?;
    let range = cx.process.lock_range(fd, flock.whence, flock.start, flock.len)?;
    cx.process.set_lock(fd, holder, range, flock.kind, wait)
}

fn get_lock(cx: &mut Call<'_>, fd: Fd, holder: LockHolder, at: Ptr) -> Result<()> {
    let flock = Flock::load(&cx.memory, at, holder)?;
    let range = cx.process.lock_range(fd, flock.whence, flock.start, flock.len)?;
    let kind = flock.kind.ok_or(Errno::EINVAL)?;
    let Some(held) = cx.process.get_lock(fd, holder, range, kind)? else { return cx.memory.write_u16(at, F_UNLCK) };
    let process = held.process.map_or(-1, |id| i32::try_from(id).unwrap_or(i32::MAX));
    let mut record = [0; 28];
    let kind = match held.kind {
        LockKind::Shared => F_RDLCK,
        LockKind::Exclusive => F_WRLCK,
    };
    put(&mut record, 0, kind.to_le_bytes());
    put(&mut record, 8, held.range.start().to_le_bytes());
    put(&mut record, 16, held.range.length().to_le_bytes());
    put(&mut record, 24, process.to_le_bytes());
    cx.memory.write(at, &record)
}
