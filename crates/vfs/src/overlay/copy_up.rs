//! Copy-up: bringing a file or directory into the layer that is being written.
//!
//! What is copied up stands under its inode number in the layer's root, whatever its names are: no parent directories are made, and
//! hard links, renames and deep trees need nothing special. Names are given by directories only.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Overlay;
use super::layer::{FileRecord, Part, Source, Stack};
use super::lookup::Tree;
use super::node::{FileState, OverlayNode};
use crate::filesystem::{FileHandle, Opened};
use crate::{Access, Errno, FileKind, Name, NewKind, NodeRef, Removal, Result, SetAttr, SetTime, Stat};

const CHUNK: usize = 128 << 10;

/// The name under which something stands in a layer's root.
pub(super) struct Number([u8; 17]);

impl Number {
    /// Where a copied-up file or directory stands.
    pub fn of(ino: u64) -> Self {
        Self::tagged(b'i', ino)
    }

    /// Where a name for a file from below is made ready.
    pub fn of_new_name(ino: u64) -> Self {
        Self::tagged(b'n', ino)
    }

    fn tagged(tag: u8, ino: u64) -> Self {
        let mut bytes = [tag; 17];
        for (at, digit) in bytes.iter_mut().skip(1).enumerate() {
            let nibble = (ino >> (60 - 4 * at)) & 15;
            *digit = b"0123456789abcdef".get(nibble as usize).copied().unwrap_or(b'0');
        }
        Number(bytes)
    }

    pub fn name(&self) -> Result<Name<'_>> {
        Name::new(&self.0)
    }
}

/// The attributes that a copy takes over.
fn attributes(stat: &Stat) -> SetAttr {
    SetAttr {
        size: None,
        mode: Some(stat.mode),
        uid: Some(stat.uid),
        gid: Some(stat.gid),
        atime: SetTime::To(stat.atime),
        mtime: SetTime::To(stat.mtime),
    }
}

/// What a copy of the file should be when it is made.
fn new_kind<'a>(kind: FileKind, target: &'a [u8]) -> Result<NewKind<'a>> {
    match kind {
        FileKind::File => Ok(NewKind::File),
        FileKind::Directory => Ok(NewKind::Directory),
        FileKind::Symlink => Ok(NewKind::Symlink(target)),
        FileKind::Fifo => Ok(NewKind::Fifo),
        FileKind::CharDevice | FileKind::Socket => Err(Errno::EPERM),
    }
}

pub(super) fn open_file(node: &NodeRef, access: Access) -> Result<Arc<dyn FileHandle>> {
    match node.open(access)? {
        Opened::File(handle) => Ok(handle),
        _ => Err(Errno::EIO),
    }
}

/// Copies the first `len` bytes; holes, and stretches of nothing but zeros, are left out.
fn copy_data(from: &NodeRef, to: &NodeRef, len: u64) -> Result<()> {
    if len == 0 {
        return Ok(());
    }
    let (from, to) = (open_file(from, Access::READ)?, open_file(to, Access::WRITE)?);
    let mut buf = vec![0; CHUNK.min(usize::try_from(len).unwrap_or(CHUNK))];
    let (mut at, mut written) = (0_u64, 0_u64);
    while at < len {
        at = match from.next_data(at)? {
            Some(data) if data < len => data,
            _ => {
                at = len;
                break;
            }
        };
        let want = usize::try_from(len - at).unwrap_or(CHUNK).min(buf.len());
        let n = from.read_at(buf.get_mut(..want).unwrap_or_default(), at)?;
        let mut rest = buf.get(..n).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        if rest.iter().any(|&b| b != 0) {
            let mut offset = at;
            while !rest.is_empty() {
                let n = to.write_at(&[IoSlice::new(rest)], offset)?;
                if n == 0 {
                    return Err(Errno::EIO);
                }
                offset += n as u64;
                rest = rest.get(n..).unwrap_or_default();
            }
            written = offset;
        }
        at += n as u64;
    }
    if written < at { to.set_attr(&SetAttr::size(at)) } else { Ok(()) }
}

