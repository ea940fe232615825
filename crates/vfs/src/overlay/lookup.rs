//! Finding names: through the layers, and in what is remembered of that.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::Overlay;
use super::layer::{Part, Source, Stack};
use super::node::{Child, Dir, OverlayNode};
use crate::{Errno, FileKind, Name, NodeRef, Result};

/// What the lock on the tree guards beside the tree: the order in which names were remembered.
#[derive(Default)]
pub(super) struct Tree {
    remembered: VecDeque<(Weak<OverlayNode>, Box<[u8]>)>,
}

/// An entry of the topmost layer that has the name.
pub(super) struct Found {
    pub layer: usize,
    pub node: NodeRef,
    pub kind: FileKind,
    /// The parts of the directory below the one with the entry.
    below: Option<Arc<Part>>,
}

/// Whether what was found may be remembered: every layer that was asked is changed through stratafs only.
pub(super) type Stable = bool;

fn missing<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        // A host directory may have turned into something else.
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

impl Stack {
    /// The topmost entry for `name` in the directory `dir` from its part `from` down.
    pub fn find(&self, dir: u64, from: Option<&Arc<Part>>, name: Name<'_>) -> Result<(Option<Found>, Stable)> {
        let mut stable = true;
        for part in from.into_iter().flat_map(Part::chain) {
            let layer = self.layer(part.layer)?;
            stable &= layer.stable;
            if let Some(entry) = missing(part.node.lookup(name))? {
                let found = Found { layer: part.layer, node: entry.node, kind: entry.kind, below: part.next.clone() };
                return Ok((Some(found), stable));
            }
            if layer.hides(dir, name) {
                break;
            }
        }
        Ok((None, stable))
    }

    /// The inode number and kind that an entry of a layer stands for.
    pub fn identify(&self, layer: usize, key: u64, kind: FileKind) -> (u64, FileKind) {
        let Some(ino) = self.layers.get(layer).and_then(|l| l.pin(key)) else { return (self.ino(layer, key), kind) };
        (ino, self.topmost(layer, |l| l.file(ino)).map_or(kind, |file| file.kind))
    }

    /// The directories of the lowers that continue `found` by name, `found` first.
    ///
    /// Only lowers continue by name: a directory of a written layer either says what is below it or has nothing below.
    fn merge(&self, found: Found, name: Name<'_>) -> Result<(Arc<Part>, Stable)> {
        let mut parts = vec![(found.layer, found.node)];
        let mut stable = true;
        let from = if self.layer(found.layer)?.is_written() { None } else { found.below.as_ref() };
        for part in from.into_iter().flat_map(Part::chain) {
            stable &= self.layer(part.layer)?.stable;
            match missing(part.node.lookup(name))? {
                Some(entry) if entry.kind == FileKind::Directory => parts.push((part.layer, entry.node)),
                Some(_) => break,
                None => {}
            }
        }
        Ok((Part::list(parts).ok_or(Errno::EIO)?, stable))
    }
}

/// What is remembered of `name`.
fn remembered(dir: &Dir, name: Name<'_>) -> Result<Option<Arc<OverlayNode>>> {
    if dir.removed {
        return Err(Errno::ENOENT);
    }
    match dir.children.get(name.as_bytes()) {
        Some(Child::Node(node)) => Ok(Some(node.clone())),
        Some(Child::Missing) => Err(Errno::ENOENT),
        None => Ok(None),
    }
}

impl Overlay {
    pub(super) fn find_child(&self, dir: &Arc<OverlayNode>, name: Name<'_>) -> Result<Arc<OverlayNode>> {
        if let Some(node) = remembered(&dir.dir()?.read(), name)? {
            return Ok(node);
        }
        self.child(&mut self.tree.lock(), dir, name)
    }

