//! A file of any kind: its attributes, its body, and what an open file does with it.

use std::io::IoSlice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use super::data::Data;
use super::dir::Directory;
use crate::pipe::Pipe;
use crate::{Budget, Clock, Errno, FileHandle, FileKind, Result, SetAttr, SetTime, Stat, Timestamp};

/// The root's inode number.
pub(super) const ROOT_INO: u64 = 1;
const S_ISUID: u32 = 0o4000;
pub(super) const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o010;

/// What all nodes of one filesystem share.
pub(super) struct Shared {
    pub budget: Budget,
    pub clock: Arc<dyn Clock>,
    pub hash_key: foldhash::fast::RandomState,
    pub last_ino: AtomicU64,
    /// Held while an entry moves from one directory to another: the only thing that changes who is above whom.
    pub moving: Mutex<()>,
    pub depth_max: u32,
    pub pipe_capacity: usize,
}

/// A file in a [`MemFs`](super::MemFs). It lives while a name, a clone or an open file of it does; its storage goes back to
/// the budget with it.
pub struct MemNode {
    pub(super) shared: Arc<Shared>,
    pub(super) ino: u64,
    pub(super) kind: FileKind,
    pub(super) state: RwLock<State>,
}

/// What changes about a node.
pub(super) struct State {
    pub meta: Meta,
    pub body: Body,
}

pub(super) struct Meta {
    pub mode: u32,
    /// 0: removed.
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub atime: Timestamp,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
}

pub(super) enum Body {
    File(Data),
    Directory(Directory),
    Symlink(Box<[u8]>),
    Fifo(Arc<Pipe>),
}

impl Meta {
    /// The contents have changed.
    pub fn touch(&mut self, now: Timestamp) {
        self.mtime = now;
        self.ctime = now;
    }

    fn set(&mut self, attr: &SetAttr, kind: FileKind, now: Timestamp) {
        if attr.uid.is_some() || attr.gid.is_some() {
            self.uid = attr.uid.unwrap_or(self.uid);
            self.gid = attr.gid.unwrap_or(self.gid);
            // chown(2): Linux takes the set-id bits from what could be executed, from root's files too.
            if kind != FileKind::Directory {
                let group = if self.mode & S_IXGRP != 0 { S_ISGID } else { 0 };
                self.mode &= !(S_ISUID | group);
            }
        }
        if let Some(mode) = attr.mode {
            self.mode = mode & 0o7777;
        }
        if attr.size.is_some() {
            self.mtime = now;
        }
        for (time, set) in [(&mut self.atime, attr.atime), (&mut self.mtime, attr.mtime)] {
            match set {
                SetTime::Keep => {}
                SetTime::Now => *time = now,
                SetTime::To(to) => *time = to,
            }
        }
        if *attr != SetAttr::default() {
            self.ctime = now;
        }
    }
}

impl State {
    pub fn directory(&self) -> Result<&Directory> {
        if let Body::Directory(dir) = &self.body { Ok(dir) } else { Err(Errno::ENOTDIR) }
    }

    /// A directory that has not been removed.
    ///
    /// # Errors
    /// `ENOTDIR`; `ENOENT` when it has.
    pub fn living(&self) -> Result<&Directory> {
        let dir = self.directory()?;
        if self.meta.nlink == 0 { Err(Errno::ENOENT) } else { Ok(dir) }
    }

