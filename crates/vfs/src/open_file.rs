//! The open file description: what `dup` shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use crate::epoll::Epoll;
use crate::filesystem::FileHandle;
use crate::locks::LockOwner;
use crate::namespace::Place;
use crate::socket::Socket;
use crate::stream::Stream;
use crate::{Access, Errno, FileKind, Result, SetAttr, Stat};

/// The flags of an open file that can change while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusFlags {
    /// Every write goes to the end.
    pub append: bool,
    /// Answer `EAGAIN` instead of waiting.
    pub nonblock: bool,
}

pub(crate) enum Body {
    File(Arc<dyn FileHandle>),
    Directory,
    /// The listing of the process's own descriptors.
    FdDirectory,
    Stream(Arc<dyn Stream>),
    /// Only a place (`O_PATH`).
    Path,
}

/// An open file, directory or stream with its offset and status flags.
pub struct OpenFile {
    pub(crate) body: Body,
    pub(crate) place: Option<Place>,
    kind: FileKind,
    access: Access,
    dev: u64,
    read_only: bool,
    append: AtomicBool,
    nonblock: AtomicBool,
    offset: AtomicU64,
    /// The locks that belong to the open file, once it has asked for one.
    locks: Mutex<Option<Box<LockOwner>>>,
    socket: Option<Arc<Socket>>,
    epoll: Option<Arc<Epoll>>,
}

impl OpenFile {
    /// What was opened at `place`, with the number and the read-only flag of the mount.
    pub(crate) fn new(body: Body, place: Place, kind: FileKind, access: Access, dev: u64, read_only: bool) -> Self {
        OpenFile { place: Some(place), dev, read_only, ..OpenFile::unplaced(body, kind, access) }
    }

    fn unplaced(body: Body, kind: FileKind, access: Access) -> Self {
        OpenFile {
            body,
            place: None,
            kind,
            access,
            dev: 0,
            read_only: false,
            append: AtomicBool::new(false),
            nonblock: AtomicBool::new(false),
            offset: AtomicU64::new(0),
            locks: Mutex::new(None),
            socket: None,
            epoll: None,
        }
    }

    /// A stream that stands nowhere in the tree.
    #[must_use]
    pub fn stream(stream: Arc<dyn Stream>, access: Access) -> Self {
        let kind = stream.stat().kind;
        OpenFile::unplaced(Body::Stream(stream), kind, access)
    }

    /// A socket, which is a stream with an address.
    pub(crate) fn socket(socket: Arc<Socket>) -> Self {
        OpenFile { socket: Some(socket.clone()), ..OpenFile::stream(socket, Access::READ_WRITE) }
    }

    /// The socket, when it is one.
    pub(crate) fn as_socket(&self) -> Option<&Arc<Socket>> {
        self.socket.as_ref()
    }

    /// A list of watched files.
    pub(crate) fn epoll(epoll: Arc<Epoll>) -> Self {
        OpenFile { epoll: Some(epoll.clone()), ..OpenFile::stream(epoll, Access::READ_WRITE) }
    }

    /// The list of watched files, when it is one.
    pub(crate) fn as_epoll(&self) -> Option<&Arc<Epoll>> {
        self.epoll.as_ref()
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// What it may do.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether it was opened only as a place.
    #[must_use]
    pub fn is_path(&self) -> bool {
        matches!(self.body, Body::Path)
    }

    /// Whether it has no positions: a pipe, a terminal, captured output.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        matches!(self.body, Body::Stream(_))
    }

    /// Whether it is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(&self.body, Body::Stream(stream) if stream.terminal().is_some())
    }

    /// The stream, when it is one.
    #[must_use]
    pub fn as_stream(&self) -> Option<&Arc<dyn Stream>> {
        match &self.body {
            Body::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// The status flags now.
    #[must_use]
    pub fn status(&self) -> StatusFlags {
        StatusFlags { append: self.append.load(Ordering::Relaxed), nonblock: self.nonblock.load(Ordering::Relaxed) }
    }

    /// Changes the status flags for every descriptor that shares this.
    pub fn set_status(&self, flags: StatusFlags) {
        self.append.store(flags.append, Ordering::Relaxed);
        self.nonblock.store(flags.nonblock, Ordering::Relaxed);
    }

    /// The open file as one that holds locks.
    pub(crate) fn lock_owner(&self) -> MappedMutexGuard<'_, LockOwner> {
        MutexGuard::map(self.locks.lock(), |locks| &mut **locks.get_or_insert_with(|| Box::new(LockOwner::open_file())))
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset.load(Ordering::Relaxed)
    }

    pub(crate) fn set_offset(&self, offset: u64) {
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// The place of an open directory, from which a path can start.
    pub(crate) fn directory(&self) -> Result<&Place> {
        self.place.as_ref().filter(|_| self.kind == FileKind::Directory).ok_or(Errno::ENOTDIR)
    }

    /// The handle to read from.
    pub(crate) fn readable(&self) -> Result<&Body> {
        match &self.body {
            Body::Path => Err(Errno::EBADF),
            _ if !self.access.read => Err(Errno::EBADF),
            Body::Directory | Body::FdDirectory => Err(Errno::EISDIR),
            body => Ok(body),
        }
    }

    /// The handle to write to. A directory is never open for writing.
    pub(crate) fn writable(&self) -> Result<&Body> {
        if self.is_path() || !self.access.write { Err(Errno::EBADF) } else { Ok(&self.body) }
    }

    /// `fstat`.
    pub(crate) fn stat(&self) -> Result<Stat> {
        let stat = match (&self.body, &self.place) {
            (Body::File(handle), _) => handle.stat()?,
            (_, Some(place)) => place.node.stat()?,
            (Body::Stream(stream), None) => stream.stat(),
            (_, None) => return Err(Errno::EBADF),
        };
        Ok(Stat { dev: self.dev, ..stat })
    }

    /// `fchmod`, `fchown`, `futimens` and, for a size, `ftruncate`.
    pub(crate) fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        match (&self.body, &self.place) {
            (Body::Path, _) => Err(Errno::EBADF),
            _ if self.read_only => Err(Errno::EROFS),
            (Body::File(handle), _) => handle.set_attr(attr),
            (_, Some(place)) if place.node.read_only() => Err(Errno::EROFS),
            (_, Some(place)) => place.node.set_attr(attr),
            (_, None) => Err(Errno::EPERM),
        }
    }
}

impl std::fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenFile({:?}, {:?}, at {})", self.kind, self.access, self.offset())
    }
}
