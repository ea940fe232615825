//! What an overlay has changed.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::Overlay;
use super::node::OverlayNode;
use crate::filesystem::Filesystem;
use crate::{Budget, Errno, FileKind, Limits, Name, Result};

/// How a path differs from what the overlay was made over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// It is there no more, and nothing that was below it.
    Removed,
    /// A file has been written, replaced, or its attributes set; a directory has another mode or owner.
    Changed,
}

/// One difference from what the overlay was made over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path from the overlay's root, without a leading slash. A directory comes before what is in it.
    pub path: Vec<u8>,
    /// What happened to it.
    pub change: ChangeKind,
    /// What it is, or was.
    pub kind: FileKind,
}

/// A directory being compared: as it was, as it is, and the names still to be looked at.
struct Frame {
    old: Option<Arc<OverlayNode>>,
    new: Arc<OverlayNode>,
    names: std::vec::IntoIter<Box<[u8]>>,
    path: usize,
}

type Each<'a> = &'a mut dyn FnMut(&[u8], ChangeKind, FileKind) -> ControlFlow<()>;

impl Overlay {
    /// What differs from the lowers or the snapshot that the overlay was made over, all at once. For a tree that a guest
    /// has made, [`diff_each`](Overlay::diff_each) keeps no more than one path.
    ///
    /// # Errors
    /// What a layer's storage gives.
    pub fn diff(&self) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        self.diff_each(&mut |path, change, kind| {
            changes.push(Change { path: path.to_vec(), change, kind });
            ControlFlow::Continue(())
        })?;
        Ok(changes)
    }

    /// Gives each difference from what the overlay was made over, until `each` breaks: its path, what happened, and what it
    /// is or was. Goes through the whole tree; what changes meanwhile may be seen or not.
    ///
    /// # Errors
    /// What a layer's storage gives.
    pub fn diff_each(&self, each: Each<'_>) -> Result<()> {
        let root = self.base.root.node.clone();
        let limits = Limits { overlay_cache: self.cache_max, ..Limits::default() };
        // Never written: what it would write to is not looked at.
        let base = Overlay::over(self.base.clone(), Box::new(move || root.clone()), Budget::new(0, 0), &limits);
        let mut path = Vec::new();
        let first = self.frame(&base, Some(base.root.clone()), self.root.clone(), 0)?;
        let mut frames = vec![first];
        while let Some(frame) = frames.last_mut() {
            let Some(name) = frame.names.next() else {
                frames.pop();
                continue;
            };
            path.truncate(frame.path);
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            let name = Name::new(&name)?;
            let old = match &frame.old {
                Some(dir) => if_any(base.find_child(dir, name))?,
                None => None,
            };
            let new = if_any(self.find_child(&frame.new, name))?;
            let Some(below) = self.compare(&base, old.as_ref(), new.as_ref(), &path, each)? else { return Ok(()) };
            if let (true, Some(new)) = (below, new) {
                let old = old.filter(|old| old.is_dir());
                frames.push(self.frame(&base, old, new, path.len())?);
            }
        }
        Ok(())
    }

    /// Reports one path. Answers whether it is to be gone into; `None` when no more is wanted.
    fn compare(
        &self,
        base: &Overlay,
        old: Option<&Arc<OverlayNode>>,
        new: Option<&Arc<OverlayNode>>,
        path: &[u8],
        each: Each<'_>,
    ) -> Result<Option<bool>> {
        let changes: &[(ChangeKind, FileKind)] = match (old, new) {
            (None, None) => &[],
            (Some(old), None) => &[(ChangeKind::Removed, old.kind)],
            (None, Some(new)) => &[(ChangeKind::Added, new.kind)],
            (Some(old), Some(new)) if old.kind != new.kind => &[(ChangeKind::Removed, old.kind), (ChangeKind::Added, new.kind)],
            (Some(old), Some(new)) if self.differs(base, old, new)? => &[(ChangeKind::Changed, new.kind)],
            _ => &[],
        };
        for (change, kind) in changes {
            if each(path, *change, *kind).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(new.is_some_and(|new| new.is_dir())))
    }

    fn differs(&self, base: &Overlay, old: &Arc<OverlayNode>, new: &Arc<OverlayNode>) -> Result<bool> {
        if let Ok(file) = new.as_file() {
            let written = file.state.read().source.layer >= self.base.stack.layers.len();
            return Ok(written || old.ino != new.ino);
        }
        let (old, new) = (base.stat(old)?, self.stat(new)?);
        Ok((old.mode, old.uid, old.gid) != (new.mode, new.uid, new.gid))
    }

    fn frame(&self, base: &Overlay, old: Option<Arc<OverlayNode>>, new: Arc<OverlayNode>, path: usize) -> Result<Frame> {
        let mut names = Vec::new();
        let mut collect = |entry: crate::DirEntry<'_>| {
            names.push(Box::<[u8]>::from(entry.name));
            ControlFlow::Continue(())
        };
        self.list(&new, 0, &mut collect)?;
        if let Some(old) = &old {
            base.list(old, 0, &mut collect)?;
        }
        names.sort_unstable();
        names.dedup();
        Ok(Frame { old, new, names: names.into_iter(), path })
    }
}

fn if_any(found: Result<Arc<OverlayNode>>) -> Result<Option<Arc<OverlayNode>>> {
    match found {
        Ok(node) => Ok(Some(node)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
