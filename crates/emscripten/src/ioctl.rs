use stratafs::stream::TerminalSize;
use stratafs::{Errno, Fd, FileKind, Outcome, PollFd, Process, Result, StatusFlags};
use stratafs_abi::{Call, Ptr, Size};

use crate::args::{Varargs, check_buffer};
use crate::layout::put;

const TCGETS: u32 = 0x5401;
const TCSETS: u32 = 0x5402;
const TCSETSW: u32 = 0x5403;
const TCSETSF: u32 = 0x5404;
const TCFLSH: u32 = 0x540b;
const TIOCGPGRP: u32 = 0x540f;
const TIOCSPGRP: u32 = 0x5410;
const TIOCGWINSZ: u32 = 0x5413;
const TIOCSWINSZ: u32 = 0x5414;
const FIONREAD: u32 = 0x541b;
const FIONBIO: u32 = 0x5421;
const FIONCLEX: u32 = 0x5450;
const FIOCLEX: u32 = 0x5451;

/// Bytes of a `struct termios` that say something: four flags, the line discipline, 19 control characters.
const TERMIOS_USED: u32 = 36;
/// The process group that the guest's libc says it is in.
const GROUP: u32 = 42;

/// The `struct termios` of a terminal as a login gives it: lines are edited, echoed and turned into signals.
fn termios() -> [u8; 60] {
    let mut record = [0; 60];
    let flags: [(usize, u32); 4] = [(0, 0x500), (4, 0x5), (8, 0xbf), (12, 0x8a3b)];
    for (start, flags) in flags {
        put(&mut record, start, flags.to_le_bytes());
    }
    put(&mut record, 17, [3, 0x1c, 0x7f, 0x15, 4, 0, 1, 0, 0x11, 0x13, 0x1a, 0, 0x12, 0xf, 0x17, 0x16]);
    record
}

/// Does something with a device or stream. Unknown requests are `ENOTTY`, as on Linux.
///
/// # Errors
/// `EBADF`; `ENOTTY`; `EFAULT`; `ENOTSUP` to change what the host's terminal does, `EPERM` to give it to another group.
pub fn __syscall_ioctl(cx: &mut Call<'_>, fd: Fd, op: u32, varargs: Varargs) -> Result<()> {
    let descriptor = cx.process.descriptor(fd)?;
    if descriptor.file.is_path() {
        return Err(Errno::EBADF);
    }
    let kind = descriptor.file.kind();
    let arg = Ptr::new(varargs.first(&cx.memory)?);
    match op {
        FIOCLEX | FIONCLEX => cx.process.descriptor_mut(fd)?.cloexec = op == FIOCLEX,
        FIONBIO => {
            check_buffer(&cx.memory, arg, Size::new(4))?;
            let nonblock = cx.memory.read_u32(arg)? != 0;
            let status = cx.process.status_flags(fd)?;
            cx.process.set_status_flags(fd, StatusFlags { nonblock, ..status })?;
        }
        FIONREAD if kind != FileKind::Directory && (kind != FileKind::CharDevice || descriptor.file.is_stream()) => {
            check_buffer(&cx.memory, arg, Size::new(4))?;
            let bytes = readable(cx.process, fd)?;
            cx.memory.write_u32(arg, bytes)?;
        }
        _ => {
            let terminal = descriptor.file.as_stream().and_then(|stream| stream.terminal());
            return on_terminal(cx, op, arg, terminal.ok_or(Errno::ENOTTY)?);
        }
    }
    Ok(())
}

/// Bytes that can be read from a descriptor without waiting.
fn readable(process: &mut Process, fd: Fd) -> Result<u32> {
    let mut fds = [PollFd::new(fd, true, false)];
    let Outcome::Ready(_) = process.poll(&mut fds, Some(std::time::Duration::ZERO))? else { return Ok(0) };
    let [PollFd { ready, .. }] = fds;
    Ok(u32::try_from(ready?.bytes.min(i32::MAX as u64)).unwrap_or_default())
}

fn on_terminal(cx: &mut Call<'_>, op: u32, arg: Ptr, size: TerminalSize) -> Result<()> {
    match op {
        TCGETS => {
            check_buffer(&cx.memory, arg, Size::new(60))?;
            cx.memory.write(arg, &termios())
        }
        TCSETS | TCSETSW | TCSETSF => {
            check_buffer(&cx.memory, arg, Size::new(60))?;
            let asked = cx.memory.bytes(arg, Size::new(TERMIOS_USED))?;
            // The host's terminal is not the guest's to change; what would change nothing has been done.
            if termios().starts_with(&asked) { Ok(()) } else { Err(Errno::ENOTSUP) }
        }
        TCFLSH => Ok(()),
        TIOCGPGRP => {
            check_buffer(&cx.memory, arg, Size::new(4))?;
            cx.memory.write_u32(arg, GROUP)
        }
        TIOCSPGRP => {
            check_buffer(&cx.memory, arg, Size::new(4))?;
            if cx.memory.read_u32(arg)? == GROUP { Ok(()) } else { Err(Errno::EPERM) }
        }
        TIOCGWINSZ => {
            check_buffer(&cx.memory, arg, Size::new(8))?;
            cx.memory.write_u16(arg, size.rows)?;
            cx.memory.write_u16(arg.offset(2)?, size.columns)?;
            cx.memory.write_u32(arg.offset(4)?, 0)
        }
        TIOCSWINSZ => Err(Errno::ENOTSUP),
        _ => Err(Errno::ENOTTY),
    }
}
