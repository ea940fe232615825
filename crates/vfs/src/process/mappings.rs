//! Files that lie in the guest's memory.
//!
//! A guest's memory is its own, so a mapping is a copy: filled when it is made, written back by [`Mapping::store`]. Only pages that the guest
//! has changed are written, so that what others wrote to the rest of the file meanwhile stays.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::io::IoSlice;
use std::sync::Arc;

use super::Process;
use crate::fd_table::Fd;
use crate::filesystem::FileHandle;
use crate::open_file::{Body, OpenFile};
use crate::{Errno, FileKind, Result};

/// What is compared and written back at once, in bytes.
const PAGE: usize = 4096;

/// What a mapping is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapHow {
    /// Whether the guest will write to the memory.
    pub write: bool,
    /// Whether what it writes is the file's too (`MAP_SHARED`).
    pub shared: bool,
}

/// A piece of a file that lies in the guest's memory.
pub struct Mapping {
    file: Arc<OpenFile>,
    offset: u64,
    /// A hash of each page as the file has it; empty when nothing is written back.
    pages: Vec<u64>,
    writes: bool,
    loaded: u64,
}

/// The mappings of a process by their address.
pub(super) type Mappings = BTreeMap<u64, Mapping>;

fn hash(page: &[u8]) -> u64 {
    foldhash::fast::FixedState::with_seed(0).hash_one(page)
}

impl Mapping {
    fn handle(&self) -> Result<&Arc<dyn FileHandle>> {
        match &self.file.body {
            Body::File(handle) => Ok(handle),
            _ => Err(Errno::ENODEV),
        }
    }

    /// How many bytes have been loaded.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.loaded).unwrap_or(usize::MAX)
    }

    /// Whether nothing has been loaded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.loaded == 0
    }

    /// Fills the next bytes of the mapping: the file's, zeros past its end. All calls but the last take whole pages of 4 KiB.
    ///
    /// # Errors
    /// What reading gives.
    pub fn load(&mut self, buf: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = self.offset.saturating_add(self.loaded).saturating_add(done as u64);
            match self.handle()?.read_at(rest, at)? {
                0 => {
                    rest.fill(0);
                    break;
                }
                n => done += n,
            }
        }
        self.loaded += buf.len() as u64;
        if self.writes {
            self.pages.extend(buf.chunks(PAGE).map(hash));
        }
        Ok(())
    }

    /// Writes back the pages of `bytes`, which is the mapping's memory from its start, that were changed, as far as the file reaches.
    ///
    /// # Errors
    /// What writing gives.
    pub fn store(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.writes {
            return Ok(());
        }
        let handle = self.handle()?.clone();
        let size = handle.stat()?.size;
        for (index, (page, known)) in bytes.chunks(PAGE).zip(&mut self.pages).enumerate() {
            let now = hash(page);
            if now == *known {
                continue;
            }
            let start = self.offset.saturating_add((index * PAGE) as u64);
            let reaches = usize::try_from(size.saturating_sub(start)).unwrap_or(usize::MAX);
            let mut rest = page.get(..page.len().min(reaches)).unwrap_or_default();
            let mut at = start;
            while !rest.is_empty() {
                let n = handle.write_at(&[IoSlice::new(rest)], at)?;
                if n == 0 {
                    return Err(Errno::EIO);
                }
                at += n as u64;
                rest = rest.get(n..).unwrap_or_default();
            }
            *known = now;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Mapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapping").field("file", &self.file).field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Process {
    /// Begins to map `len` bytes of an open file from `offset` on. The mapping is to be [loaded](Mapping::load) and
    /// [kept](Process::keep_mapping); the descriptor may be closed meanwhile.
    ///
    /// # Errors
    /// `EINVAL` for an offset that is no multiple of 4,096; `EBADF`; `EINVAL` for no bytes; `ENOMEM` past
    /// [`Limits::mappings`](crate::Limits::mappings); `EACCES` when the file is not open for reading, or is not open for writing and the
    /// mapping would write to it; `ENODEV` for what is no regular file.
    pub fn map(&self, fd: Fd, offset: u64, len: u64, how: MapHow) -> Result<Mapping> {
        if !offset.is_multiple_of(PAGE as u64) {
            return Err(Errno::EINVAL);
        }
        let file = &self.fds.get(fd)?.file;
        let writes = how.write && how.shared;
        if file.is_path() {
            return Err(Errno::EBADF);
        }
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        if self.mappings.len() >= self.limits.mappings {
            return Err(Errno::ENOMEM);
        }
        if !file.access().read || writes && !file.access().write {
            return Err(Errno::EACCES);
        }
        if file.kind() != FileKind::File || !matches!(file.body, Body::File(_)) {
            return Err(Errno::ENODEV);
        }
        Ok(Mapping { file: file.clone(), offset, pages: Vec::new(), writes, loaded: 0 })
    }

    /// Keeps a loaded mapping under the address where it lies. Older ones that reach into its place are forgotten.
    pub fn keep_mapping(&mut self, at: u64, mapping: Mapping) {
        let end = at.saturating_add(mapping.loaded);
        while let Some((start, older)) = self.mappings.range(..end).next_back().map(|(start, older)| (*start, older))
            && start.saturating_add(older.loaded) > at
        {
            self.mappings.remove(&start);
        }
        self.mappings.insert(at, mapping);
    }

    /// The mapping that lies at this address.
    pub fn mapping(&mut self, at: u64) -> Option<&mut Mapping> {
        self.mappings.get_mut(&at)
    }

    /// All mappings with their addresses.
    pub fn mappings(&mut self) -> impl Iterator<Item = (u64, &mut Mapping)> {
        self.mappings.iter_mut().map(|(at, mapping)| (*at, mapping))
    }

    /// Forgets the mapping at this address. What was not stored is not written.
    pub fn unmap(&mut self, at: u64) {
        self.mappings.remove(&at);
    }
}
