//! New names, and names taken away.

use std::sync::Arc;

use super::Overlay;
use super::copy_up::{Number, touch};
use super::layer::{Part, Source, Stack};
use super::lookup::Tree;
use super::node::{Child, OverlayNode};

use crate::{Errno, FileKind, Name, NewKind, NodeRef, Removal, Result};

impl Overlay {
    /// As [`Filesystem::create`](crate::Filesystem::create).
    pub(super) fn make(&self, dir: &Arc<OverlayNode>, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Arc<OverlayNode>> {
        let tree = &mut *self.tree.lock();
        if self.child_if_any(tree, dir, name)?.is_some() {
            return Err(Errno::EEXIST);
        }
        let stack = self.stack();
        let made = self.upper_dir(tree, &stack, dir)?.create(name, kind, mode)?;
        let (layer, ino) = (stack.top_index(), stack.ino(stack.top_index(), made.node.key()));
        let node = match made.kind {
            FileKind::Directory => {
                let parts = Arc::new(Part { layer, node: made.node, next: None });
                OverlayNode::directory(&self.table, ino, parts, Some((dir.clone(), name.as_bytes().into())))
            }
            kind => OverlayNode::file(&self.table, ino, kind, Source { layer, node: made.node }, None),
        };
        self.remember(tree, dir, name, Child::Node(node.clone()));
        Ok(node)
    }

    /// As [`Filesystem::link`](crate::Filesystem::link).
    pub(super) fn add_link(&self, node: &Arc<OverlayNode>, dir: &Arc<OverlayNode>, name: Name<'_>) -> Result<()> {
        let tree = &mut *self.tree.lock();
        if self.child_if_any(tree, dir, name)?.is_some() {
            return Err(Errno::EEXIST);
        }
        let Ok(file) = node.as_file() else { return Err(Errno::EPERM) };
        let stack = self.stack();
        let (born, source, nlink) = {
            let state = file.state.read();
            (state.is_born(stack.top_index()), state.source.node.clone(), state.nlink()?)
        };
        if nlink == 0 {
            return Err(Errno::ENOENT);
        }
        let upper = self.upper_dir(tree, &stack, dir)?;
        if born {
            source.link(&upper, name)?;
        } else {
            self.new_name(&stack, node)?;
            let number = Number::of_new_name(node.ino);
            let placed = self
                .set_links(&stack, node, nlink.checked_add(1).ok_or(Errno::EMLINK)?)
                .and_then(|()| stack.top()?.root.rename(number.name()?, &upper, name));
            if placed.is_err() {
                self.forget_new_name(&stack, node);
                self.set_links(&stack, node, nlink)?;
            }
            placed?;
            self.names_changed(&stack, node, &upper)?;
        }
        self.remember(tree, dir, name, Child::Node(node.clone()));
        Ok(())
    }

    /// Makes an entry that stands for a file from below, ready to be moved to its place in the same layer. The file has a record
    /// there then.
    pub(super) fn new_name(&self, stack: &Stack, node: &OverlayNode) -> Result<()> {
        let (top, number) = (stack.top()?, Number::of_new_name(node.ino));
        if top.file(node.ino).is_none() {
            let nlink = node.as_file()?.state.read().nlink()?;
            self.set_links(stack, node, nlink)?;
        }
        let key = top.root.create(number.name()?, NewKind::File, 0)?.node.key();
        let pinned = top.add_pin(key, node.ino);
        if pinned.is_err() {
            self.forget_new_name(stack, node);
        }
        pinned
    }

    /// Takes back what [`new_name`](Overlay::new_name) made.
    pub(super) fn forget_new_name(&self, stack: &Stack, node: &OverlayNode) {
        let number = Number::of_new_name(node.ino);
        if let (Ok(top), Ok(name)) = (stack.top(), number.name())
            && let Ok(entry) = top.root.lookup(name)
        {
            top.drop_pin(entry.node.key());
            let _ = top.root.remove(name, Removal::File);
        }
    }

    /// As [`Filesystem::remove`](crate::Filesystem::remove).
    pub(super) fn take_away(&self, dir: &Arc<OverlayNode>, name: Name<'_>, removal: Removal) -> Result<()> {
        let tree = &mut *self.tree.lock();
        let node = self.child(tree, dir, name)?;
        match (removal, node.is_dir()) {
            (Removal::File, true) => return Err(Errno::EISDIR),
            (Removal::Directory, false) => return Err(Errno::ENOTDIR),
            (Removal::Directory, true) if !self.is_empty(tree, &node)? => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
        let stack = self.stack();
        let top = stack.top()?;
        let hidden = self.hide_below(tree, &stack, dir, name)?;
        let upper = self.upper_dir(tree, &stack, dir)?;
        let entry = entry_key(&upper, name)?;
        let left = self.one_name_less(&stack, &node).and_then(|left| {
            if entry.is_some() {
                let removed = upper.remove(name, removal);
                if removed.is_err() {
                    self.one_name_more(&stack, &node, left);
                }
                removed?;
            }
            Ok(left)
        });
        if left.is_err() && hidden {
            top.drop_whiteout(dir.ino, name);
        }
        let left = left?;
        match entry {
            Some(key) => top.drop_pin(key),
            None => touch(&upper),
        }
        self.name_has_gone(&stack, &node, left, &upper)?;
        self.now_missing(tree, dir, name);
        Ok(())
    }

    /// Remembers that nothing has the name, where that can be remembered.
    pub(super) fn now_missing(&self, tree: &mut Tree, dir: &Arc<OverlayNode>, name: Name<'_>) {
        self.forget(dir, name);
        // Asks the layers, which says whether it may be remembered.
        let _ = self.child(tree, dir, name);
    }

    /// Makes a whiteout when the layers below the one being written show the name. Answers whether it made one.
    pub(super) fn hide_below(&self, tree: &mut Tree, stack: &Stack, dir: &OverlayNode, name: Name<'_>) -> Result<bool> {
        let (top, parts) = (stack.top()?, dir.live_parts()?);
        let below = if parts.layer == stack.top_index() { parts.next.as_ref() } else { Some(&parts) };
        if top.hides(dir.ino, name) || stack.find(dir.ino, below, name)?.0.is_none() {
            return Ok(false);
        }
        self.upper_dir(tree, stack, dir)?;
        top.add_whiteout(dir.ino, name)?;
        Ok(true)
    }

    /// Counts a file's names down before one is taken away, so that what cannot be charged fails in time. Answers how many are
    /// left when it is the overlay that counts them.
    pub(super) fn one_name_less(&self, stack: &Stack, node: &OverlayNode) -> Result<Option<u64>> {
        let Ok(file) = node.as_file() else { return Ok(Some(0)) };
        let (born, nlink) = {
            let state = file.state.read();
            (state.is_born(stack.top_index()), state.nlink()?)
        };
        if born {
            return Ok(None);
        }
        let left = nlink.saturating_sub(1);
        if left > 0 {
            self.set_links(stack, node, left)?;
        }
        Ok(Some(left))
    }

    /// Takes [`one_name_less`](Overlay::one_name_less) back.
    pub(super) fn one_name_more(&self, stack: &Stack, node: &OverlayNode, left: Option<u64>) {
        if let Some(left @ 1..) = left {
            // The record is there already: nothing is charged, nothing fails.
            let _ = self.set_links(stack, node, left + 1);
        }
    }

    /// A name in the directory `dir` has gone: buries a file or directory that has none left.
    pub(super) fn name_has_gone(&self, stack: &Stack, node: &OverlayNode, left: Option<u64>, dir: &NodeRef) -> Result<()> {
        self.names_changed(stack, node, dir)?;
        let left = match (left, node.as_file()) {
            (None, Ok(file)) => file.state.read().source.node.stat()?.nlink,
            (left, _) => left.unwrap_or(0),
        };
        if left == 0 { self.bury(stack, node) } else { Ok(()) }
    }
}

/// The key of a name's own entry in the layer being written.
pub(super) fn entry_key(dir: &NodeRef, name: Name<'_>) -> Result<Option<u64>> {
    match dir.lookup(name) {
        Ok(entry) => Ok(Some(entry.node.key())),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
