//! Reading members: found by their local headers, checked, given out.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;

use super::cache::{Cache, Inflated};
use super::format::{self, LOCAL_LEN};
use super::index::{DEFLATED, Data, Index};
use super::inflate::{self, Fault, Stream};
use super::source::ZipSource;
use crate::{Errno, FileHandle, FileKind, Result, Stat};

/// States of a member's data: not looked at yet, found right, found damaged.
const GOOD: u8 = 1;
const BAD: u8 = 2;
/// Bytes of a stored member that are checked at a time.
const STEP: usize = 64 << 10;

/// What the mount and its open files share.
pub(super) struct Shared {
    pub archive: String,
    pub source: Arc<dyn ZipSource>,
    pub size: u64,
    pub index: Index,
    pub cache: Cache,
    pub inflated: AtomicU64,
}

/// How a member's contents are had.
enum Content {
    /// Stored in an archive that is in memory.
    Memory(Bytes),
    /// Stored in the archive from that byte on.
    Stored(u64),
    Inflated(Arc<Inflated>),
    /// Deflated, without room for it in the cache.
    Streamed(Box<Mutex<Stream>>),
}

impl Shared {
    pub fn stat(&self, node: u32) -> Result<Stat> {
        let at = self.index.node(node).ok_or(Errno::EIO)?;
        let mut stat = Stat::new(u64::from(node) + 1, at.kind);
        stat.mode = at.mode.into();
        (stat.atime, stat.mtime, stat.ctime) = (at.mtime, at.mtime, at.mtime);
        if let Some(dir) = self.index.dir(node) {
            stat.nlink = 2 + u64::from(dir.subdirs);
        }
        if let Some(data) = self.index.data(node) {
            stat.size = data.size;
            stat.blocks = data.size.div_ceil(512);
        }
        Ok(stat)
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// `EINVAL` when it is none, `EIO` when it is damaged or holds a NUL, which no path may.
    pub fn read_link(&self, node: u32) -> Result<Vec<u8>> {
        let is_link = self.index.node(node).is_some_and(|n| n.kind == FileKind::Symlink);
        let data = self.index.data(node).filter(|_| is_link).ok_or(Errno::EINVAL)?;
        let mut target = vec![0; usize::try_from(data.size).unwrap_or(0).min(crate::PATH_MAX)];
        if !target.is_empty() {
            let read = self.content(node, data).and_then(|content| self.read(data, &content, &mut target, 0));
            read.and_then(|n| {
                let whole = n == target.len() && !target.contains(&0);
                if whole { Ok(()) } else { Err(Fault::Damaged("there is a NUL in the symbolic link's target")) }
            })
            .map_err(|fault| self.fail(node, data, fault))?;
        }
        Ok(target)
    }

    fn content(&self, node: u32, data: &Data) -> Result<Content, Fault> {
        if data.method != DEFLATED {
            let start = self.locate(data)?;
            self.verify(data, start)?;
            return Ok(self.source.slice(start, data.size).map_or(Content::Stored(start), Content::Memory));
        }
        if let Some(size) = usize::try_from(data.size).ok().filter(|&size| size <= self.cache.max()) {
            let make = || {
                let start = self.locate(data)?;
                self.inflated.fetch_add(1, Ordering::Relaxed);
                inflate::inflate(&*self.source, start, data, size)
            };
            if let Some(inflated) = self.cache.get_or_make(node, size, make)? {
                return Ok(Content::Inflated(inflated));
            }
        }
        let start = self.locate(data)?;
        self.inflated.fetch_add(1, Ordering::Relaxed);
        Ok(Content::Streamed(Box::new(Mutex::new(Stream::new(&*self.source, start, data)))))
    }

    /// Where the member's data starts. The local header is looked at only here, so that mounting reads the central directory alone.
    fn locate(&self, data: &Data) -> Result<u64, Fault> {
        if data.state.load(Ordering::Relaxed) == BAD {
            return Err(Fault::Known);
        }
        let mut header = [0; LOCAL_LEN as usize];
        self.source.read_exact_at(&mut header, data.header)?;
        let start = format::data_start(data.header, &header, data.method);
        let start = start.ok_or(Fault::Damaged("its local header is damaged"))?;
        let end = start.checked_add(data.packed).filter(|&end| end <= data.limit);
        end.map(|_| start).ok_or(Fault::Damaged("its data overlaps what follows it"))
    }

    /// Checks a stored member's CRC once. One above the cache's bound is not checked: that would read it whole before its first byte.
    fn verify(&self, data: &Data, start: u64) -> Result<(), Fault> {
        if data.state.load(Ordering::Relaxed) == GOOD || data.size > self.cache.max() as u64 {
            return Ok(());
        }
        let mut crc = crc32fast::Hasher::new();
        if let Some(bytes) = self.source.slice(start, data.size) {
            crc.update(&bytes);
        } else {
            let mut step = vec![0; STEP.min(usize::try_from(data.size).unwrap_or(STEP))];
            let mut left = data.size;
            while left > 0 {
                let n = step.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let to = step.get_mut(..n).unwrap_or_default();
                self.source.read_exact_at(to, start + (data.size - left))?;
                crc.update(to);
                left -= n as u64;
            }
        }
        if crc.finalize() != data.crc {
            return Err(Fault::Damaged("its CRC-32 does not match"));
        }
        data.state.store(GOOD, Ordering::Relaxed);
        Ok(())
    }

    /// Reads at `offset`, short only at the end.
    fn read(&self, data: &Data, content: &Content, buf: &mut [u8], offset: u64) -> Result<usize, Fault> {
        match content {
            Content::Memory(bytes) => Ok(copy(bytes, buf, offset)),
            Content::Inflated(inflated) => Ok(copy(inflated.bytes(), buf, offset)),
            Content::Streamed(stream) => stream.lock().read_at(&*self.source, data, buf, offset),
            Content::Stored(start) => {
                let left = usize::try_from(data.size.saturating_sub(offset)).unwrap_or(usize::MAX);
                let n = left.min(buf.len());
                let place = start.checked_add(offset).ok_or(Fault::Io(io::ErrorKind::UnexpectedEof.into()))?;
                self.source.read_exact_at(buf.get_mut(..n).unwrap_or_default(), place)?;
                Ok(n)
            }
        }
    }

    /// Says why once per member, and remembers what will not get better.
    fn fail(&self, node: u32, data: &Data, fault: Fault) -> Errno {
        let member = || String::from_utf8_lossy(&self.index.path(node)).into_owned();
        match fault {
            Fault::Known => {}
            Fault::Damaged(why) => {
                if data.state.swap(BAD, Ordering::Relaxed) != BAD {
                    tracing::warn!(archive = ?self.archive, member = ?member(), why, "a damaged member of a zip archive");
                }
            }
            Fault::Io(error) => {
                tracing::warn!(archive = ?self.archive, member = ?member(), %error, "a zip archive cannot be read");
            }
        }
        Errno::EIO
    }
}

fn copy(from: &[u8], buf: &mut [u8], offset: u64) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|at| from.get(at..)).unwrap_or_default();
    let n = rest.len().min(buf.len());
    if let (Some(to), Some(from)) = (buf.get_mut(..n), rest.get(..n)) {
        to.copy_from_slice(from);
    }
    n
}

/// An open member. What it reads is had with the first read, and held.
pub(super) struct OpenMember {
    shared: Arc<Shared>,
    node: u32,
    content: OnceLock<Content>,
}

impl OpenMember {
    pub fn new(shared: &Arc<Shared>, node: u32) -> Self {
        OpenMember { shared: shared.clone(), node, content: OnceLock::new() }
    }

    fn content(&self, data: &Data) -> Result<&Content, Fault> {
        if let Some(content) = self.content.get() {
            return Ok(content);
        }
        let content = self.shared.content(self.node, data)?;
        Ok(self.content.get_or_init(|| content))
    }
}

impl FileHandle for OpenMember {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let data = self.shared.index.data(self.node).ok_or(Errno::EIO)?;
        if offset >= data.size || buf.is_empty() {
            return Ok(0);
        }
        let read = self.content(data).and_then(|content| self.shared.read(data, content, buf, offset));
        read.map_err(|fault| self.shared.fail(self.node, data, fault))
    }

    fn stat(&self) -> Result<Stat> {
        self.shared.stat(self.node)
    }
}
