//! The host's part of mapping files: called by the glue, which gets the memory from the guest's allocator.

use stratafs::{Errno, Fd, MapHow, Result};
use stratafs_abi::{Call, Ptr, Size};

const PROT_WRITE: u32 = 2;
const MAP_TYPE: u32 = 0xf;
const MAP_SHARED: u32 = 1;
const MAP_PRIVATE: u32 = 2;
const MAP_SHARED_VALIDATE: u32 = 3;

/// Fills `len` bytes of the guest's memory at `at` with a file, and remembers that they are its.
///
/// # Errors
/// `EINVAL` for an unknown kind of mapping; those of [`Process::map`](stratafs::Process::map); `EFAULT`; what reading gives.
pub fn mmap(cx: &mut Call<'_>, at: Ptr, len: Size, prot: u32, flags: u32, fd: Fd, offset: i64) -> Result<()> {
    let shared = match flags & MAP_TYPE {
        MAP_SHARED | MAP_SHARED_VALIDATE => true,
        MAP_PRIVATE => false,
        _ => return Err(Errno::EINVAL),
    };
    let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
    let how = MapHow { write: prot & PROT_WRITE != 0, shared };
    let mut mapping = cx.process.map(fd, offset, len.raw().into(), how)?;
    cx.memory.fill(at, len, |piece| mapping.load(piece))?;
    cx.process.keep_mapping(at.raw().into(), mapping);
    Ok(())
}

/// Writes the pages that the guest has changed back to the file.
///
/// # Errors
/// `ENOMEM` when nothing is mapped there; `EFAULT`; what writing gives.
pub fn msync(cx: &mut Call<'_>, at: Ptr, len: Size) -> Result<()> {
    let mapping = cx.process.mapping(at.raw().into()).ok_or(Errno::ENOMEM)?;
    mapping.store(&cx.memory.bytes(at, len)?)
}

/// Writes back and forgets a mapping. An error of writing is lost, as on Linux: who wants to know calls `msync` before.
///
/// # Errors
/// `EFAULT`.
pub fn munmap(cx: &mut Call<'_>, at: Ptr, len: Size) -> Result<()> {
    cx.memory.check(at, len)?;
    let _ = msync(cx, at, len);
    cx.process.unmap(at.raw().into());
    Ok(())
}

/// Writes back every mapping, because the guest has ended: what it wrote to a shared one is the file's whichever way it ended. An error of writing is lost, as on Linux.
///
/// # Errors
/// `EFAULT`, which a mapping that was made cannot give.
pub fn sync_mappings(cx: &mut Call<'_>) -> Result<()> {
    for (at, mapping) in cx.process.mappings() {
        let at = Ptr::new(u32::try_from(at).map_err(|_| Errno::EFAULT)?);
        let bytes = cx.memory.bytes(at, Size::of(mapping.len())?)?;
        let _ = mapping.store(&bytes);
    }
    Ok(())
}
