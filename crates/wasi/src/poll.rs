use std::fmt::Write;
use std::time::Duration;

use stratafs::{Errno, Fd, Outcome, PollFd, Process, Result};
use stratafs_abi::{Array, Call, GuestMemory, Layout, Out, Ptr, Record, Size, Slot, wasi_number};

use crate::rights::{self, Rights};
use crate::types::put;
use crate::{ClockId, clock};

const HANGUP: u16 = 1;

/// What a guest subscribes to. The layout `subscription`.
#[derive(Debug, Clone, Copy)]
pub struct Subscription {
    userdata: u64,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Clock { id: ClockId, nanos: u64, absolute: bool },
    Read(Fd),
    Write(Fd),
}

impl What {
    /// The number of its kind.
    fn number(self) -> u8 {
        match self {
            What::Clock { .. } => 0,
            What::Read(_) => 1,
            What::Write(_) => 2,
        }
    }

    fn fd(self) -> Option<Fd> {
        match self {
            What::Clock { .. } => None,
            What::Read(fd) | What::Write(fd) => Some(fd),
        }
    }
}

impl Layout for Subscription {
    const SIZE: u32 = 48;
}

impl Subscription {
    /// Reads the one at `at`.
    ///
    /// # Errors
    /// `EFAULT`; `EINVAL` for an unknown kind, clock or flag.
    fn load(memory: &GuestMemory<'_>, at: Ptr) -> Result<Self> {
        let fd = || memory.read_u32(at.offset(16)?).map(Fd::new);
        let what = match memory.read_u8(at.offset(8)?)? {
            0 => What::Clock {
                id: ClockId::lift(memory.read_u32(at.offset(16)?)?)?,
                nanos: memory.read_u64(at.offset(24)?)?,
                absolute: match memory.read_u16(at.offset(40)?)? {
                    0 => false,
                    1 => true,
                    _ => return Err(Errno::EINVAL),
                },
            },
            1 => What::Read(fd()?),
            2 => What::Write(fd()?),
            _ => return Err(Errno::EINVAL),
        };
        Ok(Subscription { userdata: memory.read_u64(at)?, what })
    }
}

/// What happened. The layout `event`.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    userdata: u64,
    error: Option<Errno>,
    kind: u8,
    bytes: u64,
    hangup: bool,
}

impl Layout for Event {
    const SIZE: u32 = 32;
}

impl Record for Event {
    fn store(&self, memory: &mut GuestMemory<'_>, at: Ptr) -> Result<()> {
        let mut record = [0; 32];
        put(&mut record, 0, self.userdata.to_le_bytes());
        put(&mut record, 8, self.error.map_or(0, wasi_number).to_le_bytes());
        put(&mut record, 10, [self.kind]);
        put(&mut record, 16, self.bytes.to_le_bytes());
        put(&mut record, 24, (if self.hangup { HANGUP } else { 0 }).to_le_bytes());
        memory.write(at, &record)
    }

    fn show(memory: &GuestMemory<'_>, at: Ptr, out: &mut String) -> Result<()> {
        let _ = write!(out, "{{userdata={:#x}, error={}}}", memory.read_u64(at)?, memory.read_u16(at.offset(8)?)?);
        Ok(())
    }
}

/// A subscription that is being waited for.
struct Waiting {
    subscription: Subscription,
    /// For a clock: how long after the call was first run it is due.
    due: Duration,
    /// For a descriptor: why it cannot be polled, or its place among those that are.
    polled: Result<usize>,
}

