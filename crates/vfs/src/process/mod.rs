//! The kernel's face: POSIX's calls on host types.

mod builder;
mod descriptors;
mod epoll;
mod io;
mod listing;
mod locks;
mod mappings;
mod open;
mod paths;
mod poll;
mod sockets;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use builder::ProcessBuilder;
pub use io::{OneBuf, ReadBufs, Whence};
pub use locks::LockHolder;
pub use mappings::{MapHow, Mapping};
pub use paths::AccessMode;
pub use poll::PollFd;

use crate::fd_table::{Fd, FdTable};
use crate::locks::LockOwner;
use crate::namespace::{MountId, Namespace, Place};
use crate::node::NodeRef;
use crate::pipe::PipeEnd;
use crate::random::Random;
use crate::socket::Network;
use crate::walk::{Done, Escape, Op, Walk};
use crate::{Clock, Errno, FileKind, Interrupt, Limits, Result};

/// Where a relative path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirFd {
    /// The working directory (`AT_FDCWD`).
    Cwd,
    /// An open directory; `..` may lead out of it, as on Linux.
    At(Fd),
    /// An open directory that the path must not leave, even for a moment: `EPERM`, also for an absolute path or link. A
    /// directory that is the guest's root is no cage: there `..` stays and absolute links start again.
    Beneath(Fd),
}

/// One guest's view: its tree, descriptors, working directory, arguments, environment, clocks and limits.
///
/// Not shared and without locks; guests share filesystems. A call that would block answers
/// [`Outcome::Wait`](crate::Outcome::Wait) with nothing changed.
///
/// ```
/// use stratafs::{Fd, OpenHow, Outcome, Process, DirFd, memfs::MemFs, Budget, Limits, Namespace, NodeRef};
///
/// let limits = Limits::default();
/// let root = MemFs::new(Budget::of(&limits), &limits);
/// let mut process = Process::builder(Namespace::new(NodeRef::root_of(&root), &limits), limits).build()?;
/// process.mkdirat(DirFd::Cwd, b"/tmp", 0o777)?;
/// let Outcome::Ready(fd) = process.openat(DirFd::Cwd, b"/tmp/a", &OpenHow::write_new())? else { unreachable!() };
/// process.pwrite(fd, &[std::io::IoSlice::new(b"hello")], 0)?;
/// assert_eq!(process.statat(DirFd::Cwd, b"tmp/a", true)?.size, 5);
/// # Ok::<(), stratafs::Errno>(())
/// ```
pub struct Process {
    ns: Namespace,
    fds: FdTable,
    cwd: Place,
    umask: u32,
    limits: Limits,
    args: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    interrupt: Interrupt,
    exit: Option<u32>,
    started: Duration,
    pipes: u64,
    pending: Option<Pending>,
    /// The locks on ranges of bytes that it holds.
    locks: LockOwner,
    network: Arc<Network>,
    mappings: mappings::Mappings,
}

/// What a call that waits keeps for its next run.
enum Pending {
    /// The end of a FIFO whose opening waits for the other side.
    Open(PipeEnd),
    /// When a poll was first run.
    Poll(Instant),
}

impl Process {
    /// The guest's arguments, the program's name first.
    #[must_use]
    pub fn args(&self) -> &[Vec<u8>] {
        &self.args
    }

    /// The guest's environment, `NAME=value` each.
    #[must_use]
    pub fn env(&self) -> &[Vec<u8>] {
        &self.env
    }

    /// The guest's clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The guest's bounds.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What ends this process's waits from outside.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// The guest's tree.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.ns
    }

    /// Time since the process was made; stands for the processor time that it has used.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }

    /// Fills `buf` with random bytes.
    ///
    /// # Errors
    /// `EIO` when the source fails.
    pub fn fill_random(&self, buf: &mut [u8]) -> Result<()> {
        self.random.fill(buf)
    }

    /// Gives up a call that answered [`Outcome::Wait`](crate::Outcome::Wait) and will not be run again: a timeout is not remembered, the
    /// end of a FIFO that was being opened is closed. For whoever ends a wait with `EINTR`; a guest that next opens, closes, reads,
    /// writes or duplicates descriptors gives it up by that.
    pub fn abandon_wait(&mut self) {
        self.pending = None;
        self.locks.forget_waiting();
    }

    /// Notes the code that the guest ended with.
    pub fn set_exit(&mut self, code: u32) {
        self.exit = Some(code);
    }

    /// The code that the guest ended with, if it said so.
    #[must_use]
    pub fn exit(&self) -> Option<u32> {
        self.exit
    }

    /// Changes the working directory.
    ///
    /// # Errors
    /// What resolving gives; `ENOTDIR`.
    pub fn chdir(&mut self, path: &[u8]) -> Result<()> {
        let (place, kind) = self.locate(DirFd::Cwd, path, true)?;
        if kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        self.cwd = place;
        Ok(())
    }

    /// Changes the working directory to an open one.
    ///
    /// # Errors
    /// `EBADF`, `ENOTDIR`.
    pub fn fchdir(&mut self, fd: Fd) -> Result<()> {
        self.cwd = self.fds.get(fd)?.file.directory()?.clone();
        Ok(())
    }

    /// The working directory's absolute path.
    ///
    /// # Errors
    /// `ENOENT` when it has been removed.
    pub fn getcwd(&self) -> Result<Vec<u8>> {
        self.ns.path_of(&self.cwd)
    }

    /// Sets the mask that is taken off the mode of new files, and answers the old one.
    pub fn umask(&mut self, mask: u32) -> u32 {
        std::mem::replace(&mut self.umask, mask & 0o777)
    }

    /// Resolves `path` and does `op` with what it leads to.
    fn run(&self, dir: DirFd, path: &[u8], op: &Op<'_>) -> Result<Done> {
        let mut walk = Walk::new(&self.ns, path)?;
        let start = self.start(dir, &mut walk)?;
        self.ns.resolve(&mut walk, start, op, &self.fds)
    }

    /// Sets where `walk` starts and what it may leave.
    fn start<'a>(&'a self, dir: DirFd, walk: &mut Walk<'a>) -> Result<&'a NodeRef> {
        let absolute = walk.path.first() == Some(&b'/');
        let place = match dir {
            DirFd::Cwd => &self.cwd,
            // An absolute path does not look at the descriptor.
            DirFd::At(_) if absolute => &self.cwd,
            DirFd::At(fd) => self.fds.get(fd)?.file.directory()?,
            DirFd::Beneath(fd) => {
                let place = self.fds.get(fd)?.file.directory()?;
                if absolute {
                    return Err(Errno::EPERM);
                }
                let root = self.ns.mount_of(MountId::ROOT);
                if place.mount != MountId::ROOT || place.node.key() != root.root_key {
                    walk.escape = Escape::Deny;
                }
                place
            }
        };
        walk.mount = place.mount;
        Ok(&place.node)
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("cwd", &self.cwd).field("fds", &self.fds).finish_non_exhaustive()
    }
}
