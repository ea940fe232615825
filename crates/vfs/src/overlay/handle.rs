//! Open files of an overlay.

use std::io::IoSlice;
use std::sync::{Arc, Weak};

use parking_lot::RwLock;

use super::Overlay;
use super::copy_up::open_file;
use super::node::{FileState, OverlayNode};
use crate::filesystem::{FileHandle, Filesystem, Opened};
use crate::pipe::Pipe;
use crate::{Access, Errno, FileKind, Result, SetAttr, Stat};

/// An open file that goes where its node's contents are, before and after they are copied up.
struct OverlayHandle {
    overlay: Arc<Overlay>,
    node: Arc<OverlayNode>,
    access: Access,
    /// The handle on the contents, and the node's version that it belongs to. None before the first use of what nothing can change.
    current: RwLock<Option<(u64, Arc<dyn FileHandle>)>>,
}

impl Overlay {
    /// As [`Filesystem::open`].
    pub(super) fn open_node(&self, node: &Arc<OverlayNode>, access: Access) -> Result<Opened> {
        match node.kind {
            FileKind::Directory if access.mutates() => return Err(Errno::EISDIR),
            FileKind::Directory => return Ok(Opened::Directory),
            FileKind::Symlink => return Err(Errno::ELOOP),
            FileKind::Fifo => {
                // Not the storage's: guests over one lower do not meet in it.
                return Ok(Opened::Fifo(self.pipe(node.ino)));
            }
            FileKind::CharDevice | FileKind::Socket => return node.as_file()?.state.read().source.node.open(access),
            FileKind::File => {}
        }
        let file = node.as_file()?;
        let keep = if access.truncate { 0 } else { u64::MAX };
        let current = if access.mutates() {
            self.writing(node, keep, |state| Ok(Some((file.version(), open_file(&state.source.node, access)?))))?
        } else {
            let source = &file.state.read().source.node;
            // An archive's member is opened when it is first read: most opens of a search path only look.
            let fixed = source.read_only() && source.stable();
            if fixed { None } else { Some((file.version(), open_file(source, access)?)) }
        };
        let (overlay, node) = (self.me.upgrade().ok_or(Errno::EIO)?, node.clone());
        let access = Access { truncate: false, ..access };
        Ok(Opened::File(Arc::new(OverlayHandle { overlay, node, access, current: RwLock::new(current) })))
    }
}

impl Overlay {
    /// The pipe behind a FIFO: the same as long as anybody holds it, whether or not the node is remembered.
    fn pipe(&self, ino: u64) -> Arc<Pipe> {
        let mut pipes = self.pipes.lock();
        if let Some(pipe) = pipes.get(&ino).and_then(Weak::upgrade) {
            return pipe;
        }
        if pipes.len() == pipes.capacity() {
            pipes.retain(|_, pipe| pipe.strong_count() > 0);
        }
        let pipe = Pipe::new(self.pipe_size, ino);
        pipes.insert(ino, Arc::downgrade(&pipe));
        pipe
    }
}

impl OverlayHandle {
    fn writing<R>(&self, mut f: impl FnMut(&dyn FileHandle) -> Result<R>) -> Result<R> {
        self.overlay.writing(&self.node, u64::MAX, |state| {
            let handle = self.fresh(state)?;
            f(&*handle)
        })
    }

    /// The handle on the contents where they are now; `state` is the node's, and held.
    fn fresh(&self, state: &FileState) -> Result<Arc<dyn FileHandle>> {
        let version = self.node.as_file()?.version();
        {
            let current = self.current.read();
            if let Some((_, handle)) = current.as_ref().filter(|(at, _)| *at == version) {
                return Ok(handle.clone());
            }
        }
        let handle = open_file(&state.source.node, self.access)?;
        let old = self.current.write().replace((version, handle.clone()));
        drop(old);
        Ok(handle)
    }
}

impl FileHandle for OverlayHandle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let file = self.node.as_file()?;
        let version = file.version();
        {
            let current = self.current.read();
            if let Some((_, handle)) = current.as_ref().filter(|(at, _)| *at == version) {
                return handle.read_at(buf, offset);
            }
        }
        let handle = self.fresh(&file.state.read())?;
        handle.read_at(buf, offset)
    }

    fn next_data(&self, offset: u64) -> Result<Option<u64>> {
        let file = self.node.as_file()?;
        let handle = self.fresh(&file.state.read())?;
        handle.next_data(offset)
    }

    fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> Result<usize> {
        self.writing(|handle| handle.write_at(bufs, offset))
    }

    fn append(&self, bufs: &[IoSlice<'_>]) -> Result<(usize, u64)> {
        let full = |state: &FileState| {
            let is_full = || Ok::<_, Errno>(state.source.node.stat()?.size >= i64::MAX.cast_unsigned());
            if bufs.iter().any(|buf| !buf.is_empty()) && is_full()? { Err(Errno::EFBIG) } else { Ok(()) }
        };
        self.overlay.writing_unless(&self.node, u64::MAX, full, |state| self.fresh(state)?.append(bufs))
    }

    fn sync(&self, data_only: bool) -> Result<()> {
        let handle = self.fresh(&self.node.as_file()?.state.read())?;
        handle.sync(data_only)
    }

    fn stat(&self) -> Result<Stat> {
        self.overlay.stat(&self.node)
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        self.overlay.change_attributes(&self.node, attr)
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        self.writing(|handle| handle.allocate(offset, len))
    }
}
