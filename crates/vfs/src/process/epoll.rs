use std::sync::Arc;
use std::time::Duration;

use super::Process;
use crate::epoll::{Epoll, Told, WatchChange};
use crate::fd_table::{Descriptor, Fd};
use crate::open_file::OpenFile;
use crate::stream::Stream;
use crate::wait::{Outcome, Wait};
use crate::{Errno, Result};

impl Process {
    fn epoll_of(&self, fd: Fd) -> Result<&Arc<Epoll>> {
        self.fds.get(fd)?.file.as_epoll().ok_or(Errno::EINVAL)
    }

    /// Makes a descriptor that watches others.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn epoll_create(&mut self, cloexec: bool) -> Result<Fd> {
        self.abandon_wait();
        let file = OpenFile::epoll(Arc::default());
        self.fds.insert(Descriptor::new(Arc::new(file), cloexec), Fd::STDIN)
    }

    /// Changes how `epoll` watches `fd`. The watch ends with the open file, not with the descriptor.
    ///
    /// # Errors
    /// `EBADF` when either is not open; `EPERM` for a file or directory, which is always ready; `EINVAL` when `epoll` is none, or both are
    /// the same; `ELOOP` when it would watch a third one through a second; `EEXIST` to add one that is watched; `ENOENT` to change one that is
    /// not; `ENOSPC` past [`Limits::poll`](crate::Limits::poll).
    pub fn epoll_change(&mut self, epoll: Fd, fd: Fd, change: WatchChange) -> Result<()> {
        let own = &self.fds.get(epoll)?.file;
        let file = &self.fds.get(fd)?.file;
        if file.is_path() {
            return Err(Errno::EBADF);
        }
        if !file.is_stream() {
            return Err(Errno::EPERM);
        }
        if Arc::ptr_eq(own, file) {
            return Err(Errno::EINVAL);
        }
        self.epoll_of(epoll)?.change(fd, file, change, self.limits.poll as usize)
    }

    /// At most `max` of the files that `epoll` watches, of which there is something to tell. Waits until there is one, or until `timeout` has
    /// passed since the call was first run; `None` is for ever.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` when it watches nothing by its nature.
    pub fn epoll_wait(&mut self, epoll: Fd, max: usize, timeout: Option<Duration>) -> Result<Outcome<Vec<Told>>> {
        let pending = self.pending.take();
        let epoll = self.epoll_of(epoll)?;
        // Before the readiness is looked at, so that a change in between ends the wait.
        let wait = epoll.or_changes(Wait::new());
        let told = epoll.tell(max);
        if !told.is_empty() {
            return Ok(Outcome::Ready(told));
        }
        Ok(self.wait_on(wait, pending, timeout).map_or(Outcome::Ready(told), Outcome::Wait))
    }
}
