//! The memory layer: files, directories, links and FIFOs that live in the host's memory and are charged to a [`Budget`].
//!
//! A node is an `Arc`; directories hold their entries, and know the one above only weakly. Inside a call, locks are taken in this order,
//! and none is ever held across a call into another layer:
//!
//! ```text
//! Shared::moving                 an entry moves from one directory to another
//! └─ a directory
//!    └─ a directory below it     or, under `moving`, one that is neither above nor below
//!       └─ one of their entries  its link count, its times, its being removed
//! ```
//!
//! Only a move between directories changes who is above whom, so under `moving` that order cannot change; and only there two
//! directories are held that are not parent and child. A climb towards the root holds one lock at a time.
//!
//! The depth of a directory is noted when it is made or moved, and is not corrected in the directories below one that moves:
//! [`Limits::depth`](crate::Limits::depth) bounds what one chain of `mkdir` makes and what one rename climbs.

mod data;
mod dir;
mod node;
mod rename;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use parking_lot::Mutex;

use self::data::Data;
use self::dir::{Directory, charge_of, hash_of};
pub use self::node::MemNode;
use self::node::{Body, ROOT_INO, S_ISGID, Shared};
use crate::pipe::Pipe;
use crate::{
    Access, Budget, Clock, Cookie, DirEntry, Entry, Errno, FileHandle, FileKind, Filesystem, Limits, Name, NewKind, Opened,
    Removal, Result, SetAttr, Stat, StatFs, SystemClock,
};

/// Bytes of a block, for `statfs`.
const BLOCK: u64 = 4096;

/// A writable filesystem in memory.
///
/// ```
/// use stratafs::memfs::MemFs;
/// use stratafs::{Budget, Filesystem, Limits, Name};
///
/// let limits = Limits::default();
/// let fs = MemFs::new(Budget::of(&limits), &limits);
/// let motd = fs.insert_file(&fs.root(), Name::new(b"motd")?, "hello\n".into(), 0o644)?;
/// assert_eq!(fs.stat(&motd)?.size, 6);
/// # Ok::<(), stratafs::Errno>(())
/// ```
pub struct MemFs {
    shared: Arc<Shared>,
    root: Arc<MemNode>,
}

impl MemFs {
    /// An empty filesystem that charges to `budget`, with the host's clock for its times.
    #[must_use]
    pub fn new(budget: Budget, limits: &Limits) -> Arc<Self> {
        Self::with_clock(budget, limits, Arc::new(SystemClock))
    }

    /// An empty filesystem whose times come from `clock`.
    #[must_use]
    pub fn with_clock(budget: Budget, limits: &Limits, clock: Arc<dyn Clock>) -> Arc<Self> {
        let shared = Arc::new(Shared {
            budget,
            clock,
            hash_key: foldhash::fast::RandomState::default(),
            last_ino: AtomicU64::new(ROOT_INO),
            moving: Mutex::new(()),
            depth_max: limits.depth,
            pipe_capacity: limits.pipe,
        });
        let root = MemNode::root(&shared);
        Arc::new(MemFs { shared, root })
    }

    /// Makes a file with the host's `data`, which is not copied until a guest writes to it. It is charged like any other.
    ///
    /// # Errors
    /// As [`create`](Filesystem::create); `ENOSPC` also when the data does not fit.
    pub fn insert_file(&self, dir: &Arc<MemNode>, name: Name<'_>, data: Bytes, mode: u32) -> Result<Arc<MemNode>> {
        self.make(dir, name, mode, |_, _| Ok(Body::File(Data::of(data, &self.shared.budget)?))).map(|entry| entry.node)
    }

    fn hash(&self, name: &[u8]) -> u64 {
        hash_of(&self.shared.hash_key, name)
    }

