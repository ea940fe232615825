use std::sync::Arc;

use super::{DirFd, Pending, Process};
use crate::fd_table::{Descriptor, Fd};
use crate::filesystem::Opened;
use crate::namespace::Place;
use crate::open_file::{Body, OpenFile, StatusFlags};
use crate::pipe::{Pipe, PipeEnd};
use crate::wait::Outcome;
use crate::walk::{Done, Op};
use crate::{Access, Errno, FileKind, FileType, OpenHow, Result};

impl Process {
    /// Opens, and makes first where asked, what `path` leads to; the descriptor is the lowest free one. Waits only for the other end of
    /// a FIFO.
    ///
    /// # Errors
    /// In Linux's order: `ENOENT` for the empty path, `ENAMETOOLONG`, `EMFILE`, `EBADF` and `ENOTDIR` for `dir`, `EINVAL` for a directory to be
    /// made; `ENOTDIR`, `ENOENT`, `ELOOP`, `EPERM` on the way; `EEXIST` with `exclusive`; `ELOOP` for a final link that is not followed; `EISDIR` to
    /// write a directory; `EROFS`; `ENOSPC`; `ENXIO` for a FIFO without reader, non-blocking; `EINVAL` for one neither read nor written.
    pub fn openat(&mut self, dir: DirFd, path: &[u8], how: &OpenHow) -> Result<Outcome<Fd>> {
        let pending = match self.pending.take() {
            Some(Pending::Open(end)) => Some(end),
            _ => None,
        };
        // open(2): O_PATH ignores all but these; since Linux 6.4 a directory is not made by open.
        let how = match how.kind {
            FileType::Path => OpenHow {
                directory: how.directory,
                follow: how.follow,
                cloexec: how.cloexec,
                kind: FileType::Path,
                ..OpenHow::new(Access::default())
            },
            FileType::Any if how.create && how.directory => return Err(Errno::EINVAL),
            FileType::Any => OpenHow { mode: how.mode & !self.umask & 0o7777, ..*how },
        };
        self.fds.check_free()?;
        match self.run(dir, path, &Op::Open(&how))? {
            Done::Opened { opened, place, kind } => self.opened(opened, place, kind, &how, pending),
            Done::SelfFd { fd, .. } => self.reopen(Fd::new(fd), &how, pending),
            _ => Err(Errno::EIO),
        }
    }

    fn opened(
        &mut self,
        opened: Option<Opened>,
        place: Place,
        kind: FileKind,
        how: &OpenHow,
        pending: Option<PipeEnd>,
    ) -> Result<Outcome<Fd>> {
        let body = match opened {
            None => Body::Path,
            Some(Opened::File(handle)) => Body::File(handle),
            Some(Opened::Directory) => Body::Directory,
            Some(Opened::FdDirectory) => Body::FdDirectory,
            Some(Opened::Fifo(pipe)) => match self.open_fifo(&pipe, how, pending)? {
                Outcome::Ready(body) => body,
                Outcome::Wait(wait) => return Ok(Outcome::Wait(wait)),
            },
            Some(Opened::Terminal) => {
                let std = [Fd::STDIN, Fd::STDOUT, Fd::STDERR].map(|fd| self.fds.get(fd).ok().map(|d| d.file.clone()));
                let terminal = std.into_iter().flatten().find(|file| file.is_terminal()).ok_or(Errno::ENXIO)?;
                let stream = terminal.as_stream().ok_or(Errno::ENXIO)?.clone();
                return self.install(OpenFile::stream(stream, how.access), how);
            }
        };
        let mount = self.ns.mount_of(place.mount);
        let (dev, read_only) = (mount.dev, mount.read_only);
        self.install(OpenFile::new(body, place, kind, how.access, dev, read_only), how)
    }

    fn install(&mut self, file: OpenFile, how: &OpenHow) -> Result<Outcome<Fd>> {
        if how.append || how.nonblock {
            file.set_status(StatusFlags { append: how.append, nonblock: how.nonblock });
        }
        self.fds.insert(Descriptor::new(Arc::new(file), how.cloexec), Fd::STDIN).map(Outcome::Ready)
    }

    /// fifo(7). The end is made at the first try and kept while its opening waits, so that the peer sees it.
    fn open_fifo(&mut self, pipe: &Arc<Pipe>, how: &OpenHow, pending: Option<PipeEnd>) -> Result<Outcome<Body>> {
        let access = Access { truncate: false, ..how.access };
        if access == Access::default() {
            return Err(Errno::EINVAL);
        }
        if how.nonblock && access == Access::WRITE && !pipe.has_reader() {
            return Err(Errno::ENXIO);
        }
        let end = pending.filter(|end| end.is(pipe, access)).unwrap_or_else(|| pipe.end(access));
        match end.opened() {
            Some(wait) if !how.nonblock => {
                self.pending = Some(Pending::Open(end));
                Ok(Outcome::Wait(wait))
            }
            _ => Ok(Outcome::Ready(Body::Stream(Arc::new(end)))),
        }
    }

    /// Opens what an own descriptor is, anew: an open file of its own with an offset of its own.
    fn reopen(&mut self, fd: Fd, how: &OpenHow, pending: Option<PipeEnd>) -> Result<Outcome<Fd>> {
        let file = self.fds.get(fd).map_err(|_| Errno::ENOENT)?.file.clone();
        if how.directory && file.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if file.kind() == FileKind::Directory && (how.create || how.access.mutates()) {
            return Err(Errno::EISDIR);
        }
        let Some(place) = file.place.clone() else {
            let stream = file.as_stream().ok_or(Errno::EBADF)?.clone();
            return self.install(OpenFile::stream(stream, how.access), how);
        };
        if how.kind == FileType::Path {
            return self.opened(None, place, file.kind(), how, pending);
        }
        let read_only = self.ns.mount_of(place.mount).read_only || place.node.read_only();
        if file.kind() == FileKind::File && how.access.mutates() && read_only {
            return Err(Errno::EROFS);
        }
        let opened = place.node.open(how.access)?;
        self.opened(Some(opened), place, file.kind(), how, pending)
    }
}
