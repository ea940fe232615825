//! The memory layer: files, directories, links and FIFOs that live in the host's memory and are charged to a [`Budget`].
//!
//! A node is an `Arc`; directories hold their entries, and know the one above only weakly. Inside a call, locks are taken in this order,
//! and none is ever held across a call into another layer:
//!
//! ```text
//! Shared::tree   all directories: their entries, attributes, and who is above whom
//! └─ a file      its contents; its attributes for who changes them (who reads them hardly ever needs it)
//! ```
//!
//! One lock for all directories costs a walk one acquisition however deep it goes, without a reference counted on the way; what changes
//! a directory holds it for the time of one change.
//!
//! The depth of a directory is noted when it is made or moved, and is not corrected in the directories below one that moves:
//! [`Limits::depth`](crate::Limits::depth) bounds what one chain of `mkdir` makes and what one rename climbs.

mod data;
mod dir;
mod leaf;
mod node;
mod rename;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use parking_lot::RwLock;
use qcell::QCellOwner;

use self::data::Data;
use self::dir::{Directory, charge_of, hash_of};
use self::leaf::{Contents, Leaf};
pub use self::node::MemNode;
use self::node::{Body, Meta, ROOT_INO, S_ISGID, Shared};
use crate::pipe::{Pipe, PipeSize};
use crate::{
    Access, Budget, Clock, Cookie, DirEntry, Entry, Errno, FileHandle, FileKind, Filesystem, Limits, Name, Names, NewKind,
    Opened, Removal, Result, SetAttr, Stat, StatFs, SystemClock,
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
        let tree = QCellOwner::new();
        let shared = Arc::new(Shared {
            budget,
            clock,
            hash_key: foldhash::fast::RandomState::default(),
            last_ino: AtomicU64::new(ROOT_INO),
            tree_id: tree.id(),
            tree: RwLock::new(tree),
            depth_max: limits.depth,
            pipe_size: PipeSize::of(limits),
        });
        let root = MemNode::root(&shared);
        Arc::new(MemFs { shared, root })
    }

    /// Makes a file with the host's `data`, which is not copied until a guest writes to it. It is charged like any other.
    ///
    /// # Errors
    /// As [`create`](Filesystem::create); `ENOSPC` also when the data does not fit.
    pub fn insert_file(&self, dir: &Arc<MemNode>, name: Name<'_>, data: Bytes, mode: u32) -> Result<Arc<MemNode>> {
        let contents = || Ok(Contents::File(Data::of(data, &self.shared.budget)?));
        self.make(dir, name, FileKind::File, mode, |meta, _, _| Ok(leaf(meta, contents()?))).map(|entry| entry.node)
    }

    fn hash(&self, name: &[u8]) -> u64 {
        hash_of(&self.shared.hash_key, name)
    }

    /// Goes by `names` to the end of the path, if they reach so far and no link is on the way.
    #[inline(always)]
    fn reach<'t>(
        &self,
        tree: &'t QCellOwner,
        dir: &'t Arc<MemNode>,
        names: &mut Names<'_, '_>,
    ) -> Result<Option<&'t Arc<MemNode>>> {
        let mut at = dir;
        while let Some(name) = names.peek(at.ino) {
            let name = name.as_bytes();
            let node = tree.ro(at.dir()?).get(self.hash(name), name).ok_or(Errno::ENOENT)?;
            match node.kind {
                _ if names.at_last() => return Ok(Some(node)),
                FileKind::Directory => names.advance(at.ino),
                FileKind::Symlink => break,
                _ => return Err(Errno::ENOTDIR),
            }
            at = node;
        }
        Ok(None)
    }

    /// Makes a node with the body that `body` gives for its attributes, inode number and depth, and enters it.
    fn make(
        &self,
        dir: &Arc<MemNode>,
        name: Name<'_>,
        kind: FileKind,
        mode: u32,
        body: impl FnOnce(Meta, u64, u32) -> Result<Body>,
    ) -> Result<Entry<Arc<MemNode>>> {
        let (name, shared) = (name.as_bytes(), &dir.shared);
        let hash = self.hash(name);
        let mut tree = shared.tree.write();
        let above = tree.rw(dir.dir()?).living_mut()?;
        if above.get(hash, name).is_some() {
            return Err(Errno::EEXIST);
        }
        above.room()?;
        let (ino, now, below) = (MemNode::next_ino(shared), shared.clock.coarse(), kind == FileKind::Directory);
        // As inode_init_owner: a directory with the set-group-id bit hands its group down, and the bit to directories.
        let inherits = above.meta.mode & S_ISGID != 0;
        let mode = if below && inherits { mode | S_ISGID } else { mode };
        let meta = Meta::new(mode, if below { 2 } else { 1 }, if inherits { above.meta.gid } else { 0 }, now);
        let node = MemNode::new(shared, ino, kind, body(meta, ino, above.depth.saturating_add(1))?)?;
        let nlink = above.meta.nlink.checked_add(u32::from(below)).ok_or(Errno::EMLINK)?;
        shared.budget.charge_bytes(charge_of(name))?;
        above.meta.nlink = nlink;
        above.insert(hash, name, node.clone());
        above.meta.touch(now);
        Ok(Entry { node, kind })
    }
}