    /// Makes a node with the body that `body` gives for its inode number, and enters it.
    fn make(
        &self,
        dir: &Arc<MemNode>,
        name: Name<'_>,
        mode: u32,
        body: impl FnOnce(u64, &Directory) -> Result<Body>,
    ) -> Result<Entry<Arc<MemNode>>> {
        let (name, shared) = (name.as_bytes(), &self.shared);
        let hash = self.hash(name);
        let mut state = dir.state.write();
        let (meta, entries) = state.living_mut()?;
        if entries.get(hash, name).is_some() {
            return Err(Errno::EEXIST);
        }
        entries.room()?;
        let ino = MemNode::next_ino(shared);
        let body = body(ino, entries)?;
        let below = matches!(body, Body::Directory(_));
        // As inode_init_owner: a directory with the set-group-id bit hands its group down, and the bit to directories.
        let inherits = meta.mode & S_ISGID != 0;
        let mode = if below && inherits { mode | S_ISGID } else { mode };
        let node = MemNode::new(shared, ino, mode, if inherits { meta.gid } else { 0 }, body)?;
        let nlink = if below { meta.nlink.checked_add(1).ok_or(Errno::EMLINK)? } else { meta.nlink };
        shared.budget.charge_bytes(charge_of(name))?;
        meta.nlink = nlink;
        entries.insert(hash, name, node.clone());
        meta.touch(shared.clock.coarse());
        Ok(Entry { kind: node.kind, node })
    }
}

impl Filesystem for MemFs {
    type Node = Arc<MemNode>;

    fn root(&self) -> Arc<MemNode> {
        self.root.clone()
    }

    #[inline]
    fn key(&self, node: &Arc<MemNode>) -> u64 {
        node.ino
    }

    fn parent(&self, dir: &Arc<MemNode>) -> Result<Arc<MemNode>> {
        if dir.ino == ROOT_INO {
            return Ok(dir.clone());
        }
        dir.state.read().directory()?.parent.upgrade().ok_or(Errno::ENOENT)
    }

    #[inline]
    fn lookup(&self, dir: &Arc<MemNode>, name: Name<'_>) -> Result<Entry<Arc<MemNode>>> {
        let hash = self.hash(name.as_bytes());
        let state = dir.state.read();
        let node = state.directory()?.get(hash, name.as_bytes()).ok_or(Errno::ENOENT)?;
        Ok(Entry { node: node.clone(), kind: node.kind })
    }

    #[inline]
    fn stat(&self, node: &Arc<MemNode>) -> Result<Stat> {
        FileHandle::stat(&**node)
    }

    #[inline]
    fn stat_in(&self, dir: &Arc<MemNode>, name: Name<'_>) -> Result<Stat> {
        let hash = self.hash(name.as_bytes());
        let state = dir.state.read();
        let node = state.directory()?.get(hash, name.as_bytes()).ok_or(Errno::ENOENT)?;
        FileHandle::stat(&**node)
    }

