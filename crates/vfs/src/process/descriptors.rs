use super::Process;
use crate::fd_table::{Descriptor, Fd};
use crate::open_file::{OpenFile, StatusFlags};
use crate::pipe::{Pipe, PipeSize};
use crate::stream::Stream;
use crate::{Access, Errno, Result};
use std::sync::Arc;

impl Process {
    /// Closes the directories that were handed to the guest from the start, for a guest that does not know of such.
    pub fn close_preopens(&mut self) {
        let open = (0..self.limits.fds).map(Fd::new);
        let preopens: Vec<_> = open.filter(|&fd| self.fds.get(fd).is_ok_and(|descriptor| descriptor.preopen.is_some())).collect();
        for fd in preopens {
            let _ = self.close(fd);
        }
    }

    /// The entry of a descriptor.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn descriptor(&self, fd: Fd) -> Result<&Descriptor> {
        self.fds.get(fd)
    }

    /// The entry of a descriptor, to change what belongs to the number.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn descriptor_mut(&mut self, fd: Fd) -> Result<&mut Descriptor> {
        self.fds.get_mut(fd)
    }

    /// The numbers that are open, in order.
    pub fn open_fds(&self) -> impl Iterator<Item = Fd> {
        self.fds.open().map(Fd::new)
    }

    /// Closes a descriptor; the open file goes with its last one.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&mut self, fd: Fd) -> Result<()> {
        self.abandon_wait();
        let descriptor = self.fds.remove(fd)?;
        self.closing(&descriptor.file);
        Ok(())
    }

    /// Puts `descriptor` at the number `to`, closing what that was.
    fn replace(&mut self, to: Fd, descriptor: Descriptor) -> Result<Fd> {
        if let Ok(old) = self.fds.get(to) {
            let file = old.file.clone();
            self.closing(&file);
        }
        self.fds.replace(to, descriptor)
    }

    /// Another descriptor of the same open file, at the lowest free number from `at_least` on.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` when `at_least` is past the limit; `EMFILE`.
    pub fn dup(&mut self, fd: Fd, at_least: Fd, cloexec: bool) -> Result<Fd> {
        self.abandon_wait();
        let descriptor = Descriptor { cloexec, preopen: None, ..self.fds.get(fd)?.clone() };
        self.fds.insert(descriptor, at_least)
    }

    /// Makes `to` another descriptor of the same open file, closing what it was. The same number: nothing happens.
    ///
    /// # Errors
    /// `EBADF` when `fd` is not open or `to` is past the limit.
    pub fn dup_to(&mut self, fd: Fd, to: Fd, cloexec: bool) -> Result<Fd> {
        self.abandon_wait();
        let descriptor = Descriptor { cloexec, preopen: None, ..self.fds.get(fd)?.clone() };
        if fd == to { Ok(fd) } else { self.replace(to, descriptor) }
    }

    /// Moves `from` to the number `to`, closing what `to` was (WASI's `fd_renumber`).
    ///
    /// # Errors
    /// `EBADF` when either is not open.
    pub fn renumber(&mut self, from: Fd, to: Fd) -> Result<()> {
        self.abandon_wait();
        self.fds.get(to)?;
        self.fds.get(from)?;
        if from != to {
            let descriptor = self.fds.remove(from)?;
            self.replace(to, descriptor)?;
        }
        Ok(())
    }

    /// Makes a pipe; answers the end to read and the end to write.
    ///
    /// # Errors
    /// `EMFILE`; nothing is left open then.
    pub fn pipe(&mut self, nonblock: bool, cloexec: bool) -> Result<(Fd, Fd)> {
        self.abandon_wait();
        self.pipes += 1;
        let pipe = Pipe::new(PipeSize::of(&self.limits), self.pipes);
        let mut ends = [Access::READ, Access::WRITE].map(|access| {
            let file = OpenFile::stream(Arc::new(pipe.end(access)), access);
            file.set_status(StatusFlags { nonblock, append: false });
            Some(Descriptor::new(Arc::new(file), cloexec))
        });
        let mut take = |n: usize| ends.get_mut(n).and_then(Option::take).ok_or(Errno::EBADF);
        let read = self.fds.insert(take(0)?, Fd::STDIN)?;
        match self.fds.insert(take(1)?, Fd::STDIN) {
            Ok(write) => Ok((read, write)),
            Err(errno) => {
                self.fds.remove(read)?;
                Err(errno)
            }
        }
    }

    /// Puts an open stream of the embedder's at the lowest free number.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn open_stream(&mut self, stream: Arc<dyn Stream>, access: Access) -> Result<Fd> {
        self.fds.insert(Descriptor::new(Arc::new(OpenFile::stream(stream, access)), false), Fd::STDIN)
    }

    /// The status flags of an open file.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn status_flags(&self, fd: Fd) -> Result<StatusFlags> {
        Ok(self.fds.get(fd)?.file.status())
    }

    /// Changes the status flags of an open file, for all its descriptors.
    ///
    /// # Errors
    /// `EBADF`, also for a descriptor that is only a place.
    pub fn set_status_flags(&mut self, fd: Fd, flags: StatusFlags) -> Result<()> {
        let file = &self.fds.get(fd)?.file;
        if file.is_path() {
            return Err(Errno::EBADF);
        }
        file.set_status(flags);
        Ok(())
    }

    /// How many bytes a pipe holds.
    ///
    /// # Errors
    /// `EBADF`, also for what is no pipe.
    pub fn pipe_size(&self, fd: Fd) -> Result<usize> {
        self.fds.get(fd)?.file.as_stream().and_then(|stream| stream.pipe_size()).ok_or(Errno::EBADF)
    }

    /// Has a pipe hold at least so many bytes; answers how many it holds now, a power of two and no more than
    /// [`Limits::pipe_max`](crate::Limits::pipe_max), unless it was made with more.
    ///
    /// # Errors
    /// `EBADF`, also for what is no pipe; `EINVAL` above 2 GiB; `EPERM` for more than it may hold, or than all together may
    /// ([`Limits::pipes`](crate::Limits::pipes)); `EBUSY` when there are more bytes in it.
    pub fn set_pipe_size(&mut self, fd: Fd, bytes: u32) -> Result<usize> {
        let old = self.pipe_size(fd)?;
        let wanted = bytes.checked_next_power_of_two().unwrap_or(bytes);
        let more = usize::try_from(wanted).unwrap_or(usize::MAX).saturating_sub(old);
        let held = || self.fds.open().filter_map(|open| self.pipe_size(Fd::new(open)).ok()).fold(more, usize::saturating_add);
        let fits = more == 0 || bytes > 1 << 31 || held() <= self.limits.pipes;
        let stream = self.fds.get(fd)?.file.as_stream().filter(|_| fits).ok_or(Errno::EPERM)?;
        stream.set_pipe_size(bytes)
    }
}
