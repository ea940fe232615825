//! Moving and replacing entries.

use std::sync::Arc;

use super::MemFs;
use super::dir::{Directory, charge_of};
use super::node::{MemNode, ROOT_INO, State};
use crate::{Errno, FileKind, Result, Timestamp};

/// What a climb from a directory to the root has found.
struct Climb {
    /// Directories above it.
    depth: u32,
    /// If it passed the other directory: the one right below that.
    below: Option<Arc<MemNode>>,
}

/// What one rename is about.
struct Move<'a> {
    from: (u64, &'a [u8]),
    to: (u64, &'a [u8]),
    to_dir: &'a Arc<MemNode>,
    /// Between two directories: the climbs from where it comes and from where it goes.
    climbs: Option<(Climb, Climb)>,
}

/// Takes one name from a node's count, under the lock of the directory `above` that the name is in.
///
/// # Errors
/// `ENOTEMPTY` for a directory with entries.
pub(super) fn unname(node: &MemNode, above: &Arc<MemNode>, now: Timestamp) -> Result<()> {
    let mut state = node.state.write();
    if let Ok((_, dir)) = state.living_mut() {
        if !dir.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        dir.removed_from = Some(above.clone());
    }
    let meta = &mut state.meta;
    meta.nlink = if node.kind == FileKind::Directory { 0 } else { meta.nlink.saturating_sub(1) };
    meta.ctime = now;
    Ok(())
}

fn is(node: Option<&Arc<MemNode>>, other: &Arc<MemNode>) -> bool {
    node.is_some_and(|node| Arc::ptr_eq(node, other))
}

impl MemFs {
    pub(super) fn rename_entry(&self, from_dir: &Arc<MemNode>, from: &[u8], to_dir: &Arc<MemNode>, to: &[u8]) -> Result<()> {
        let mut way = Move { from: (self.hash(from), from), to: (self.hash(to), to), to_dir, climbs: None };
        if Arc::ptr_eq(from_dir, to_dir) {
            let replaced = self.move_entry(&way, &mut from_dir.state.write(), None)?;
            drop(replaced);
            return Ok(());
        }
        let moving = self.shared.moving.lock();
        let climbs = (self.climb(from_dir, to_dir)?, self.climb(to_dir, from_dir)?);
        let (mut from_state, mut to_state);
        if climbs.0.below.is_some() {
            to_state = to_dir.state.write();
            from_state = from_dir.state.write();
        } else {
            from_state = from_dir.state.write();
            to_state = to_dir.state.write();
        }
        way.climbs = Some(climbs);
        let replaced = self.move_entry(&way, &mut from_state, Some(&mut to_state))?;
        drop((from_state, to_state, moving));
        // Perhaps the last of a large file: not under the locks.
        drop(replaced);
        Ok(())
    }

    /// Climbs from `dir` to the root, looking out for `other`.
    ///
    /// # Errors
    /// `ENOENT` when a directory on the way has been removed; `ENAMETOOLONG` past the depth that there may be.
    fn climb(&self, dir: &Arc<MemNode>, other: &Arc<MemNode>) -> Result<Climb> {
        let (mut at, mut below) = (dir.clone(), None);
        for depth in 0..=self.shared.depth_max {
            if at.ino == ROOT_INO {
                return Ok(Climb { depth, below });
            }
            let above = at.state.read().living()?.parent.upgrade().ok_or(Errno::ENOENT)?;
            let passed = std::mem::replace(&mut at, above);
            if Arc::ptr_eq(&at, other) {
                below = Some(passed);
            }
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// Checks and does the move; `to` is none when it stays in one directory. Answers the file that was replaced.
    fn move_entry(&self, way: &Move<'_>, from: &mut State, to: Option<&mut State>) -> Result<Option<Arc<MemNode>>> {
        let (node, target) = {
            let source = from.living()?.get(way.from.0, way.from.1).cloned();
            let to = to.as_deref().unwrap_or(from);
            let target = to.living()?.get(way.to.0, way.to.1).cloned();
            (source.ok_or(Errno::ENOENT)?, target)
        };
        if let Some((from_climb, to_climb)) = &way.climbs {
            if is(to_climb.below.as_ref(), &node) {
                return Err(Errno::EINVAL);
            }
            if target.as_ref().is_some_and(|target| is(from_climb.below.as_ref(), target)) {
                return Err(Errno::ENOTEMPTY);
            }
        }
        if is(target.as_ref(), &node) {
            return Ok(None);
        }
        let is_dir = node.kind == FileKind::Directory;
        match &target {
            Some(target) if is_dir && target.kind != FileKind::Directory => return Err(Errno::ENOTDIR),
            Some(target) if !is_dir && target.kind == FileKind::Directory => return Err(Errno::EISDIR),
            _ => {}
        }
        let depth = self.depth_of(way, to.as_deref().unwrap_or(from).directory()?)?;
        if is_dir && depth > self.shared.depth_max {
            return Err(Errno::ENAMETOOLONG);
        }
        self.replace(way, from, to, node, target, depth)
    }

    /// How deep a directory is that gets into `to`.
    fn depth_of(&self, way: &Move<'_>, to: &Directory) -> Result<u32> {
        to.room()?;
        let above = way.climbs.as_ref().map_or(to.depth, |(_, to_climb)| to_climb.depth);
        Ok(above.saturating_add(1))
    }

    /// Does what [`move_entry`](MemFs::move_entry) has found allowed.
    fn replace(
        &self,
        way: &Move<'_>,
        from: &mut State,
        mut to: Option<&mut State>,
        node: Arc<MemNode>,
        target: Option<Arc<MemNode>>,
        depth: u32,
    ) -> Result<Option<Arc<MemNode>>> {
        let (shared, now) = (&self.shared, self.shared.clock.coarse());
        let is_dir = node.kind == FileKind::Directory;
        // What can fail comes first: the link count above, the budget, and whether a directory that is replaced is empty.
        let up = u32::from(is_dir && target.is_none());
        let to_nlink = to.as_deref().map_or(0, |to| to.meta.nlink).checked_add(up).ok_or(Errno::EMLINK)?;
        let (old, new) = (charge_of(way.from.1), if target.is_some() { 0 } else { charge_of(way.to.1) });
        shared.budget.charge_bytes(new.saturating_sub(old))?;
        if let Some(target) = &target {
            unname(target, way.to_dir, now)?;
        }
        shared.budget.release_bytes(old.saturating_sub(new));

        let (meta, entries) = from.living_mut()?;
        entries.remove(way.from.0, way.from.1);
        meta.touch(now);
        if is_dir && (to.is_some() || target.is_some()) {
            meta.nlink = meta.nlink.saturating_sub(1);
        }
        if let Some(to) = to.as_deref_mut() {
            to.meta.nlink = to_nlink;
        }
        let (meta, entries) = to.unwrap_or(from).living_mut()?;
        meta.touch(now);
        let replaced = match &target {
            Some(_) => entries.replace(way.to.0, way.to.1, node.clone()),
            None => {
                entries.insert(way.to.0, way.to.1, node.clone());
                None
            }
        };
        let mut state = node.state.write();
        state.meta.ctime = now;
        if let Ok((_, dir)) = state.living_mut() {
            dir.name = way.to.1.into();
            dir.parent = Arc::downgrade(way.to_dir);
            dir.depth = depth;
        }
        Ok(replaced.or(target))
    }
}
