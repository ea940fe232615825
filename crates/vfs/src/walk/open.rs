//! The end of a walk that opens.

use std::sync::Arc;

use super::{Component, Done, Step, Walk};
use crate::filesystem::{Entry, Filesystem};
use crate::open_how::{FileType, OpenHow};
use crate::{Errno, FileKind, NewKind, Result};

/// Opens the last component, or makes it first. None when it was a link: the walk goes on.
pub(super) fn open_last<F: Filesystem>(
    fs: &Arc<F>,
    dir: &F::Node,
    walk: &mut Walk<'_>,
    how: &OpenHow,
    component: Component,
) -> Result<Option<Step>> {
    let exclusive = how.create && how.exclusive;
    loop {
        // Where it must be made, making it says whether it is there.
        let found = if exclusive && !walk.read_only(&**fs) { Err(Errno::ENOENT) } else { fs.lookup(dir, walk.name(&component)?) };
        let Entry { node, kind } = match found {
            Ok(_) if exclusive => return Err(Errno::EEXIST),
            Ok(entry) => entry,
            Err(Errno::ENOENT) if how.create => {
                if walk.read_only(&**fs) {
                    return Err(Errno::EROFS);
                }
                match fs.create(dir, walk.name(&component)?, NewKind::File, how.mode) {
                    // Somebody else was faster: open theirs.
                    Err(Errno::EEXIST) if !exclusive => continue,
                    made => {
                        let node = made?.node;
                        let opened = if how.kind == FileType::Path { None } else { Some(fs.open(&node, how.access)?) };
                        let place = walk.place(fs, node);
                        return Ok(Some(Step::Done(Done::Opened { opened, place, kind: FileKind::File })));
                    }
                }
            }
            Err(errno) => return Err(errno),
        };
        if kind == FileKind::Symlink {
            if how.follow || component.slash {
                return walk.follow(&**fs, &node, &component);
            }
            if how.kind != FileType::Path {
                return Err(if how.directory { Errno::ENOTDIR } else { Errno::ELOOP });
            }
        }
        if component.slash && kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        return open_entry(fs, node, kind, walk, how).map(|done| Some(Step::Done(done)));
    }
}

/// Opens what a lookup has found.
pub(super) fn open_entry<F: Filesystem>(
    fs: &Arc<F>,
    node: F::Node,
    kind: FileKind,
    walk: &Walk<'_>,
    how: &OpenHow,
) -> Result<Done> {
    if how.directory && kind != FileKind::Directory { Err(Errno::ENOTDIR) } else { open_found(fs, node, kind, walk, how) }
}

/// The path ended on a directory itself.
pub(super) fn open_directory<F: Filesystem>(fs: &Arc<F>, dir: &F::Node, walk: &Walk<'_>, how: &OpenHow) -> Result<Done> {
    if how.create && how.exclusive {
        return Err(Errno::EEXIST);
    }
    open_found(fs, dir.clone(), FileKind::Directory, walk, how)
}

fn open_found<F: Filesystem>(fs: &Arc<F>, node: F::Node, kind: FileKind, walk: &Walk<'_>, how: &OpenHow) -> Result<Done> {
    if how.kind == FileType::Path {
        return Ok(Done::Opened { opened: None, place: walk.place(fs, node), kind });
    }
    if kind == FileKind::Directory && (how.create || how.access.mutates()) {
        return Err(Errno::EISDIR);
    }
    if kind == FileKind::File && how.access.mutates() && walk.read_only(&**fs) {
        return Err(Errno::EROFS);
    }
    let opened = fs.open(&node, how.access)?;
    Ok(Done::Opened { opened: Some(opened), place: walk.place(fs, node), kind })
}
