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
    /// Ask whether the other side of a socket will send no more.
    pub read_closed: bool,
    /// What was found; `EBADF` when it is not open.
    pub ready: Result<Readiness>,
}

impl PollFd {
    /// Asks about `fd`.
    #[must_use]
    pub fn new(fd: Fd, read: bool, write: bool) -> Self {
        PollFd { fd, read, write, read_closed: false, ready: Ok(Readiness::default()) }
    }

    /// Whether there is something to report: what was asked for, the other side gone, or an error.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let asked = |r: Readiness| (self.read && r.readable) || (self.write && r.writable) || (self.read_closed && r.read_closed);
        self.ready.map_or(true, |r| asked(r) || r.hangup || r.error)
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
            if let Some(stream) = descriptor.ok().and_then(|descriptor| descriptor.file.as_stream()) {
                // Before the readiness is looked at, so that a change in between ends the wait.
                wait = stream.or_changes(wait);
            }
            fd.ready = descriptor.and_then(readiness);
            ready += usize::from(fd.is_ready());
        }
        if ready > 0 {
            return Ok(Outcome::Ready(ready));
        }
        Ok(self.wait_on(wait, pending, timeout).map_or(Outcome::Ready(ready), Outcome::Wait))
    }

    /// `wait` with the moment when `timeout` will have passed since the call was first run, which `pending` knows; none when it has passed.
    pub(super) fn wait_on(&mut self, mut wait: Wait, pending: Option<Pending>, timeout: Option<Duration>) -> Option<Wait> {
        let now = Instant::now();
        let since = if let Some(Pending::Poll(since)) = pending { since } else { now };
        wait.until = timeout.and_then(|timeout| since.checked_add(timeout));
        if wait.until.is_some_and(|until| until <= now) {
            return None;
        }
        self.pending = Some(Pending::Poll(since));
        Some(wait)
    }
}