fn leaf(meta: Meta, contents: Contents) -> Body {
    Body::Leaf(Leaf::new(meta, contents))
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
        dir.shared.tree.read().ro(dir.dir()?).parent.upgrade().ok_or(Errno::ENOENT)
    }

    #[inline]
    fn lookup(&self, dir: &Arc<MemNode>, name: Name<'_>) -> Result<Entry<Arc<MemNode>>> {
        let hash = self.hash(name.as_bytes());
        let tree = dir.shared.tree.read();
        let node = tree.ro(dir.dir()?).get(hash, name.as_bytes()).ok_or(Errno::ENOENT)?;
        Ok(Entry { node: node.clone(), kind: node.kind })
    }

    fn stat(&self, node: &Arc<MemNode>) -> Result<Stat> {
        FileHandle::stat(&**node)
    }

    #[inline]
    fn descend(&self, dir: &Arc<MemNode>, names: &mut Names<'_, '_>) -> Result<Option<Arc<MemNode>>> {
        let tree = dir.shared.tree.read();
        let mut at = dir;
        while let Some(name) = names.peek(at.ino) {
            let name = name.as_bytes();
            match tree.ro(at.dir()?).get(self.hash(name), name) {
                Some(node) if node.kind == FileKind::Directory => {
                    names.advance(at.ino);
                    at = node;
                }
                _ => break,
            }
        }
        Ok(if Arc::ptr_eq(at, dir) { None } else { Some(at.clone()) })
    }

    #[inline]
    fn lookup_at(&self, dir: &Arc<MemNode>, names: &mut Names<'_, '_>) -> Result<Option<Entry<Arc<MemNode>>>> {
        let tree = dir.shared.tree.read();
        Ok(self.reach(&tree, dir, names)?.map(|node| Entry { node: node.clone(), kind: node.kind }))
    }

    #[inline]
    fn stat_at(&self, dir: &Arc<MemNode>, names: &mut Names<'_, '_>) -> Result<Option<Stat>> {
        let tree = dir.shared.tree.read();
        let found = self.reach(&tree, dir, names)?.filter(|node| node.kind != FileKind::Symlink);
        Ok(found.map(|node| node.stat_under(&tree)))
    }

    fn read_dir(&self, dir: &Arc<MemNode>, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let tree = dir.shared.tree.read();
        for entry in tree.ro(dir.dir()?).list(from) {
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
            FileKind::Fifo => match &*node.leaf()?.read() {
                Contents::Fifo(pipe) => Ok(Opened::Fifo(pipe.clone())),
                Contents::File(_) | Contents::Symlink(_) => Err(Errno::EIO),
            },
            FileKind::File | FileKind::CharDevice | FileKind::Socket => {
                if access.truncate {
                    node.truncate()?;
                }
                Ok(Opened::File(node.clone()))
            }
        }
    }

    fn read_link(&self, node: &Arc<MemNode>) -> Result<Vec<u8>> {
        match &node.body {
            Body::Leaf(leaf) if let Contents::Symlink(target) = &*leaf.read() => Ok(target.to_vec()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn name_of(&self, dir: &Arc<MemNode>) -> Result<Vec<u8>> {
        if dir.ino == ROOT_INO {
            return Err(Errno::ENOENT);
        }
        Ok(dir.shared.tree.read().ro(dir.dir()?).living()?.name.to_vec())
    }

    fn read_only(&self) -> bool {
        false
    }

    fn create(&self, dir: &Arc<MemNode>, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<Arc<MemNode>>> {
        let shared = &dir.shared;
        match kind {
            NewKind::File => {
                self.make(dir, name, FileKind::File, mode, |meta, _, _| Ok(leaf(meta, Contents::File(Data::default()))))
            }
            // As vfs_mkdir: a new directory takes no set-id bits from the caller.
            NewKind::Directory => self.make(dir, name, FileKind::Directory, mode & 0o1777, |meta, _, depth| {
                if depth > shared.depth_max {
                    return Err(Errno::ENAMETOOLONG);
                }
                let new = Directory::new(meta, Arc::downgrade(dir), name.as_bytes(), depth);
                Ok(Body::Directory(shared.tree_id.cell(new)))
            }),
            NewKind::Symlink(target) => self.make(dir, name, FileKind::Symlink, 0o777, |meta, _, _| {
                shared.budget.charge_bytes(target.len() as u64)?;
                Ok(leaf(meta, Contents::Symlink(target.into())))
            }),
            NewKind::Fifo => self.make(dir, name, FileKind::Fifo, mode, |meta, ino, _| {
                Ok(leaf(meta, Contents::Fifo(Pipe::new(shared.pipe_size, ino))))
            }),
        }
    }

    fn remove(&self, dir: &Arc<MemNode>, name: Name<'_>, removal: Removal) -> Result<()> {
        let (name, shared) = (name.as_bytes(), &dir.shared);
        let hash = self.hash(name);
        let mut tree = shared.tree.write();
        let node = tree.ro(dir.dir()?).living()?.get(hash, name).ok_or(Errno::ENOENT)?;
        match (removal, node.kind == FileKind::Directory) {
            (Removal::File, true) => return Err(Errno::EISDIR),
            (Removal::Directory, false) => return Err(Errno::ENOTDIR),
            (Removal::Directory, true) if !tree.ro(node.dir()?).is_empty() => return Err(Errno::ENOTEMPTY),
            (Removal::File, false) | (Removal::Directory, true) => {}
        }
        let now = shared.clock.coarse();
        let above = tree.rw(dir.dir()?);
        let gone = above.remove(hash, name);
        above.meta.touch(now);
        if removal == Removal::Directory {
            above.meta.nlink -= 1;
        }
        if let Some(gone) = &gone {
            rename::unname(&mut tree, gone, dir, now);
        }
        shared.budget.release_bytes(charge_of(name));
        drop(tree);
        // Perhaps the last of a large file: not under the lock.
        drop(gone);
        Ok(())
    }

    fn rename(&self, from_dir: &Arc<MemNode>, from: Name<'_>, to_dir: &Arc<MemNode>, to: Name<'_>) -> Result<()> {
        self.rename_entry(from_dir, from.as_bytes(), to_dir, to.as_bytes())
    }

    fn link(&self, node: &Arc<MemNode>, dir: &Arc<MemNode>, name: Name<'_>) -> Result<()> {
        let (name, shared) = (name.as_bytes(), &dir.shared);
        let hash = self.hash(name);
        let mut tree = shared.tree.write();
        let above = tree.rw(dir.dir()?).living_mut()?;
        if above.get(hash, name).is_some() {
            return Err(Errno::EEXIST);
        }
        let mut file = node.leaf().map_err(|_| Errno::EPERM)?.write();
        above.room()?;
        if file.meta.nlink == 0 {
            return Err(Errno::ENOENT);
        }
        let nlink = file.meta.nlink.checked_add(1).ok_or(Errno::EMLINK)?;
        shared.budget.charge_bytes(charge_of(name))?;
        let now = shared.clock.coarse();
        (file.meta.nlink, file.meta.ctime) = (nlink, now);
        above.insert(hash, name, node.clone());
        above.meta.touch(now);
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
