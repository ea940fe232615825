//! Renaming, without moving data: a name from below becomes an entry that stands for the file, a directory takes the list of what is
//! below it along.

use std::sync::Arc;

use super::Overlay;
use super::change::entry_key;
use super::copy_up::{Number, touch};
use super::layer::Stack;
use super::lookup::Tree;
use super::node::{Child, OverlayNode};
use crate::{Errno, Name, Result};

/// One side of a rename.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub dir: &'a Arc<OverlayNode>,
    pub name: Name<'a>,
}

impl Overlay {
    /// As [`Filesystem::rename`](crate::Filesystem::rename).
    pub(super) fn move_name(&self, from: Side<'_>, to: Side<'_>) -> Result<()> {
        let tree = &mut *self.tree.lock();
        from.dir.live_parts()?;
        to.dir.live_parts()?;
        let node = self.child(tree, from.dir, from.name)?;
        let replaced = self.child_if_any(tree, to.dir, to.name)?;
        if node.is_dir() && node.is_or_above(to.dir) {
            return Err(Errno::EINVAL);
        }
        if let Some(replaced) = &replaced {
            if replaced.is_dir() && replaced.is_or_above(from.dir) {
                return Err(Errno::ENOTEMPTY);
            }
            if replaced.ino == node.ino {
                return Ok(());
            }
            match (node.is_dir(), replaced.is_dir()) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                (true, true) if !self.is_empty(tree, replaced)? => return Err(Errno::ENOTEMPTY),
                _ => {}
            }
        }
        let stack = self.stack();
        let left = match &replaced {
            Some(replaced) => self.one_name_less(&stack, replaced)?,
            None => None,
        };
        if let Err(errno) = self.place(tree, &stack, &node, from, to) {
            if let Some(replaced) = &replaced {
                self.one_name_more(&stack, replaced, left);
            }
            return Err(errno);
        }
        let upper = self.upper_dir(tree, &stack, to.dir)?;
        self.names_changed(&stack, &node, &upper)?;
        if let Some(replaced) = &replaced {
            self.name_has_gone(&stack, replaced, left, &upper)?;
        }
        if let Ok(dir) = node.dir() {
            let old = dir.write().place.replace((to.dir.clone(), to.name.as_bytes().into()));
            drop(old);
        }
        self.forget(to.dir, to.name);
        self.remember(tree, to.dir, to.name, Child::Node(node));
        self.now_missing(tree, from.dir, from.name);
        Ok(())
    }

    /// Makes `to` an entry of the layer being written that stands for `node`, and takes `from` away. All or nothing.
    fn place(&self, tree: &mut Tree, stack: &Stack, node: &OverlayNode, from: Side<'_>, to: Side<'_>) -> Result<()> {
        let top = stack.top()?;
        let to_dir = self.upper_dir(tree, stack, to.dir)?;
        let hidden = self.hide_below(tree, stack, from.dir, from.name)?;
        let placed = self.upper_dir(tree, stack, from.dir).and_then(|from_dir| {
            let replaced = entry_key(&to_dir, to.name)?;
            if entry_key(&from_dir, from.name)?.is_some() {
                from_dir.rename(from.name, &to_dir, to.name)?;
            } else if node.is_dir() {
                self.upper_dir(tree, stack, node)?;
                top.root.rename(Number::of(node.ino).name()?, &to_dir, to.name)?;
                touch(&from_dir);
            } else {
                self.new_name(stack, node)?;
                let number = Number::of_new_name(node.ino);
                if let Err(errno) = top.root.rename(number.name()?, &to_dir, to.name) {
                    self.forget_new_name(stack, node);
                    return Err(errno);
                }
                touch(&from_dir);
            }
            if let Some(key) = replaced {
                top.drop_pin(key);
            }
            Ok(())
        });
        if placed.is_err() && hidden {
            top.drop_whiteout(from.dir.ino, from.name);
        }
        placed
    }
}
