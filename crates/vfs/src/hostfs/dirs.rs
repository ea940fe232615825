//! Directory descriptors: a bounded number, reopened by climbing when one has been pushed out.

use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use foldhash::fast::RandomState;
use lru::LruCache;
use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags};

use super::attr;
use super::errno::from_host;
use super::node::{FileId, HostNode};
use crate::{Errno, Result};

/// How a directory is held: for `*at` calls only, which needs search permission and no more, as in the kernel's own walk.
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// No host gives more; the table is made for as many as it may hold.
const FDS_MAX: usize = 1 << 16;

/// The open directories of one filesystem. Those in use by a call that runs are open beyond the bound.
pub(super) struct Dirs {
    root: Arc<OwnedFd>,
    open: Mutex<LruCache<FileId, Open, RandomState>>,
}

/// A directory's descriptor, and the node that was found with it: as long as the one keeps the inode number from coming back, the other
/// need not be made anew by each call.
struct Open {
    fd: Arc<OwnedFd>,
    _node: HostNode,
}

impl Dirs {
    pub fn new(root: OwnedFd, fds: usize) -> Self {
        let bound = NonZeroUsize::new(fds.min(FDS_MAX)).unwrap_or(NonZeroUsize::MIN);
        Dirs { root: Arc::new(root), open: Mutex::new(LruCache::with_hasher(bound, RandomState::default())) }
    }

    pub fn root(&self) -> &Arc<OwnedFd> {
        &self.root
    }

    /// The descriptor of a directory that happens to be open.
    pub fn cached(&self, node: &HostNode) -> Option<Arc<OwnedFd>> {
        if node.is_root() {
            return Some(self.root.clone());
        }
        self.open.lock().get(&node.id()).map(|open| open.fd.clone())
    }

    /// A descriptor of `node`, opened from the nearest open ancestor, one name at a time.
    ///
    /// # Errors
    /// `ENOENT` when the directory has been removed or something else stands in its place.
    pub fn get(&self, node: &HostNode) -> Result<Arc<OwnedFd>> {
        if let Some(fd) = self.cached(node) {
            return Ok(fd);
        }
        let mut way = Vec::new();
        let mut at = node.clone();
        let mut fd = loop {
            if let Some(fd) = self.cached(&at) {
                break fd;
            }
            let place = at.place(0).ok_or(Errno::ENOENT)?;
            way.push((std::mem::replace(&mut at, place.parent), place.name));
        };
        while let Some((node, name)) = way.pop() {
            let opened = self.with_room(|| rustix::fs::openat(&*fd, &*name, DIRECTORY, Mode::empty()));
            let below = Arc::new(opened.map_err(|errno| match errno {
                Errno::ENOTDIR | Errno::ELOOP => Errno::ENOENT,
                other => other,
            })?);
            if attr::id(&rustix::fs::fstat(&*below).map_err(from_host)?) != node.id() {
                return Err(Errno::ENOENT);
            }
            let pushed_out = self.open.lock().push(node.id(), Open { fd: below.clone(), _node: node });
            drop(pushed_out);
            fd = below;
        }
        Ok(fd)
    }

    /// Runs `open`, and once more with no spare directory open when the host is out of descriptors.
    pub fn with_room(&self, mut open: impl FnMut() -> rustix::io::Result<OwnedFd>) -> Result<OwnedFd> {
        match rustix::io::retry_on_intr(&mut open) {
            Err(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                self.close_all();
                rustix::io::retry_on_intr(&mut open).map_err(from_host)
            }
            opened => opened.map_err(from_host),
        }
    }

    /// Closes all that no call is using.
    pub fn close_all(&self) {
        let mut open = self.open.lock();
        let none = LruCache::with_hasher(open.cap(), RandomState::default());
        let closed = std::mem::replace(&mut *open, none);
        drop(open);
        // Nodes are dropped, which takes locks that come before this one.
        drop(closed);
    }

    /// The directory is gone; its inode number may come back.
    pub fn forget(&self, id: FileId) {
        let gone = self.open.lock().pop(&id);
        drop(gone);
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.open.lock().len()
    }
}
