//! The nodes of an overlay, and the table in which each has one copy.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use super::layer::{FileRecord, Map, Part, Source};
use crate::{Errno, FileKind, Result, Timestamp};

/// A file of an [`Overlay`](super::Overlay): one per inode number while anybody holds it, whatever layers its parts are in.
pub struct OverlayNode {
    pub(super) ino: u64,
    pub(super) kind: FileKind,
    pub(super) body: Body,
    table: Arc<Table>,
}

pub(super) enum Body {
    Dir(RwLock<Dir>),
    File(File),
}

pub(super) struct Dir {
    pub parts: Arc<Part>,
    /// The directory above and the name there, also of what was removed; the root has none.
    pub place: Option<(Arc<OverlayNode>, Box<[u8]>)>,
    pub removed: bool,
    /// What lookups found; bounded by the overlay.
    pub children: Map<Box<[u8]>, Child>,
}

/// What is known of a name.
#[derive(Clone)]
pub(super) enum Child {
    Node(Arc<OverlayNode>),
    Missing,
}

/// Anything but a directory.
pub(super) struct File {
    pub state: RwLock<FileState>,
    /// Raised with every change of [`FileState::source`].
    pub version: AtomicU64,
    /// Held while the contents are copied up, without the lock on the tree.
    pub copying: Mutex<()>,
}

pub(super) struct FileState {
    pub source: Source,
    /// Names that it has over all layers; `None`: as many as its source says.
    pub nlink: Option<u64>,
    /// When its names changed last, if its storage does not know.
    pub ctime: Option<Timestamp>,
    /// It has no name left.
    pub removed: bool,
    /// It had lost its last name while its source was being written: no snapshot can have it, it is written in place for ever.
    pub private: bool,
}

impl FileState {
    /// Whether it may be written where it is.
    pub fn is_writable(&self, top: usize) -> bool {
        self.private || self.source.layer == top
    }

    /// Whether all its names are true names in the layer being written, so that its storage counts them.
    pub fn is_born(&self, top: usize) -> bool {
        self.source.layer == top && self.nlink.is_none()
    }

    pub fn nlink(&self) -> Result<u64> {
        match (self.removed, self.nlink) {
            (true, _) => Ok(0),
            (false, Some(n)) => Ok(n),
            (false, None) => Ok(self.source.node.stat()?.nlink),
        }
    }
}

impl OverlayNode {
    pub(super) fn directory(
        table: &Arc<Table>,
        ino: u64,
        parts: Arc<Part>,
        place: Option<(Arc<OverlayNode>, Box<[u8]>)>,
    ) -> Arc<Self> {
        let dir = Dir { parts, place, removed: false, children: Map::default() };
        table.insert(OverlayNode { ino, kind: FileKind::Directory, body: Body::Dir(RwLock::new(dir)), table: table.clone() })
    }

    /// Anything but a directory: as `record` says, or else as its source says.
    pub(super) fn file(table: &Arc<Table>, ino: u64, kind: FileKind, source: Source, record: Option<FileRecord>) -> Arc<Self> {
        let (source, nlink, ctime) = match record {
            Some(record) => (record.source, Some(record.nlink), record.ctime),
            None => (source, None, None),
        };
        let state = RwLock::new(FileState { source, nlink, ctime, removed: false, private: false });
        let file = File { state, version: AtomicU64::new(0), copying: Mutex::new(()) };
        table.insert(OverlayNode { ino, kind, body: Body::File(file), table: table.clone() })
    }

    /// # Errors
    /// `ENOTDIR`.
    pub(super) fn dir(&self) -> Result<&RwLock<Dir>> {
        match &self.body {
            Body::Dir(dir) => Ok(dir),
            Body::File(_) => Err(Errno::ENOTDIR),
        }
    }

    /// # Errors
    /// `EISDIR`.
    pub(super) fn as_file(&self) -> Result<&File> {
        match &self.body {
            Body::File(file) => Ok(file),
            Body::Dir(_) => Err(Errno::EISDIR),
        }
    }

    pub(super) fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// A directory that has not been removed: its parts.
    ///
    /// # Errors
    /// `ENOTDIR`, `ENOENT`.
    pub(super) fn live_parts(&self) -> Result<Arc<Part>> {
        let dir = self.dir()?.read();
        if dir.removed { Err(Errno::ENOENT) } else { Ok(dir.parts.clone()) }
    }

    /// Whether this directory is `other` or above it.
    pub(super) fn is_or_above(&self, other: &Arc<OverlayNode>) -> bool {
        let mut at = other.clone();
        loop {
            if at.ino == self.ino {
                return true;
            }
            let above = at.dir().ok().and_then(|dir| dir.read().place.as_ref().map(|(above, _)| above.clone()));
            match above {
                Some(above) => at = above,
                None => return false,
            }
        }
    }

    fn take_above(&mut self) -> Option<Arc<OverlayNode>> {
        match &mut self.body {
            Body::Dir(dir) => dir.get_mut().place.take().map(|(above, _)| above),
            Body::File(_) => None,
        }
    }
}

impl Drop for OverlayNode {
    fn drop(&mut self) {
        self.table.remove(self);
        // A directory's cached subdirectories hold it, so that what it still holds itself are leaves; upwards it may be a
        // long way, which is not to be gone recursively.
        let mut above = self.take_above();
        while let Some(mut node) = above.and_then(Arc::into_inner) {
            above = node.take_above();
        }
    }
}

impl std::fmt::Debug for OverlayNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OverlayNode({}, {:?})", self.ino, self.kind)
    }
}

/// The nodes that live, by inode number.
#[derive(Default)]
pub(super) struct Table(Mutex<Map<u64, Weak<OverlayNode>>>);

impl Table {
    /// The live node of that number that still has a name. Only under the lock on the tree may its absence be acted upon.
    pub fn get(&self, ino: u64) -> Option<Arc<OverlayNode>> {
        let node = self.0.lock().get(&ino)?.upgrade()?;
        let removed = match &node.body {
            Body::Dir(dir) => dir.read().removed,
            Body::File(file) => file.state.read().removed,
        };
        (!removed).then_some(node)
    }

    fn insert(&self, node: OverlayNode) -> Arc<OverlayNode> {
        let node = Arc::new(node);
        self.0.lock().insert(node.ino, Arc::downgrade(&node));
        node
    }

    fn remove(&self, node: &OverlayNode) {
        let mut table = self.0.lock();
        if table.get(&node.ino).is_some_and(|weak| std::ptr::eq(weak.as_ptr(), node)) {
            table.remove(&node.ino);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl File {
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}