    /// The attributes and entries of a directory that has not been removed.
    ///
    /// # Errors
    /// As [`living`](State::living).
    pub fn living_mut(&mut self) -> Result<(&mut Meta, &mut Directory)> {
        match &mut self.body {
            Body::Directory(_) if self.meta.nlink == 0 => Err(Errno::ENOENT),
            Body::Directory(dir) => Ok((&mut self.meta, dir)),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn file(&self) -> Result<&Data> {
        if let Body::File(data) = &self.body { Ok(data) } else { Err(Errno::EINVAL) }
    }

    fn file_mut(&mut self) -> Result<(&mut Meta, &mut Data)> {
        if let Body::File(data) = &mut self.body { Ok((&mut self.meta, data)) } else { Err(Errno::EINVAL) }
    }
}

impl MemNode {
    /// A node of its own, without a name yet. `charged` bytes have been charged for `body`; they go back if this fails.
    ///
    /// # Errors
    /// `ENOSPC` when no inode is left.
    pub(super) fn new(shared: &Arc<Shared>, ino: u64, mode: u32, gid: u32, body: Body) -> Result<Arc<Self>> {
        if let Err(full) = shared.budget.charge_inode() {
            shared.budget.release_bytes(body.charged());
            return Err(full);
        }
        let now = shared.clock.coarse();
        let kind = body.kind();
        let nlink = if kind == FileKind::Directory { 2 } else { 1 };
        let meta = Meta { mode: mode & 0o7777, nlink, uid: 0, gid, atime: now, mtime: now, ctime: now };
        Ok(Arc::new(MemNode { shared: shared.clone(), ino, kind, state: RwLock::new(State { meta, body }) }))
    }

    /// The top directory of a new filesystem. It counts no inode, so that it can always be made.
    pub(super) fn root(shared: &Arc<Shared>) -> Arc<Self> {
        let now = shared.clock.coarse();
        let meta = Meta { mode: 0o755, nlink: 2, uid: 0, gid: 0, atime: now, mtime: now, ctime: now };
        let body = Body::Directory(Directory::new(Weak::new(), b"", 0));
        let state = RwLock::new(State { meta, body });
        Arc::new(MemNode { shared: shared.clone(), ino: ROOT_INO, kind: FileKind::Directory, state })
    }

    pub(super) fn next_ino(shared: &Shared) -> u64 {
        shared.last_ino.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Cuts a file that is opened with `O_TRUNC`.
    pub(super) fn truncate(&self) -> Result<()> {
        self.set_attr(&SetAttr::size(0))
    }

    fn write(&self, bufs: &[IoSlice<'_>], offset: Option<u64>) -> Result<(usize, u64)> {
        let mut state = self.state.write();
        let (meta, data) = state.file_mut()?;
        let offset = offset.unwrap_or_else(|| data.size());
        let n = data.write(bufs, offset, &self.shared.budget)?;
        if n > 0 {
            meta.touch(self.shared.clock.coarse());
        }
        Ok((n, offset.saturating_add(n as u64)))
    }
}

/// Opening a file makes nothing: the node is its own handle.
impl FileHandle for MemNode {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        Ok(self.state.read().file()?.read(buf, offset))
    }

    fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> Result<usize> {
        self.write(bufs, Some(offset)).map(|(n, _)| n)
    }

    fn append(&self, bufs: &[IoSlice<'_>]) -> Result<(usize, u64)> {
        self.write(bufs, None)
    }

    fn next_data(&self, offset: u64) -> Result<Option<u64>> {
        Ok(self.state.read().file()?.next_data(offset))
    }

    fn stat(&self) -> Result<Stat> {
        let state = self.state.read();
        let Meta { mode, nlink, uid, gid, atime, mtime, ctime } = state.meta;
        let (size, blocks) = match &state.body {
            Body::File(data) => (data.size(), data.charged().div_ceil(512)),
            // As Linux's tmpfs counts: 20 bytes for each entry, `.` and `..` among them.
            Body::Directory(dir) => (20 * (dir.len() as u64 + 2), 0),
            Body::Symlink(target) => (target.len() as u64, 0),
            Body::Fifo(_) => (0, 0),
        };
        let nlink = u64::from(nlink);
        Ok(Stat { dev: 0, ino: self.ino, kind: self.kind, mode, nlink, uid, gid, size, blocks, atime, mtime, ctime })
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        let mut state = self.state.write();
        let State { meta, body } = &mut *state;
        if let Some(size) = attr.size {
            match body {
                Body::File(data) => data.resize(size, &self.shared.budget)?,
                Body::Directory(_) => return Err(Errno::EISDIR),
                Body::Symlink(_) | Body::Fifo(_) => return Err(Errno::EINVAL),
            }
        }
        meta.set(attr, self.kind, self.shared.clock.coarse());
        Ok(())
    }

    /// Grows the file with a hole; nothing is charged yet, but what could not be is refused.
    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        let end = offset.checked_add(len).filter(|&end| i64::try_from(end).is_ok()).ok_or(Errno::EFBIG)?;
        let mut state = self.state.write();
        let (meta, data) = state.file_mut()?;
        let budget = &self.shared.budget;
        if data.missing(offset, end) > budget.bytes_max().saturating_sub(budget.bytes_used()) {
            return Err(Errno::ENOSPC);
        }
        if end > data.size() {
            data.resize(end, budget)?;
        }
        meta.touch(self.shared.clock.coarse());
        Ok(())
    }
}

impl Body {
    fn kind(&self) -> FileKind {
        match self {
            Body::File(_) => FileKind::File,
            Body::Directory(_) => FileKind::Directory,
            Body::Symlink(_) => FileKind::Symlink,
            Body::Fifo(_) => FileKind::Fifo,
        }
    }

    /// Bytes charged for what is not a directory's entries.
    fn charged(&self) -> u64 {
        match self {
            Body::File(data) => data.charged(),
            Body::Symlink(target) => target.len() as u64,
            Body::Directory(_) | Body::Fifo(_) => 0,
        }
    }
}

impl MemNode {
    /// Gives everything back to the budget and takes out the nodes that it holds, if it is a directory with any.
    fn dismantle(&mut self) -> Option<impl Iterator<Item = Arc<MemNode>> + use<>> {
        let budget = &self.shared.budget;
        if self.ino != ROOT_INO {
            budget.release_inode();
        }
        let body = &mut self.state.get_mut().body;
        budget.release_bytes(body.charged());
        match body {
            Body::Directory(dir) if !dir.is_empty() || dir.removed_from.is_some() => {
                let (held, charged) = dir.take();
                budget.release_bytes(charged);
                Some(held)
            }
            _ => None,
        }
    }
}

/// A tree goes without recursion, however deep it is. No lock is taken, so that a node may be dropped under any.
impl Drop for MemNode {
    fn drop(&mut self) {
        let Some(held) = self.dismantle() else { return };
        let mut pending: Vec<Arc<MemNode>> = held.collect();
        while let Some(node) = pending.pop() {
            // Of several threads that drop the last clones at once, exactly one gets the node.
            if let Some(mut node) = Arc::into_inner(node)
                && let Body::Directory(dir) = &mut node.state.get_mut().body
            {
                let (held, charged) = dir.take();
                pending.extend(held);
                node.shared.budget.release_bytes(charged);
            }
        }
    }
}

impl std::fmt::Debug for MemNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemNode({}, {:?})", self.ino, self.kind)
    }
}
