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
    open: Mutex<LruCache<FileId, Arc<OwnedFd>, RandomState>>,
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
        self.open.lock().get(&node.id()).cloned()
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
            let place = at.place().ok_or(Errno::ENOENT)?;
            way.push((at.id(), place.name));
            at = place.parent;
        };
        while let Some((id, name)) = way.pop() {
            let opened = self.with_room(|| rustix::fs::openat(&*fd, &*name, DIRECTORY, Mode::empty()));
            let below = Arc::new(opened.map_err(|errno| match errno {
                Errno::ENOTDIR | Errno::ELOOP => Errno::ENOENT,
                other => other,
            })?);
            if attr::id(&rustix::fs::fstat(&*below).map_err(from_host)?) != id {
                return Err(Errno::ENOENT);
            }
            let pushed_out = self.open.lock().push(id, below.clone());
            drop(pushed_out);
            fd = below;
        }
        Ok(fd)
    }

    /// Runs `open`, and once more with no spare directory open when the host is out of descriptors.
    pub fn with_room(&self, mut open: impl FnMut() -> rustix::io::Result<OwnedFd>) -> Result<OwnedFd> {
        match rustix::io::retry_on_intr(&mut open) {
            Err(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                self.open.lock().clear();
                rustix::io::retry_on_intr(&mut open).map_err(from_host)
            }
            opened => opened.map_err(from_host),
        }
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
