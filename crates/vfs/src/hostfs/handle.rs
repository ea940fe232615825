//! An open host file.

use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::{Errno as Host, ReadWriteFlags, retry_on_intr};

use super::attr;
use super::errno::from_host;
use super::node::Registry;
use crate::filesystem::FileHandle;
use crate::{Errno, Result, SetAttr, Stat};

/// Buffers that one `pwritev` takes.
const IOV_MAX: usize = 1024;

/// A file by its descriptor: it stays the same file whatever happens to its names.
pub(super) struct HostFile {
    fd: OwnedFd,
    registry: Arc<Registry>,
    writable: bool,
    /// Held while the descriptor's own position is in use, which only an append does.
    appending: Mutex<()>,
}

impl HostFile {
    pub fn new(fd: OwnedFd, registry: Arc<Registry>, writable: bool) -> Self {
        HostFile { fd, registry, writable, appending: Mutex::new(()) }
    }

    /// Writes `bufs` by `write`, which is handed what one call takes and where; ends at the first short one.
    fn all(bufs: &[IoSlice<'_>], mut write: impl FnMut(&[IoSlice<'_>], usize) -> rustix::io::Result<usize>) -> Result<usize> {
        let mut done = 0;
        for bufs in bufs.chunks(IOV_MAX) {
            let wanted = bufs.iter().fold(0usize, |sum, buf| sum.saturating_add(buf.len()));
            match retry_on_intr(|| write(bufs, done)) {
                Ok(n) => {
                    done += n;
                    if n < wanted {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(errno) => return Err(from_host(errno)),
            }
        }
        Ok(done)
    }
}

/// The last byte that a file can have lies before `i64::MAX`.
fn in_range(offset: u64) -> Result<u64> {
    if i64::try_from(offset).is_ok() { Ok(offset) } else { Err(Errno::EFBIG) }
}

impl FileHandle for HostFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        if i64::try_from(offset).is_err() {
            return Ok(0);
        }
        retry_on_intr(|| rustix::io::pread(&self.fd, &mut *buf, offset)).map_err(from_host)
    }

    /// Moves the descriptor's own position.
    fn next_data(&self, offset: u64) -> Result<Option<u64>> {
        let _alone = self.appending.lock();
        match rustix::fs::seek(&self.fd, SeekFrom::Data(offset)) {
            Ok(at) => Ok(Some(at)),
            Err(Host::NXIO) => Ok(None),
            // A host filesystem without holes.
            Err(_) => Ok(Some(offset)),
        }
    }

    fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> Result<usize> {
        in_range(offset)?;
        let done = Self::all(bufs, |bufs, done| rustix::io::pwritev(&self.fd, bufs, offset.saturating_add(done as u64)));
        self.registry.generation.raise();
        done
    }

    /// The host's own append (`RWF_APPEND`), atomic against everybody who writes the file. Where the host has none, the end is
    /// looked up first, which is atomic only against this handle.
    fn append(&self, bufs: &[IoSlice<'_>]) -> Result<(usize, u64)> {
        let _alone = self.appending.lock();
        // An offset of -1 is the descriptor's own position, which then stands behind what was written.
        let append = |bufs: &[IoSlice<'_>]| rustix::io::pwritev2(&self.fd, bufs, u64::MAX, ReadWriteFlags::APPEND);
        let done = Self::all(bufs, |bufs, _| match append(bufs) {
            // The position matters after all, when the bytes do not fit between it and the largest offset.
            Err(Host::INVAL) if rustix::fs::tell(&self.fd)? > 0 => {
                rustix::fs::seek(&self.fd, SeekFrom::Start(0))?;
                append(bufs)
            }
            done => done,
        });
        self.registry.generation.raise();
        match done {
            Ok(0) => Ok((0, self.stat()?.size)),
            Ok(n) => Ok((n, rustix::fs::seek(&self.fd, SeekFrom::Current(0)).map_err(from_host)?)),
            Err(Errno::ENOTSUP | Errno::ENOSYS) => {
                let end = self.stat()?.size;
                let n = self.write_at(bufs, end)?;
                Ok((n, end.saturating_add(n as u64)))
            }
            Err(errno) => Err(errno),
        }
    }

    fn sync(&self, data_only: bool) -> Result<()> {
        let sync = || if data_only { rustix::fs::fdatasync(&self.fd) } else { rustix::fs::fsync(&self.fd) };
        retry_on_intr(sync).map_err(from_host)
    }

    fn stat(&self) -> Result<Stat> {
        let stat = rustix::fs::fstat(&self.fd).map_err(from_host)?;
        Ok(attr::stat(&stat, self.registry.key(attr::id(&stat))))
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        if !self.writable {
            return Err(Errno::EROFS);
        }
        let done = attr::set(&self.fd, attr);
        self.registry.generation.raise();
        done
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        if !self.writable {
            return Err(Errno::EROFS);
        }
        let end = offset.checked_add(len).ok_or(Errno::EFBIG).and_then(in_range)?;
        let done = match retry_on_intr(|| rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), offset, len)) {
            Err(Host::OPNOTSUPP | Host::NOSYS) if self.stat()?.size < end => attr::resize(&self.fd, end),
            Err(Host::OPNOTSUPP | Host::NOSYS) => Ok(()),
            done => done.map_err(from_host),
        };
        self.registry.generation.raise();
        done
    }
}