impl Overlay {
    /// Runs `f` on the file's storage in the layer being written, copying it up first with (at least) its first `keep` bytes.
    /// No freeze comes between.
    pub(super) fn writing<R>(&self, node: &Arc<OverlayNode>, keep: u64, f: impl FnMut(&FileState) -> Result<R>) -> Result<R> {
        self.writing_unless(node, keep, |_| Ok(()), f)
    }

    /// The same, unless `refused`, which is asked before anything is copied: a copy of a file has changed it already.
    pub(super) fn writing_unless<R>(
        &self,
        node: &Arc<OverlayNode>,
        keep: u64,
        refused: impl Fn(&FileState) -> Result<()>,
        mut f: impl FnMut(&FileState) -> Result<R>,
    ) -> Result<R> {
        let file = node.as_file()?;
        loop {
            {
                let stack = self.gate.read();
                let state = file.state.read();
                if state.is_writable(stack.top_index()) {
                    return f(&state);
                }
                refused(&state)?;
            }
            self.copy_up_file(node, keep)?;
        }
    }

    /// Copies the contents without the lock on the tree, and takes it to make the copy the file's.
    fn copy_up_file(&self, node: &Arc<OverlayNode>, keep: u64) -> Result<()> {
        let file = node.as_file()?;
        let _copying = file.copying.lock();
        let number = Number::of(node.ino);
        let (top, source, copy, of_ours) = {
            let _tree = self.tree.lock();
            let stack = self.stack();
            let state = file.state.read();
            if state.is_writable(stack.top_index()) {
                return Ok(());
            }
            let source = state.source.node.clone();
            let target = if node.kind == FileKind::Symlink { source.read_link()? } else { Vec::new() };
            let top = stack.top()?.clone();
            let copy = top.root.create(number.name()?, new_kind(node.kind, &target)?, 0o600)?.node;
            let of_ours = stack.layer(state.source.layer)?.is_written();
            (top, source, copy, of_ours)
        };
        let copied = source.stat().and_then(|stat| {
            if node.kind == FileKind::File && of_ours && stat.blocks == 0 {
                // One hole, perhaps a huge one. Other storage may count its blocks differently.
                copy.set_attr(&SetAttr::size(stat.size.min(keep)))?;
            } else if node.kind == FileKind::File {
                copy_data(&source, &copy, stat.size.min(keep))?;
            }
            copy.set_attr(&attributes(&stat))
        });
        let _tree = self.tree.lock();
        let stack = self.stack();
        let mut state = file.state.write();
        let done = copied.and_then(|()| {
            // A freeze came in between: the caller tries again.
            if !Arc::ptr_eq(stack.top()?, &top) {
                return Ok(false);
            }
            if !state.removed {
                let source = Source { layer: stack.top_index(), node: copy.clone() };
                let nlink = state.nlink()?;
                top.set_file(node.ino, FileRecord { kind: node.kind, source, nlink, ctime: state.ctime })?;
                state.nlink = Some(nlink);
            }
            Ok(true)
        });
        if state.removed || !matches!(done, Ok(true)) {
            // The node outlives its name.
            let _ = top.root.remove(number.name()?, Removal::File);
        }
        if done? {
            state.private = state.removed;
            let old = std::mem::replace(&mut state.source, Source { layer: stack.top_index(), node: copy });
            file.version.fetch_add(1, Ordering::Release);
            drop(state);
            drop(old);
        }
        Ok(())
    }

