use std::time::Duration;

use stratafs::{Errno, Fd, Outcome, Result, Watch, WatchChange};
use stratafs_abi::{Call, Ptr, Size};

use crate::args::check_buffer;
use crate::layout::put;
use crate::open::OpenFlags;
use crate::poll::{self, found};

const EPOLL_CTL_ADD: u32 = 1;
const EPOLL_CTL_DEL: u32 = 2;
const EPOLL_CTL_MOD: u32 = 3;
const EPOLLEXCLUSIVE: u32 = 1 << 28;
const EPOLLONESHOT: u32 = 1 << 30;
const EPOLLET: u32 = 1 << 31;
/// Bytes of a `struct epoll_event`: the events, and the guest's own 64 bits at 8.
const EVENT: u32 = 16;

/// Makes a descriptor that watches others.
///
/// # Errors
/// `EINVAL` for an unknown flag; `EMFILE`.
pub fn __syscall_epoll_create1(cx: &mut Call<'_>, flags: u32) -> Result<u32> {
    if flags & !OpenFlags::CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    cx.process.epoll_create(flags != 0).map(Fd::raw)
}

/// The bits that mean what they mean to `poll`.
fn events_of(bits: u32) -> u16 {
    u16::try_from(bits & 0xffff).unwrap_or_default()
}

/// What a `struct epoll_event` asks for.
fn load(cx: &Call<'_>, at: Ptr) -> Result<Watch> {
    check_buffer(&cx.memory, at, Size::new(EVENT))?;
    let (bits, data) = (cx.memory.read_u32(at)?, cx.memory.read_u64(at.offset(8)?)?);
    let events = events_of(bits);
    Ok(Watch {
        read: poll::asks_to_read(events),
        write: poll::asks_to_write(events),
        read_closed: events & poll::POLLRDHUP != 0,
        edge: bits & EPOLLET != 0,
        once: bits & EPOLLONESHOT != 0,
        bits,
        data,
    })
}

/// Changes how a descriptor is watched.
///
/// # Errors
/// `EFAULT`; those of [`Process::epoll_change`](stratafs::Process::epoll_change); `EINVAL` for an unknown operation, or `EPOLLEXCLUSIVE` where it
/// cannot be.
pub fn __syscall_epoll_ctl(cx: &mut Call<'_>, epfd: Fd, op: u32, fd: Fd, event: Ptr) -> Result<()> {
    let watch = if op == EPOLL_CTL_DEL { Watch::default() } else { load(cx, event)? };
    let change = match op {
        EPOLL_CTL_ADD => WatchChange::Add(watch),
        EPOLL_CTL_MOD if watch.bits & EPOLLEXCLUSIVE == 0 => WatchChange::Modify(watch),
        EPOLL_CTL_DEL => WatchChange::Remove,
        _ => {
            cx.process.descriptor(epfd)?;
            cx.process.descriptor(fd)?;
            return Err(Errno::EINVAL);
        }
    };
    cx.process.epoll_change(epfd, fd, change)
}

/// Tells of at most `maxevents` watched descriptors what can be done on them; waits for `timeout` milliseconds, or for ever when that is
/// negative. There are no signals that the mask could keep away.
///
/// # Errors
/// `EINVAL` for no room, or when `epfd` watches nothing by its nature; `EFAULT`; `EBADF`.
pub fn __syscall_epoll_pwait(
    cx: &mut Call<'_>,
    epfd: Fd,
    events: Ptr,
    maxevents: i32,
    timeout: i32,
    _sigmask: Ptr,
    _sigsetsize: Size,
) -> Result<Outcome<u32>> {
    // No more than that are watched.
    let most = u32::try_from(maxevents).map_err(|_| Errno::EINVAL)?.min(cx.process.limits().poll);
    if most == 0 {
        return Err(Errno::EINVAL);
    }
    check_buffer(&cx.memory, events, Size::new(most.checked_mul(EVENT).ok_or(Errno::EINVAL)?))?;
    let timeout = u64::try_from(timeout).ok().map(Duration::from_millis);
    let told = match cx.process.epoll_wait(epfd, most as usize, timeout)? {
        Outcome::Ready(told) => told,
        Outcome::Wait(wait) => return Ok(Outcome::Wait(wait)),
    };
    let mut at = events;
    for told in &told {
        let mut record = [0; EVENT as usize];
        put(&mut record, 0, u32::from(found(told.ready, told.kind, events_of(told.watch.bits))).to_le_bytes());
        put(&mut record, 8, told.watch.data.to_le_bytes());
        cx.memory.write(at, &record)?;
        at = at.offset(EVENT)?;
    }
    Ok(Outcome::Ready(Size::of(told.len())?.raw()))
}

/// [`__syscall_epoll_pwait`] without waiting.
///
/// # Errors
/// As there.
pub fn __syscall_epoll_pwait_nonblocking(cx: &mut Call<'_>, epfd: Fd, events: Ptr, maxevents: i32) -> Result<Outcome<u32>> {
    __syscall_epoll_pwait(cx, epfd, events, maxevents, 0, Ptr::new(0), Size::new(0))
}