    fn read_dir(&self, dir: &Arc<MemNode>, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let state = dir.state.read();
        for entry in state.directory()?.list(from) {
            let (ino, kind) = (entry.node.ino, entry.node.kind);
            if each(DirEntry { name: entry.name, ino, kind, next: entry.seq }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn open(&self, node: &Arc<MemNode>, access: Access) -> Result<Opened> {
        match node.kind {
            FileKind::Directory if access.mutates() => Err(Errno::EISDIR),
            FileKind::Directory => Ok(Opened::Directory),
            FileKind::Symlink => Err(Errno::ELOOP),
            _ => {
                if let Body::Fifo(pipe) = &node.state.read().body {
                    return Ok(Opened::Fifo(pipe.clone()));
                }
                if access.truncate {
                    node.truncate()?;
                }
                Ok(Opened::File(node.clone()))
            }
        }
    }

    fn read_link(&self, node: &Arc<MemNode>) -> Result<Vec<u8>> {
        if let Body::Symlink(target) = &node.state.read().body { Ok(target.to_vec()) } else { Err(Errno::EINVAL) }
    }

    fn name_of(&self, dir: &Arc<MemNode>) -> Result<Vec<u8>> {
        if dir.ino == ROOT_INO { Err(Errno::ENOENT) } else { Ok(dir.state.read().living()?.name.to_vec()) }
    }

    fn read_only(&self) -> bool {
        false
    }

    fn create(&self, dir: &Arc<MemNode>, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<Arc<MemNode>>> {
        let shared = &self.shared;
        match kind {
            NewKind::File => self.make(dir, name, mode, |_, _| Ok(Body::File(Data::default()))),
            // As vfs_mkdir: a new directory takes no set-id bits from the caller.
            NewKind::Directory => self.make(dir, name, mode & 0o1777, |_, above| {
                let depth = above.depth.saturating_add(1);
                if depth > shared.depth_max {
                    return Err(Errno::ENAMETOOLONG);
                }
                Ok(Body::Directory(Directory::new(Arc::downgrade(dir), name.as_bytes(), depth)))
            }),
            NewKind::Symlink(target) => self.make(dir, name, 0o777, |_, _| {
                shared.budget.charge_bytes(target.len() as u64)?;
                Ok(Body::Symlink(target.into()))
            }),
            NewKind::Fifo => self.make(dir, name, mode, |ino, _| Ok(Body::Fifo(Pipe::new(shared.pipe_capacity, ino)))),
        }
    }

    fn remove(&self, dir: &Arc<MemNode>, name: Name<'_>, removal: Removal) -> Result<()> {
        let name = name.as_bytes();
        let hash = self.hash(name);
        let mut state = dir.state.write();
        let (meta, entries) = state.living_mut()?;
        let node = entries.get(hash, name).ok_or(Errno::ENOENT)?;
        match (removal, node.kind == FileKind::Directory) {
            (Removal::File, true) => return Err(Errno::EISDIR),
            (Removal::Directory, false) => return Err(Errno::ENOTDIR),
            (Removal::File, false) | (Removal::Directory, true) => {}
        }
        let now = self.shared.clock.coarse();
        rename::unname(node, dir, now)?;
        if node.kind == FileKind::Directory {
            meta.nlink -= 1;
        }
        let gone = entries.remove(hash, name);
        self.shared.budget.release_bytes(charge_of(name));
        meta.touch(now);
        drop(state);
        // Perhaps the last of a large file: not under the lock.
        drop(gone);
        Ok(())
    }

    fn rename(&self, from_dir: &Arc<MemNode>, from: Name<'_>, to_dir: &Arc<MemNode>, to: Name<'_>) -> Result<()> {
        self.rename_entry(from_dir, from.as_bytes(), to_dir, to.as_bytes())
    }

    fn link(&self, node: &Arc<MemNode>, dir: &Arc<MemNode>, name: Name<'_>) -> Result<()> {
        let name = name.as_bytes();
        let hash = self.hash(name);
        let mut state = dir.state.write();
        let (meta, entries) = state.living_mut()?;
        if entries.get(hash, name).is_some() {
            return Err(Errno::EEXIST);
        }
        if node.kind == FileKind::Directory {
            return Err(Errno::EPERM);
        }
        entries.room()?;
        let file = &mut node.state.write().meta;
        if file.nlink == 0 {
            return Err(Errno::ENOENT);
        }
        let nlink = file.nlink.checked_add(1).ok_or(Errno::EMLINK)?;
        self.shared.budget.charge_bytes(charge_of(name))?;
        let now = self.shared.clock.coarse();
        (file.nlink, file.ctime) = (nlink, now);
        entries.insert(hash, name, node.clone());
        meta.touch(now);
        Ok(())
    }

    fn set_attr(&self, node: &Arc<MemNode>, attr: &SetAttr) -> Result<()> {
        FileHandle::set_attr(&**node, attr)
    }

    fn statfs(&self) -> Result<StatFs> {
        let budget = &self.shared.budget;
        Ok(StatFs {
            block_size: BLOCK,
            blocks: budget.bytes_max() / BLOCK,
            blocks_free: budget.bytes_max().saturating_sub(budget.bytes_used()) / BLOCK,
            files: budget.inodes_max(),
            files_free: budget.inodes_max().saturating_sub(budget.inodes_used()),
            name_max: crate::NAME_MAX as u64,
            read_only: false,
        })
    }
}

impl std::fmt::Debug for MemFs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemFs").field("budget", &self.shared.budget).finish_non_exhaustive()
    }
}