/// Takes the subscriptions apart; the descriptors that can be polled go to `fds`.
fn load_all(
    cx: &Call<'_>,
    list: Array<Subscription>,
    count: Size,
    waited: Duration,
    fds: &mut Vec<PollFd>,
) -> Result<Vec<Waiting>> {
    let mut all = Vec::with_capacity(count.get());
    for index in 0..count.raw() {
        let subscription = Subscription::load(&cx.memory, list.at(index)?)?;
        let mut waiting = Waiting { subscription, due: Duration::MAX, polled: Err(Errno::EBADF) };
        match subscription.what {
            What::Clock { nanos, absolute: false, .. } => waiting.due = Duration::from_nanos(nanos),
            What::Clock { id, nanos, absolute: true } => {
                let ahead = nanos.saturating_sub(clock::now(cx.process, id)?);
                waiting.due = if ahead == 0 { Duration::ZERO } else { waited.saturating_add(Duration::from_nanos(ahead)) };
            }
            What::Read(fd) | What::Write(fd) => {
                let read = matches!(subscription.what, What::Read(_));
                waiting.polled = pollable(cx.process, fd, read).map(|()| {
                    fds.push(PollFd::new(fd, read, !read));
                    fds.len() - 1
                });
            }
        }
        all.push(waiting);
    }
    Ok(all)
}

fn pollable(process: &Process, fd: Fd, read: bool) -> Result<()> {
    rights::file(process, fd, Rights::POLL_FD_READWRITE)?;
    let access = process.descriptor(fd)?.file.access();
    let open = if read { access.read } else { access.write };
    let directory = process.descriptor(fd)?.file.kind() == stratafs::FileKind::Directory;
    if open || directory { Ok(()) } else { Err(Errno::EBADF) }
}

impl Waiting {
    /// What to report, when clocks due within `passed` are due.
    fn event(&self, passed: Duration, fds: &[PollFd]) -> Option<Event> {
        let Subscription { userdata, what } = self.subscription;
        let mut event = Event { userdata, error: None, kind: what.number(), bytes: 0, hangup: false };
        if what.fd().is_none() {
            return (self.due <= passed).then_some(event);
        }
        let polled = match self.polled {
            Ok(index) => fds.get(index)?,
            Err(errno) => return Some(Event { error: Some(errno), ..event }),
        };
        if !polled.is_ready() {
            return None;
        }
        match polled.ready {
            Ok(ready) => {
                event.bytes = if polled.read { ready.bytes } else { 0 };
                event.hangup = ready.hangup;
            }
            Err(errno) => event.error = Some(errno),
        }
        Some(event)
    }
}

/// Waits until one of the subscriptions has something to report, and reports all that have.
///
/// # Errors
/// `EINVAL` for none or too many, or one that is malformed; `EFAULT`. What is wrong with one descriptor is told in its event.
pub fn poll_oneoff(
    cx: &mut Call<'_>,
    subscriptions: Array<Subscription>,
    events: Array<Event>,
    count: Size,
    ready: Out<Size>,
) -> Result<Outcome<()>> {
    if count.raw() == 0 || count.raw() > cx.process.limits().poll {
        return Err(Errno::EINVAL);
    }
    subscriptions.check(&cx.memory, count)?;
    events.check(&cx.memory, count)?;
    ready.check(&cx.memory)?;
    let mut fds = Vec::new();
    let waited = cx.process.waited();
    let all = load_all(cx, subscriptions, count, waited, &mut fds)?;
    let first = all.iter().map(|waiting| waiting.due).min().unwrap_or(Duration::MAX);
    let failed = all.iter().any(|waiting| waiting.subscription.what.fd().is_some() && waiting.polled.is_err());
    let timeout = if failed || first <= waited { Some(Duration::ZERO) } else { Some(first).filter(|&t| t < Duration::MAX) };
    let passed = match cx.process.poll(&mut fds, timeout)? {
        Outcome::Wait(wait) => return Ok(Outcome::Wait(wait)),
        // Nothing else came: the first clock is due, whatever is left of its last nanosecond.
        Outcome::Ready(0) if !failed => first.max(waited),
        Outcome::Ready(_) => waited,
    };
    let mut stored = 0;
    for event in all.iter().filter_map(|waiting| waiting.event(passed, &fds)) {
        event.store(&mut cx.memory, events.at(stored)?)?;
        stored += 1;
    }
    ready.store(&mut cx.memory, &Size::new(stored)).map(Outcome::Ready)
}
