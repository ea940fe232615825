use std::time::Duration;

use stratafs::stream::Readiness;
use stratafs::{Errno, Fd, FileKind, Outcome, PollFd, Process, Result};
use stratafs_abi::{Call, GuestMemory, Ptr, Size};

use crate::args::check_buffer;

const POLLIN: u16 = 0x1;
const POLLOUT: u16 = 0x4;
const POLLERR: u16 = 0x8;
const POLLHUP: u16 = 0x10;
const POLLNVAL: u16 = 0x20;
const POLLRDNORM: u16 = 0x40;
const POLLWRNORM: u16 = 0x100;
pub(crate) const POLLRDHUP: u16 = 0x2000;

pub(crate) fn asks_to_read(events: u16) -> bool {
    events & (POLLIN | POLLRDNORM) != 0
}

pub(crate) fn asks_to_write(events: u16) -> bool {
    events & (POLLOUT | POLLWRNORM) != 0
}

/// The `revents` of a descriptor that was asked for `events`.
fn revents(process: &Process, polled: &PollFd, events: u16) -> u16 {
    match (polled.ready, process.descriptor(polled.fd)) {
        (Ok(ready), Ok(descriptor)) => found(ready, descriptor.file.kind(), events),
        _ => POLLNVAL,
    }
}

/// What there is to report of a file of that kind, asked for `events`.
pub(crate) fn found(ready: Readiness, kind: FileKind, events: u16) -> u16 {
    let mut found = 0;
    // As on Linux, a pipe that is empty and has no writers is hung up and not readable.
    if ready.readable && !(kind == FileKind::Fifo && ready.hangup && ready.bytes == 0) {
        found |= POLLIN | POLLRDNORM;
    }
    if ready.writable {
        found |= POLLOUT | POLLWRNORM;
    }
    if ready.read_closed {
        found |= POLLRDHUP;
    }
    found &= events;
    if ready.hangup {
        found |= POLLHUP;
    }
    if ready.error {
        found |= POLLERR;
    }
    found
}

/// Waits until something can be done on one of the descriptors, for `timeout` milliseconds, or for ever when that is negative. Answers for
/// how many descriptors there is something to report.
///
/// # Errors
/// `EINVAL` for too many descriptors; `EFAULT`.
pub fn __syscall_poll(cx: &mut Call<'_>, fds: Ptr, nfds: u32, timeout: i32) -> Result<Outcome<u32>> {
    if nfds > cx.process.limits().poll {
        return Err(Errno::EINVAL);
    }
    check_buffer(&cx.memory, fds, Size::new(nfds.checked_mul(8).ok_or(Errno::EINVAL)?))?;
    let mut asked = Vec::with_capacity(nfds as usize);
    let mut polled = Vec::with_capacity(nfds as usize);
    for index in 0..nfds {
        let at = fds.offset(index * 8)?;
        let fd = cx.memory.read_u32(at)?;
        // poll(2): a negative descriptor is not looked at.
        if fd.cast_signed() < 0 {
            cx.memory.write_u16(at.offset(6)?, 0)?;
            continue;
        }
        let events = cx.memory.read_u16(at.offset(4)?)?;
        asked.push((at, events));
        let read_closed = events & POLLRDHUP != 0;
        polled.push(PollFd { read_closed, ..PollFd::new(Fd::new(fd), asks_to_read(events), asks_to_write(events)) });
    }
    let timeout = u64::try_from(timeout).ok().map(Duration::from_millis);
    if let Outcome::Wait(wait) = cx.process.poll(&mut polled, timeout)? {
        return Ok(Outcome::Wait(wait));
    }
    let mut ready = 0;
    for (polled, (at, events)) in polled.iter().zip(asked) {
        let found = revents(cx.process, polled, events);
        cx.memory.write_u16(at.offset(6)?, found)?;
        ready += u32::from(found != 0);
    }
    Ok(Outcome::Ready(ready))
}

/// [`__syscall_poll`] without waiting.
///
/// # Errors
/// As there.
pub fn __syscall_poll_nonblocking(cx: &mut Call<'_>, fds: Ptr, nfds: u32) -> Result<Outcome<u32>> {
    __syscall_poll(cx, fds, nfds, 0)
}

