//! Moving and replacing entries.

use std::sync::Arc;

use qcell::QCellOwner;

use super::MemFs;
use super::dir::charge_of;
use super::node::{Body, MemNode, ROOT_INO};
use crate::{Errno, FileKind, Result, Timestamp};

/// What a climb from a directory to the root has found.
struct Climb {
    /// Directories above it.
    depth: u32,
    /// If it passed the other directory: the one right below that.
    below: Option<Arc<MemNode>>,
}

/// What one rename is about: a directory, the name's hash, the name.
struct Move<'a> {
    from: (&'a Arc<MemNode>, u64, &'a [u8]),
    to: (&'a Arc<MemNode>, u64, &'a [u8]),
    /// Between two directories.
    across: bool,
}

/// What a rename moves, and what stands in its way.
struct Found {
    node: Arc<MemNode>,
    target: Option<Arc<MemNode>>,
    /// How deep a directory gets.
    depth: u32,
}

/// Takes one name, which was in `above`, from a node's count. A directory is empty.
pub(super) fn unname(tree: &mut QCellOwner, node: &MemNode, above: &Arc<MemNode>, now: Timestamp) {
    match &node.body {
        Body::Directory(dir) => {
            let dir = tree.rw(dir);
            dir.removed_from = Some(above.clone());
            dir.meta.nlink = 0;
            dir.meta.ctime = now;
        }
        Body::Leaf(leaf) => {
            let mut leaf = leaf.write();
            leaf.meta.nlink = leaf.meta.nlink.saturating_sub(1);
            leaf.meta.ctime = now;
        }
    }
}

fn is(node: Option<&Arc<MemNode>>, other: &Arc<MemNode>) -> bool {
    node.is_some_and(|node| Arc::ptr_eq(node, other))
}

impl MemFs {
    pub(super) fn rename_entry(&self, from_dir: &Arc<MemNode>, from: &[u8], to_dir: &Arc<MemNode>, to: &[u8]) -> Result<()> {
        if !Arc::ptr_eq(&from_dir.shared, &to_dir.shared) {
            return Err(Errno::EXDEV);
        }
        let across = !Arc::ptr_eq(from_dir, to_dir);
        let way = Move { from: (from_dir, self.hash(from), from), to: (to_dir, self.hash(to), to), across };
        let mut tree = from_dir.shared.tree.write();
        let Some(found) = self.find(&tree, &way)? else { return Ok(()) };
        let replaced = self.replace(&mut tree, &way, found)?;
        drop(tree);
        // Perhaps the last of a large file: not under the lock.
        drop(replaced);
        Ok(())
    }

    /// Climbs from `dir` to the root, looking out for `other`.
    ///
    /// # Errors
    /// `ENOENT` when a directory on the way has been removed; `ENAMETOOLONG` past the depth that there may be.
    fn climb(&self, tree: &QCellOwner, dir: &Arc<MemNode>, other: &Arc<MemNode>) -> Result<Climb> {
        let (mut at, mut below) = (dir.clone(), None);
        for depth in 0..=self.shared.depth_max {
            if at.ino == ROOT_INO {
                return Ok(Climb { depth, below });
            }
            let above = tree.ro(at.dir()?).living()?.parent.upgrade().ok_or(Errno::ENOENT)?;
            let passed = std::mem::replace(&mut at, above);
            if Arc::ptr_eq(&at, other) {
                below = Some(passed);
            }
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// Looks up both names and checks the move. None when both are one file, and nothing happens.
    fn find(&self, tree: &QCellOwner, way: &Move<'_>) -> Result<Option<Found>> {
        let climbs = match way.across {
            true => Some((self.climb(tree, way.from.0, way.to.0)?, self.climb(tree, way.to.0, way.from.0)?)),
            false => None,
        };
        let source = tree.ro(way.from.0.dir()?).living()?.get(way.from.1, way.from.2);
        let to = tree.ro(way.to.0.dir()?).living()?;
        let target = to.get(way.to.1, way.to.2);
        let node = source.ok_or(Errno::ENOENT)?;
        if let Some((from_climb, to_climb)) = &climbs {
            if is(to_climb.below.as_ref(), node) {
                return Err(Errno::EINVAL);
            }
            if target.is_some_and(|target| is(from_climb.below.as_ref(), target)) {
                return Err(Errno::ENOTEMPTY);
            }
        }
        if is(target, node) {
            return Ok(None);
        }
        let is_dir = node.kind == FileKind::Directory;
        match target {
            Some(target) if is_dir && target.kind != FileKind::Directory => return Err(Errno::ENOTDIR),
            Some(target) if !is_dir && target.kind == FileKind::Directory => return Err(Errno::EISDIR),
            _ => {}
        }
        to.room()?;
        let depth = climbs.map_or(to.depth, |(_, to_climb)| to_climb.depth).saturating_add(1);
        if is_dir && depth > self.shared.depth_max {
            return Err(Errno::ENAMETOOLONG);
        }
        Ok(Some(Found { node: node.clone(), target: target.cloned(), depth }))
    }

    /// Does what [`find`](MemFs::find) has found allowed. Answers the file that was replaced.
    fn replace(&self, tree: &mut QCellOwner, way: &Move<'_>, found: Found) -> Result<Option<Arc<MemNode>>> {
        let Found { node, target, depth } = found;
        let shared = &way.from.0.shared;
        let (from, to) = (way.from.0.dir()?, way.to.0.dir()?);
        let is_dir = node.kind == FileKind::Directory;
        // What can fail comes first: the link count above, the budget, and whether a directory that is replaced is empty.
        let up = u32::from(is_dir && way.across && target.is_none());
        let to_nlink = tree.ro(to).meta.nlink.checked_add(up).ok_or(Errno::EMLINK)?;
        let (old, new) = (charge_of(way.from.2), if target.is_some() { 0 } else { charge_of(way.to.2) });
        shared.budget.charge_bytes(new.saturating_sub(old))?;
        if let Some(dir) = target.as_ref().and_then(|target| target.dir().ok())
            && !tree.ro(dir).is_empty()
        {
            return Err(Errno::ENOTEMPTY);
        }
        shared.budget.release_bytes(old.saturating_sub(new));

        let now = shared.clock.coarse();
        if let Some(target) = &target {
            unname(tree, target, way.to.0, now);
        }
        tree.rw(to).meta.nlink = to_nlink;
        let above = tree.rw(from);
        above.remove(way.from.1, way.from.2);
        above.meta.touch(now);
        if is_dir && (way.across || target.is_some()) {
            above.meta.nlink = above.meta.nlink.saturating_sub(1);
        }
        match &node.body {
            Body::Directory(dir) => {
                let dir = tree.rw(dir);
                dir.meta.ctime = now;
                dir.name = way.to.2.into();
                dir.parent = Arc::downgrade(way.to.0);
                dir.depth = depth;
            }
            Body::Leaf(leaf) => leaf.write().meta.ctime = now,
        }
        let above = tree.rw(to);
        above.meta.touch(now);
        match &target {
            Some(_) => drop(above.replace(way.to.1, way.to.2, node)),
            None => above.insert(way.to.1, way.to.2, node),
        }
        Ok(target)
    }
}
