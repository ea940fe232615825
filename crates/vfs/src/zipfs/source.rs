//! Where an archive's bytes come from.

use std::fs::File;
use std::io;

use bytes::Bytes;

/// An archive's bytes, read by position. They must not change while the archive is mounted; what does anyway gives `EIO`.
pub trait ZipSource: Send + Sync + 'static {
    /// How many bytes there are.
    ///
    /// # Errors
    /// What the host gives.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buf` from byte `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the bytes end before; what the host gives.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// The bytes without a copy, where they are in memory.
    fn slice(&self, offset: u64, len: u64) -> Option<Bytes> {
        let _ = (offset, len);
        None
    }
}

impl ZipSource for Bytes {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let from = ZipSource::slice(self, offset, buf.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(&from);
        Ok(())
    }

    fn slice(&self, offset: u64, len: u64) -> Option<Bytes> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        (end <= self.len()).then(|| Bytes::slice(self, start..end))
    }
}

#[cfg(unix)]
impl ZipSource for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buf, offset)
    }
}

/// A file of a host without positional reads: the seek and the read that belong together stand under one lock.
#[cfg(not(unix))]
impl ZipSource for parking_lot::Mutex<File> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.lock().metadata()?.len())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self.lock();
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buf)
    }
}

/// The source for a file that the embedder opened.
pub(super) fn of_file(file: File) -> std::sync::Arc<dyn ZipSource> {
    #[cfg(unix)]
    return std::sync::Arc::new(file);
    #[cfg(not(unix))]
    return std::sync::Arc::new(parking_lot::Mutex::new(file));
}
