use std::time::{Duration, Instant};

use super::{Pending, Process};
use crate::fd_table::{Descriptor, Fd};
use crate::open_file::Body;
use crate::stream::Readiness;
use crate::wait::{Outcome, Wait};
use crate::{Errno, Result};

/// One descriptor to poll, and what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollFd {
    /// The descriptor.
    pub fd: Fd,
    /// Ask whether it can be read.
    pub read: bool,
    /// Ask whether it can be written.
    pub write: bool,
    /// What was found; `EBADF` when it is not open.
    pub ready: Result<Readiness>,
}

impl PollFd {
    /// Asks about `fd`.
    #[must_use]
    pub fn new(fd: Fd, read: bool, write: bool) -> Self {
        PollFd { fd, read, write, ready: Ok(Readiness::default()) }
    }

    /// Whether there is something to report: what was asked for, the other side gone, or an error.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.map_or(true, |r| (self.read && r.readable) || (self.write && r.writable) || r.hangup || r.error)
    }
}

fn readiness(descriptor: &Descriptor) -> Result<Readiness> {
    let file = &descriptor.file;
    match &file.body {
        Body::Path => Err(Errno::EBADF),
        Body::Stream(stream) => Ok(stream.readiness()),
        Body::File(handle) => {
            let bytes = handle.stat().map_or(0, |stat| stat.size).saturating_sub(file.offset());
            Ok(Readiness { readable: true, writable: true, bytes, ..Readiness::default() })
        }
        Body::Directory | Body::FdDirectory => Ok(Readiness { readable: true, writable: true, ..Readiness::default() }),
    }
}

impl Process {
    /// How long the call that now waits in [`poll`](Process::poll) has waited; zero when none does. An ABI tells by it which of several
    /// timeouts have passed when the call is run again.
    #[must_use]
    pub fn waited(&self) -> Duration {
        if let Some(Pending::Poll(since)) = &self.pending { since.elapsed() } else { Duration::ZERO }
    }

    /// Finds out what can be done on `fds` without waiting, and answers for how many there is something to report. Waits until there is one,
    /// or until `timeout` has passed since the call was first run; `None` is for ever.
    ///
    /// # Errors
    /// `EINVAL` past [`Limits::poll`](crate::Limits::poll).
    pub fn poll(&mut self, fds: &mut [PollFd], timeout: Option<Duration>) -> Result<Outcome<usize>> {
        let pending = self.pending.take();
        if fds.len() > self.limits.poll as usize {
            return Err(Errno::EINVAL);
        }
        let mut wait = Wait::new();
        let mut ready = 0;
        for fd in fds.iter_mut() {
            let descriptor = self.fds.get(fd.fd);
            let event = descriptor.ok().and_then(|d| d.file.as_stream()).and_then(|stream| stream.event());
            // Before the readiness is looked at, so that a change in between ends the wait.
            let seen = event.as_ref().map_or(0, |event| event.times());
            fd.ready = descriptor.and_then(readiness);
            ready += usize::from(fd.is_ready());
            if let Some(event) = event {
                wait = wait.or_event(&event, seen);
            }
        }
        let now = Instant::now();
        let since = if let Some(Pending::Poll(since)) = pending { since } else { now };
        let until = timeout.and_then(|timeout| since.checked_add(timeout));
        if ready > 0 || until.is_some_and(|until| until <= now) {
            return Ok(Outcome::Ready(ready));
        }
        wait.until = until;
        self.pending = Some(Pending::Poll(since));
        Ok(Outcome::Wait(wait))
    }
}