    /// As [`find_child`](Overlay::find_child), under the lock on the tree.
    pub(super) fn child(&self, tree: &mut Tree, dir: &Arc<OverlayNode>, name: Name<'_>) -> Result<Arc<OverlayNode>> {
        let parts = {
            let state = dir.dir()?.read();
            if let Some(node) = remembered(&state, name)? {
                return Ok(node);
            }
            state.parts.clone()
        };
        let stack = self.stack();
        match stack.find(dir.ino, Some(&parts), name)? {
            (Some(found), stable) => {
                let (node, merged_stable) = self.node_of(&stack, dir, name, found)?;
                if stable && merged_stable {
                    self.remember(tree, dir, name, Child::Node(node.clone()));
                }
                Ok(node)
            }
            (None, stable) => {
                if stable {
                    self.remember(tree, dir, name, Child::Missing);
                }
                Err(Errno::ENOENT)
            }
        }
    }

    /// The name's file, when there is one.
    pub(super) fn child_if_any(
        &self,
        tree: &mut Tree,
        dir: &Arc<OverlayNode>,
        name: Name<'_>,
    ) -> Result<Option<Arc<OverlayNode>>> {
        match self.child(tree, dir, name) {
            Ok(node) => Ok(Some(node)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// The one node for what was found at `name` in `dir`.
    fn node_of(&self, stack: &Stack, dir: &Arc<OverlayNode>, name: Name<'_>, found: Found) -> Result<(Arc<OverlayNode>, Stable)> {
        let (layer, (ino, kind)) = (found.layer, stack.identify(found.layer, found.node.key(), found.kind));
        let stable = stack.layer(layer)?.stable;
        let live = self.table.get(ino).filter(|node| node.kind == kind);
        if kind != FileKind::Directory {
            let source = Source { layer, node: found.node };
            if let Some(node) = live {
                let mut state = node.as_file()?.state.write();
                if !stable && state.source.layer == layer {
                    // The way to a host file may have changed; its identity has not.
                    state.source = source;
                }
                drop(state);
                return Ok((node, stable));
            }
            let record = stack.topmost(layer, |l| l.file(ino));
            return Ok((OverlayNode::file(&self.table, ino, kind, source, record), stable));
        }
        let (parts, merged_stable) = match stack.topmost(layer, |l| l.dir_parts(ino)) {
            Some(parts) => (parts, true),
            None => stack.merge(found, name)?,
        };
        let stable = stable && merged_stable;
        let place = || Some((dir.clone(), name.as_bytes().into()));
        let Some(node) = live else { return Ok((OverlayNode::directory(&self.table, ino, parts, place()), stable)) };
        if !stable {
            let mut state = node.dir()?.write();
            let old = (std::mem::replace(&mut state.parts, parts), std::mem::replace(&mut state.place, place()));
            drop(state);
            drop(old);
        }
        Ok((node, stable))
    }

    /// Remembers what `name` is, and forgets the oldest such memory past the bound.
    pub(super) fn remember(&self, tree: &mut Tree, dir: &Arc<OverlayNode>, name: Name<'_>, child: Child) {
        let Ok(state) = dir.dir() else { return };
        let old = state.write().children.insert(name.as_bytes().into(), child);
        if old.is_none() {
            tree.remembered.push_back((Arc::downgrade(dir), name.as_bytes().into()));
            while tree.remembered.len() > self.cache_max {
                tree.forget_oldest();
            }
        }
    }

    /// Forgets what `name` is, so that the next lookup asks the layers.
    pub(super) fn forget(&self, dir: &Arc<OverlayNode>, name: Name<'_>) {
        let old = dir.dir().ok().and_then(|state| state.write().children.remove(name.as_bytes()));
        drop(old);
    }
}

impl Tree {
    fn forget_oldest(&mut self) {
        let Some((dir, name)) = self.remembered.pop_front() else { return };
        let Some(dir) = dir.upgrade() else { return };
        let old = dir.dir().ok().and_then(|state| state.write().children.remove(&name));
        drop(old);
    }

    /// Forgets everything: remembered subdirectories hold their directories, and are held by them.
    pub fn forget_all(&mut self) {
        while !self.remembered.is_empty() {
            self.forget_oldest();
        }
    }

    #[cfg(test)]
    pub fn remembered(&self) -> usize {
        self.remembered.len()
    }
}