    /// The directory's storage in the layer being written; made when it is not there.
    pub(super) fn upper_dir(&self, _tree: &mut Tree, stack: &Stack, dir: &OverlayNode) -> Result<NodeRef> {
        let (parts, removed) = {
            let state = dir.dir()?.read();
            (state.parts.clone(), state.removed)
        };
        if parts.layer == stack.top_index() {
            return Ok(parts.node.clone());
        }
        let (top, number) = (stack.top()?, Number::of(dir.ino));
        let stat = parts.node.stat()?;
        let copy = top.root.create(number.name()?, NewKind::Directory, 0o700)?.node;
        let parts = Arc::new(Part { layer: stack.top_index(), node: copy.clone(), next: Some(parts) });
        let made =
            copy.set_attr(&attributes(&stat)).and_then(|()| if removed { Ok(()) } else { top.add_dir(dir.ino, parts.clone()) });
        if removed || made.is_err() {
            let _ = top.root.remove(number.name()?, Removal::Directory);
        }
        made?;
        dir.dir()?.write().parts = parts;
        Ok(copy)
    }

    /// Sets how many names a file has, when its storage does not count them.
    pub(super) fn set_links(&self, stack: &Stack, node: &OverlayNode, nlink: u64) -> Result<()> {
        let mut state = node.as_file()?.state.write();
        let record = FileRecord { kind: node.kind, source: state.source.clone(), nlink, ctime: state.ctime };
        stack.top()?.set_file(node.ino, record)?;
        state.nlink = Some(nlink);
        Ok(())
    }

    /// Moves a file's change time, when one of its names in the directory `dir` came or went and its storage saw nothing of that.
    pub(super) fn names_changed(&self, stack: &Stack, node: &OverlayNode, dir: &NodeRef) -> Result<()> {
        let Ok(file) = node.as_file() else { return Ok(()) };
        let now = dir.stat()?.ctime;
        let mut state = file.state.write();
        if state.is_born(stack.top_index()) {
            return Ok(());
        }
        state.ctime = Some(now);
        if let Some(record) = stack.top()?.file(node.ino) {
            stack.top()?.set_file(node.ino, FileRecord { ctime: Some(now), ..record })?;
        }
        Ok(())
    }

    /// The file has lost its last name, or the directory its only one.
    pub(super) fn bury(&self, stack: &Stack, node: &OverlayNode) -> Result<()> {
        let (top, number) = (stack.top()?, Number::of(node.ino));
        if let Ok(dir) = node.dir() {
            let mut state = dir.write();
            state.removed = true;
            // Its place stays: `..` still leads there.
            let old = std::mem::take(&mut state.children);
            drop(state);
            drop(old);
            if top.dir_parts(node.ino).is_some() {
                // It stands there until it is renamed.
                let _ = top.root.remove(number.name()?, Removal::Directory);
            }
        } else {
            let mut state = node.as_file()?.state.write();
            state.removed = true;
            state.private = state.source.layer == stack.top_index();
            if state.private && state.nlink.is_some() {
                let _ = top.root.remove(number.name()?, Removal::File);
            }
        }
        top.drop_record(node.ino);
        Ok(())
    }

    /// As [`Filesystem::set_attr`](crate::Filesystem::set_attr).
    pub(super) fn change_attributes(&self, node: &Arc<OverlayNode>, attr: &SetAttr) -> Result<()> {
        match (attr.size, node.kind) {
            (Some(size), FileKind::File) if i64::try_from(size).is_err() => return Err(Errno::EFBIG),
            (None, _) | (_, FileKind::File) => {}
            (Some(_), FileKind::Directory) => return Err(Errno::EISDIR),
            (Some(_), _) => return Err(Errno::EINVAL),
        }
        if *attr == SetAttr::default() {
            return Ok(());
        }
        if node.is_dir() {
            let tree = &mut *self.tree.lock();
            return self.upper_dir(tree, &self.stack(), node)?.set_attr(attr);
        }
        self.writing(node, attr.size.unwrap_or(u64::MAX), |state| state.source.node.set_attr(attr))
    }
}

/// Moves a directory's times, when a name in it was hidden and its storage saw nothing of that.
pub(super) fn touch(dir: &NodeRef) {
    let _ = dir.set_attr(&SetAttr { mtime: SetTime::Now, ..SetAttr::default() });
}
