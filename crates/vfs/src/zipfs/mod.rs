//! A read-only tree over a zip archive, held in memory or read by position.
//!
//! Mounting reads the central directory and nothing else: it inflates no member and looks at no local header. What an archive may
//! do to its reader is refused there, by the member's name; what shows only in a member's data gives `EIO` when it is read, with a
//! warning that names it.
//!
//! - Stored members are served where they lie. Their CRC is checked once, with the first read, unless they are larger than
//!   [`Limits::zip_cache`].
//! - Deflated members are inflated once and checked against size and CRC; all guests of the mount share them. Those kept and those
//!   held by open files together stay under [`Limits::zip_cache`] bytes. A member that does not fit is inflated while it is read:
//!   reading on goes on, a seek back starts again, and its end is given out only when size and CRC were right. An open file that
//!   streams holds about 200 KiB.
//! - Names are the archive's bytes, whatever their encoding, split at `/`.
//! - Times are MS-DOS times taken as UTC, or the extended timestamp where there is one. Modes and symbolic links come from members
//!   that were made on Unix or macOS. Everything belongs to root.
//!
//! Damage that reaches a member's data is found by its CRC; the format has none for names and attributes.

mod cache;
mod error;
mod format;
mod index;
mod inflate;
pub mod pack;
mod read;
mod source;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

pub use error::{Member, ZipError};
pub use source::ZipSource;

use crate::filesystem::{Entry, Filesystem, Opened};
use crate::{Access, Cookie, DirEntry, Errno, FileKind, Limits, Name, Result, Stat, StatFs};
use cache::Cache;
use index::Index;
use read::{OpenMember, Shared};

/// A mounted archive.
pub struct ZipFs {
    shared: Arc<Shared>,
}

/// A file in an archive: its place in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZipNode(u32);

impl ZipFs {
    /// Reads the index of `source`. `archive` is what errors and warnings call it.
    ///
    /// # Errors
    /// When it is not an archive, a damaged one, one that cannot be read, or one that means harm; see [`ZipError`].
    pub fn new(source: Arc<dyn ZipSource>, archive: &str, limits: &Limits) -> Result<Arc<ZipFs>, ZipError> {
        let index = Index::read(&*source, archive, limits)?;
        let size = source.size().map_err(|source| ZipError::Read { archive: archive.into(), source })?;
        let (archive, cache) = (archive.to_owned(), Cache::new(limits.zip_cache));
        let shared = Arc::new(Shared { archive, source, size, index, cache, inflated: AtomicU64::new(0) });
        Ok(Arc::new(ZipFs { shared }))
    }

    /// An archive in memory.
    ///
    /// # Errors
    /// As [`ZipFs::new`].
    pub fn from_bytes(archive: &str, bytes: impl Into<Bytes>, limits: &Limits) -> Result<Arc<ZipFs>, ZipError> {
        ZipFs::new(Arc::new(bytes.into()), archive, limits)
    }

    /// An archive that is read by position from an open file, whose own offset stays where it is on Unix. Nothing may change the
    /// file while it is mounted.
    ///
    /// # Errors
    /// As [`ZipFs::new`].
    pub fn from_file(archive: &str, file: File, limits: &Limits) -> Result<Arc<ZipFs>, ZipError> {
        ZipFs::new(source::of_file(file), archive, limits)
    }

    /// How often a member has been inflated: once for each that entered the cache, once for each open file that streams one.
    #[must_use]
    pub fn inflated(&self) -> u64 {
        self.shared.inflated.load(Ordering::Relaxed)
    }

    /// Bytes of inflated members that are kept or held by open files; never more than [`Limits::zip_cache`].
    #[must_use]
    pub fn cached(&self) -> usize {
        self.shared.cache.used()
    }

    /// Files, directories and links, with the directories that no member names and the root.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.shared.index.len()
    }

    fn index(&self) -> &Index {
        &self.shared.index
    }
}

impl std::fmt::Debug for ZipFs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZipFs").field("archive", &self.shared.archive).field("nodes", &self.nodes()).finish_non_exhaustive()
    }
}

impl Filesystem for ZipFs {
    type Node = ZipNode;

    fn root(&self) -> ZipNode {
        ZipNode(0)
    }

    fn key(&self, node: &ZipNode) -> u64 {
        u64::from(node.0) + 1
    }

    fn parent(&self, dir: &ZipNode) -> Result<ZipNode> {
        self.index().node(dir.0).map(|node| ZipNode(node.parent)).ok_or(Errno::ENOENT)
    }

    fn lookup(&self, dir: &ZipNode, name: Name<'_>) -> Result<Entry<ZipNode>> {
        let index = self.index();
        let found = index.find(dir.0, name.as_bytes()).and_then(|node| Some((node, index.node(node)?.kind)));
        match found {
            Some((node, kind)) => Ok(Entry { node: ZipNode(node), kind }),
            None if index.dir(dir.0).is_some() => Err(Errno::ENOENT),
            None => Err(Errno::ENOTDIR),
        }
    }

    fn stat(&self, node: &ZipNode) -> Result<Stat> {
        self.shared.stat(node.0)
    }

    fn read_dir(&self, dir: &ZipNode, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let index = self.index();
        let children = index.children(index.dir(dir.0).ok_or(Errno::ENOTDIR)?);
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        for (&child, next) in children.iter().skip(skip).zip(from.saturating_add(1)..) {
            let Some(node) = index.node(child) else { continue };
            let entry = DirEntry { name: index.name(node), ino: u64::from(child) + 1, kind: node.kind, next };
            if each(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn open(&self, node: &ZipNode, access: Access) -> Result<Opened> {
        match self.index().node(node.0).ok_or(Errno::EIO)?.kind {
            FileKind::Directory if access.mutates() => Err(Errno::EISDIR),
            FileKind::Directory => Ok(Opened::Directory),
            FileKind::Symlink => Err(Errno::ELOOP),
            _ if access.mutates() => Err(Errno::EROFS),
            _ => Ok(Opened::File(Arc::new(OpenMember::new(&self.shared, node.0)))),
        }
    }

    fn read_link(&self, node: &ZipNode) -> Result<Vec<u8>> {
        self.shared.read_link(node.0)
    }

    fn name_of(&self, dir: &ZipNode) -> Result<Vec<u8>> {
        let node = self.index().node(dir.0).filter(|_| *dir != self.root()).ok_or(Errno::ENOENT)?;
        Ok(self.index().name(node).to_vec())
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            block_size: 4096,
            blocks: self.shared.size.div_ceil(4096),
            blocks_free: 0,
            files: self.nodes() as u64,
            files_free: 0,
            name_max: crate::NAME_MAX as u64,
            read_only: true,
        })
    }
}
