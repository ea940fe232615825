use super::Process;
use crate::fd_table::Fd;
use crate::locks::{ByteRange, HeldLock, LockKind};
use crate::open_file::OpenFile;
use crate::wait::Outcome;
use crate::{Errno, Result, Whence};

/// Who holds a lock on a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockHolder {
    /// The process: it loses its locks on a file when it closes any descriptor of it (POSIX's).
    Process,
    /// The open file, for all its descriptors (Linux's "open file description locks").
    OpenFile,
}

impl Process {
    /// The process's number among those that this program has run.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.locks.id()
    }

    fn lockable(&self, fd: Fd) -> Result<&OpenFile> {
        let file = &self.fds.get(fd)?.file;
        if file.is_path() { Err(Errno::EBADF) } else { Ok(file) }
    }

    /// The bytes that a `struct flock` names: `len` of them from `start` on, counted from `whence`. 0 is to the end, a negative `len` before
    /// `start`.
    ///
    /// # Errors
    /// `EBADF`; `EOVERFLOW` past `i64::MAX`; `EINVAL` before the start.
    pub fn lock_range(&self, fd: Fd, whence: Whence, start: i64, len: i64) -> Result<ByteRange> {
        let file = self.lockable(fd)?;
        let base = match whence {
            Whence::Set => 0,
            Whence::Current => file.offset(),
            Whence::End => file.stat()?.size,
        };
        ByteRange::new(base, start, len)
    }

    /// Locks a range of bytes, changes the kind of its lock, or unlocks it without a `kind`. When another's lock is in the way it waits for that
    /// to go, with `wait`. What stands in no filesystem (an anonymous pipe) is nobody else's: there is nothing to lock.
    ///
    /// # Errors
    /// `EBADF`, also for a kind that the descriptor's access does not allow; `EAGAIN`; `EDEADLK` when the other waits for this process; `ENOLCK`
    /// past 1,024 ranges.
    pub fn set_lock(
        &mut self,
        fd: Fd,
        holder: LockHolder,
        range: ByteRange,
        kind: Option<LockKind>,
        wait: bool,
    ) -> Result<Outcome<()>> {
        self.abandon_wait();
        let access = self.lockable(fd)?.access();
        let allowed = match kind {
            Some(LockKind::Shared) => access.read,
            Some(LockKind::Exclusive) => access.write,
            None => true,
        };
        if !allowed {
            return Err(Errno::EBADF);
        }
        let file = &self.fds.get(fd)?.file;
        let Some(place) = &file.place else { return Ok(Outcome::Ready(())) };
        match holder {
            LockHolder::Process => self.locks.set(&place.node, range, kind, wait),
            LockHolder::OpenFile => file.lock_owner().set(&place.node, range, kind, wait),
        }
    }

    /// The first lock that would keep `holder` from locking a range with `kind`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get_lock(&self, fd: Fd, holder: LockHolder, range: ByteRange, kind: LockKind) -> Result<Option<HeldLock>> {
        let file = self.lockable(fd)?;
        let Some(place) = &file.place else { return Ok(None) };
        Ok(match holder {
            LockHolder::Process => self.locks.conflict(&place.node, range, kind),
            LockHolder::OpenFile => file.lock_owner().conflict(&place.node, range, kind),
        })
    }

    /// Locks a whole file for its open file, changes the kind of that lock, or unlocks it without a `kind`. Such locks and those on ranges
    /// do not see each other. As on Linux, changing the kind gives the old lock up first.
    ///
    /// # Errors
    /// `EBADF`; `EAGAIN` instead of a wait without `wait`.
    pub fn flock(&mut self, fd: Fd, kind: Option<LockKind>, wait: bool) -> Result<Outcome<()>> {
        self.abandon_wait();
        let file = self.lockable(fd)?;
        match &file.place {
            Some(place) => file.lock_owner().flock(&place.node, kind, wait),
            None => Ok(Outcome::Ready(())),
        }
    }

    /// Takes note that a descriptor of `file` goes.
    pub(super) fn closing(&mut self, file: &OpenFile) {
        if let Some(place) = &file.place
            && !file.is_path()
        {
            self.locks.closed(&place.node);
        }
    }
}