/// Descriptors in an `fd_set`.
const SET_SIZE: u32 = 1024;

/// A guest's `fd_set`, of which the first `words` times 32 bits are looked at.
struct Set {
    at: Ptr,
    bits: Vec<u32>,
}

impl Set {
    fn load(memory: &GuestMemory<'_>, at: Ptr, words: u32) -> Result<Self> {
        let words = if at.raw() == 0 { 0 } else { words };
        let bits = (0..words).map(|word| memory.read_u32(at.offset(word * 4)?)).collect::<Result<_>>()?;
        Ok(Set { at, bits })
    }

    fn has(&self, fd: u32) -> bool {
        self.bits.get((fd / 32) as usize).is_some_and(|word| word & 1 << (fd % 32) != 0)
    }

    /// Leaves only those of `kept`. Answers how many these are.
    fn keep(&mut self, kept: impl Fn(u32) -> bool) -> u32 {
        for (word, start) in self.bits.iter_mut().zip((0..).step_by(32)) {
            for bit in 0..32 {
                if *word & 1 << bit != 0 && !kept(start + bit) {
                    *word &= !(1 << bit);
                }
            }
        }
        self.bits.iter().map(|word| word.count_ones()).sum()
    }

    fn store(&self, memory: &mut GuestMemory<'_>) -> Result<()> {
        self.bits.iter().zip((0..).step_by(4)).try_for_each(|(word, offset)| memory.write_u32(self.at.offset(offset)?, *word))
    }
}

/// The time of a `select`: two 32-bit numbers, whatever a `struct timeval` is.
fn select_timeout(memory: &GuestMemory<'_>, at: Ptr) -> Result<Option<Duration>> {
    if at.raw() == 0 {
        return Ok(None);
    }
    let number = |offset| u64::try_from(memory.read_u32(at.offset(offset)?)?.cast_signed()).map_err(|_| Errno::EINVAL);
    Ok(Some(Duration::from_secs(number(0)?) + Duration::from_micros(number(4)?)))
}

fn open(process: &Process, fd: u32) -> Result<()> {
    process.descriptor(Fd::new(fd)).map(drop)
}

/// Waits until something can be done on a descriptor of one of the sets, and leaves in them only those. Answers how many are left.
/// Nothing is ever exceptional.
///
/// # Errors
/// `EINVAL` for a negative number or time; `EFAULT`; `EBADF` when one of the descriptors is not open.
#[allow(non_snake_case)]
pub fn __syscall__newselect(
    cx: &mut Call<'_>,
    nfds: i32,
    readfds: Ptr,
    writefds: Ptr,
    exceptfds: Ptr,
    timeout: Ptr,
) -> Result<Outcome<u32>> {
    let count = u32::try_from(nfds).map_err(|_| Errno::EINVAL)?.min(SET_SIZE);
    let timeout = select_timeout(&cx.memory, timeout)?;
    let load = |at| Set::load(&cx.memory, at, count.div_ceil(32));
    let (mut read, mut write, mut except) = (load(readfds)?, load(writefds)?, load(exceptfds)?);
    let mut polled = Vec::new();
    for fd in 0..count {
        let (r, w) = (read.has(fd), write.has(fd));
        if r || w || except.has(fd) {
            open(cx.process, fd)?;
            polled.push(PollFd::new(Fd::new(fd), r, w));
        }
    }
    if let Outcome::Wait(wait) = cx.process.poll(&mut polled, timeout)? {
        return Ok(Outcome::Wait(wait));
    }
    let of = |fd: u32| polled.iter().find(|polled| polled.fd.raw() == fd).map(|polled| polled.ready);
    // What cannot be polled at all is ready, as on Linux: using it fails at once.
    let readable = |fd| of(fd).is_some_and(|ready| ready.map_or(true, |r| r.readable || r.hangup || r.error));
    let writable = |fd| of(fd).is_some_and(|ready| ready.map_or(true, |r| r.writable || r.error));
    let ready = read.keep(readable) + write.keep(writable) + except.keep(|_| false);
    for set in [&read, &write, &except] {
        set.store(&mut cx.memory)?;
    }
    Ok(Outcome::Ready(ready))
}
