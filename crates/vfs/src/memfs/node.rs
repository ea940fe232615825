//! A file of any kind: its attributes, its body, and what an open file does with it.

use std::io::IoSlice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;
use qcell::{QCell, QCellOwner, QCellOwnerID};

use super::dir::Directory;
use super::leaf::{Attributes, Leaf};
use crate::pipe::PipeSize;
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
    /// All directories are under this one lock: a walk takes it once and goes down by reference, however far.
    pub tree: RwLock<QCellOwner>,
    /// What says that a directory is under `tree`.
    pub tree_id: QCellOwnerID,
    pub depth_max: u32,
    pub pipe_size: PipeSize,
}

/// A file in a [`MemFs`](super::MemFs). It lives while a name, a clone or an open file of it does; its storage goes back to
/// the budget with it.
// In this order, so that what a listing reads of a node lies together.
#[repr(C)]
pub struct MemNode {
    pub(super) shared: Arc<Shared>,
    pub(super) ino: u64,
    pub(super) kind: FileKind,
    pub(super) body: Body,
}

pub(super) enum Body {
    /// Under the lock on the tree.
    Directory(QCell<Directory>),
    /// Under a lock of its own, but for reading its attributes.
    Leaf(Leaf),
}

#[derive(Debug, Clone, Copy)]
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

impl Meta {
    /// Of something new.
    pub fn new(mode: u32, nlink: u32, gid: u32, now: Timestamp) -> Self {
        Meta { mode: mode & 0o7777, nlink, uid: 0, gid, atime: now, mtime: now, ctime: now }
    }

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

    fn stat(&self, node: &MemNode, size: u64, blocks: u64) -> Stat {
        let Meta { mode, nlink, uid, gid, atime, mtime, ctime } = *self;
        let nlink = u64::from(nlink);
        Stat { dev: 0, ino: node.ino, kind: node.kind, mode, nlink, uid, gid, size, blocks, atime, mtime, ctime }
    }
}

impl MemNode {
    /// A node of its own, without a name yet. `charged` bytes have been charged for `body`; they go back if this fails.
    ///
    /// # Errors
    /// `ENOSPC` when no inode is left.
    pub(super) fn new(shared: &Arc<Shared>, ino: u64, kind: FileKind, body: Body) -> Result<Arc<Self>> {
        if let Err(full) = shared.budget.charge_inode() {
            if let Body::Leaf(leaf) = body {
                shared.budget.release_bytes(leaf.read().charged());
            }
            return Err(full);
        }
        Ok(Arc::new(MemNode { shared: shared.clone(), ino, kind, body }))
    }

    /// The top directory of a new filesystem. It counts no inode, so that it can always be made.
    pub(super) fn root(shared: &Arc<Shared>) -> Arc<Self> {
        let meta = Meta::new(0o755, 2, 0, shared.clock.coarse());
        let body = Body::Directory(shared.tree_id.cell(Directory::new(meta, Weak::new(), b"", 0)));
        Arc::new(MemNode { shared: shared.clone(), ino: ROOT_INO, kind: FileKind::Directory, body })
    }

    pub(super) fn next_ino(shared: &Shared) -> u64 {
        shared.last_ino.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// # Errors
    /// `ENOTDIR`.
    #[inline]
    pub(super) fn dir(&self) -> Result<&QCell<Directory>> {
        if let Body::Directory(dir) = &self.body { Ok(dir) } else { Err(Errno::ENOTDIR) }
    }

    /// # Errors
    /// `EISDIR`.
    #[inline]
    pub(super) fn leaf(&self) -> Result<&Leaf> {
        if let Body::Leaf(leaf) = &self.body { Ok(leaf) } else { Err(Errno::EISDIR) }
    }

    /// The attributes of a directory, and those of anything else.
    #[inline]
    fn stat_dir(&self, dir: &Directory) -> Stat {
        // As Linux's tmpfs counts: 20 bytes for each entry, `.` and `..` among them.
        dir.meta.stat(self, 20 * (dir.len() as u64 + 2), 0)
    }

    #[inline]
    fn stat_leaf(&self, leaf: &Leaf) -> Stat {
        let Attributes { meta, size, stored } = leaf.attributes();
        meta.stat(self, size, stored.div_ceil(512))
    }

    /// The attributes, under the lock on the tree.
    #[inline]
    pub(super) fn stat_under(&self, tree: &QCellOwner) -> Stat {
        match &self.body {
            Body::Directory(dir) => self.stat_dir(tree.ro(dir)),
            Body::Leaf(leaf) => self.stat_leaf(leaf),
        }
    }

    /// Cuts a file that is opened with `O_TRUNC`.
    pub(super) fn truncate(&self) -> Result<()> {
        self.set_attr(&SetAttr::size(0))
    }

    fn write(&self, bufs: &[IoSlice<'_>], offset: Option<u64>) -> Result<(usize, u64)> {
        let mut leaf = self.leaf()?.write();
        let (meta, data) = leaf.file()?;
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
        Ok(self.leaf()?.read().file()?.read(buf, offset))
    }

    fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> Result<usize> {
        self.write(bufs, Some(offset)).map(|(n, _)| n)
    }

    fn append(&self, bufs: &[IoSlice<'_>]) -> Result<(usize, u64)> {
        self.write(bufs, None)
    }

    fn next_data(&self, offset: u64) -> Result<Option<u64>> {
        Ok(self.leaf()?.read().file()?.next_data(offset))
    }

    fn stat(&self) -> Result<Stat> {
        Ok(match &self.body {
            Body::Directory(dir) => self.stat_dir(self.shared.tree.read().ro(dir)),
            Body::Leaf(leaf) => self.stat_leaf(leaf),
        })
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        let Shared { budget, clock, tree, .. } = &*self.shared;
        match &self.body {
            Body::Directory(_) if attr.size.is_some() => return Err(Errno::EISDIR),
            Body::Directory(dir) => tree.write().rw(dir).meta.set(attr, self.kind, clock.coarse()),
            Body::Leaf(leaf) => {
                let mut leaf = leaf.write();
                if let Some(size) = attr.size {
                    leaf.file()?.1.resize(size, budget)?;
                }
                leaf.meta.set(attr, self.kind, clock.coarse());
            }
        }
        Ok(())
    }

    /// Grows the file with a hole; nothing is charged yet, but what could not be is refused.
    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        let end = offset.checked_add(len).filter(|&end| i64::try_from(end).is_ok()).ok_or(Errno::EFBIG)?;
        let mut leaf = self.leaf()?.write();
        let (meta, data) = leaf.file()?;
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

impl MemNode {
    /// Gives everything back to the budget and takes out the nodes that it holds, if it is a directory with any.
    fn dismantle(&mut self) -> Option<impl Iterator<Item = Arc<MemNode>> + use<>> {
        let budget = &self.shared.budget;
        if self.ino != ROOT_INO {
            budget.release_inode();
        }
        match &mut self.body {
            Body::Directory(dir) => {
                let dir = dir.get_mut();
                (!dir.is_empty() || dir.removed_from.is_some()).then(|| {
                    let (held, charged) = dir.take();
                    budget.release_bytes(charged);
                    held
                })
            }
            Body::Leaf(leaf) => {
                budget.release_bytes(leaf.read().charged());
                None
            }
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
                && let Body::Directory(dir) = &mut node.body
            {
                let (held, charged) = dir.get_mut().take();
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
