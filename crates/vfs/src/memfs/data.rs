//! A regular file's bytes: chunks of 64 KiB, with nothing stored for holes.

use std::collections::BTreeMap;
use std::io::IoSlice;

use bytes::Bytes;

use crate::{Budget, Errno, Result};

/// Bytes of a chunk.
pub(super) const CHUNK: usize = 64 << 10;
/// The smallest allocation of a chunk.
const SMALLEST: usize = 512;
/// How many holes may stand in a row in the dense table before a chunk goes to the sparse one.
const HOLES: u64 = 16;
/// The largest file, as Linux has it.
const SIZE_MAX: u64 = i64::MAX as u64;

/// A file's contents.
///
/// Chunk `n` covers the bytes from `n * CHUNK` on. It stands in `dense` when that is long enough, else in `sparse` or nowhere. What
/// a chunk does not hold reads as zero; no chunk holds a byte past `size`.
#[derive(Debug, Default)]
pub(super) struct Data {
    size: u64,
    dense: Vec<Chunk>,
    sparse: BTreeMap<u64, Chunk>,
    /// Bytes charged to the budget: the sum over all chunks.
    charged: u64,
}

#[derive(Debug, Default)]
enum Chunk {
    #[default]
    Hole,
    Owned(Owned),
    /// The host's bytes, copied when they are first written. Charged with their length.
    Shared(Bytes),
}

/// Bytes of the file's own, with the room that the budget was charged for.
#[derive(Debug, Default)]
struct Owned {
    bytes: Vec<u8>,
    charged: usize,
}

impl Data {
    /// Contents that are the host's `bytes`, not copied.
    ///
    /// # Errors
    /// `ENOSPC`.
    pub fn of(mut bytes: Bytes, budget: &Budget) -> Result<Self> {
        let size = bytes.len() as u64;
        budget.charge_bytes(size)?;
        let mut dense = Vec::with_capacity(bytes.len().div_ceil(CHUNK));
        while !bytes.is_empty() {
            dense.push(Chunk::Shared(bytes.split_to(bytes.len().min(CHUNK))));
        }
        Ok(Data { size, dense, sparse: BTreeMap::new(), charged: size })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn charged(&self) -> u64 {
        self.charged
    }

    /// The first offset from `offset` on in a chunk that is stored.
    pub fn next_data(&self, offset: u64) -> Option<u64> {
        let first = offset / CHUNK as u64;
        let skipped = usize::try_from(first).unwrap_or(usize::MAX);
        let mut dense = (first..).zip(self.dense.iter().skip(skipped));
        let stored = dense.find(|(_, chunk)| !matches!(chunk, Chunk::Hole)).map(|(n, _)| n);
        let found = stored.or_else(|| self.sparse.range(first..).next().map(|(&n, _)| n))?;
        Some(found.saturating_mul(CHUNK as u64).max(offset)).filter(|&at| at < self.size)
    }

    fn chunk(&self, index: u64) -> Option<&Chunk> {
        match usize::try_from(index).ok().and_then(|n| self.dense.get(n)) {
            None if self.sparse.is_empty() => None,
            None => self.sparse.get(&index),
            found => found,
        }
    }

    fn chunk_mut(&mut self, index: u64) -> Option<&mut Chunk> {
        match usize::try_from(index).ok().and_then(|n| self.dense.get_mut(n)) {
            None => self.sparse.get_mut(&index),
            found => found,
        }
    }

    /// Reads from `offset`; short at the end.
    pub fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let n = buf.len().min(left);
        let mut rest = buf.get_mut(..n).unwrap_or_default();
        let mut at = offset;
        while !rest.is_empty() {
            let (index, start) = split(at);
            let (part, after) = rest.split_at_mut(rest.len().min(CHUNK - start));
            let held = self.chunk(index).map_or(&[][..], Chunk::bytes).get(start..).unwrap_or_default();
            let (from, zero) = part.split_at_mut(part.len().min(held.len()));
            from.copy_from_slice(held.get(..from.len()).unwrap_or_default());
            zero.fill(0);
            at += part.len() as u64;
            rest = after;
        }
        n
    }

    /// Writes all buffers from `offset`; short where the budget or the largest size ends.
    ///
    /// # Errors
    /// When there was something to write and not one byte fitted: `EFBIG` at the largest size, else `ENOSPC`.
    pub fn write(&mut self, bufs: &[IoSlice<'_>], offset: u64, budget: &Budget) -> Result<usize> {
        let mut at = offset;
        let mut full = false;
        for buf in bufs {
            let mut rest: &[u8] = buf;
            while !rest.is_empty() && !full {
                let (index, start) = split(at);
                let room = usize::try_from(SIZE_MAX.saturating_sub(at)).unwrap_or(usize::MAX).min(CHUNK - start);
                if room == 0 {
                    full = true;
                    break;
                }
                let (part, after) = rest.split_at(rest.len().min(room));
                let done = self.write_chunk(index, start, part, budget);
                at += done as u64;
                full = done < part.len();
                rest = after;
            }
        }
        if at == offset && full {
            return Err(if offset >= SIZE_MAX { Errno::EFBIG } else { Errno::ENOSPC });
        }
        if at > offset {
            self.size = self.size.max(at);
        }
        usize::try_from(at - offset).map_err(|_| Errno::EFBIG)
    }

    fn write_chunk(&mut self, index: u64, start: usize, part: &[u8], budget: &Budget) -> usize {
        // A file that has just filled the chunk before grows on: the whole chunk at once saves copying it while it grows.
        let growing = start == 0 && index.checked_sub(1).and_then(|n| self.chunk(n)).is_some_and(|c| c.bytes().len() == CHUNK);
        let mut fresh = Chunk::Hole;
        let chunk = self.chunk_mut(index);
        let absent = chunk.is_none();
        let chunk = chunk.unwrap_or(&mut fresh);
        let before = chunk.charged();
        let done = chunk.write(start, part, growing, budget);
        let after = chunk.charged();
        if absent && done > 0 {
            self.put(index, fresh);
        }
        self.charged = self.charged + after as u64 - before as u64;
        done
    }

    /// Puts in a chunk that was not there.
    fn put(&mut self, index: u64, chunk: Chunk) {
        let end = self.dense.len() as u64;
        if index > end + HOLES {
            self.sparse.insert(index, chunk);
            return;
        }
        if self.dense.is_empty() && index == 0 {
            self.dense.reserve_exact(1);
        }
        for n in end..index {
            let moved = if self.sparse.is_empty() { None } else { self.sparse.remove(&n) };
            self.dense.push(moved.unwrap_or_default());
        }
        self.dense.push(chunk);
        // Chunks that were written ahead join as soon as the table reaches them.
        while let Some(next) = self.sparse.first_entry().filter(|next| *next.key() == self.dense.len() as u64) {
            self.dense.push(next.remove());
        }
    }

    /// Cuts, or grows with a hole.
    ///
    /// # Errors
    /// `EFBIG` past the largest size.
    pub fn resize(&mut self, size: u64, budget: &Budget) -> Result<()> {
        if size > SIZE_MAX {
            return Err(Errno::EFBIG);
        }
        if size < self.size {
            let mut freed = 0;
            let keep = size.div_ceil(CHUNK as u64);
            let dense = usize::try_from(keep).unwrap_or(usize::MAX).min(self.dense.len());
            freed += self.dense.drain(dense..).map(|chunk| chunk.charged()).sum::<usize>();
            if !self.sparse.is_empty() {
                freed += self.sparse.split_off(&keep).values().map(Chunk::charged).sum::<usize>();
            }
            let (index, start) = split(size);
            if start > 0
                && let Some(chunk) = self.chunk_mut(index)
            {
                freed += chunk.cut(start);
            }
            if dense < self.dense.capacity() / 4 {
                self.dense.shrink_to(dense);
            }
            self.charged -= freed as u64;
            budget.release_bytes(freed as u64);
        }
        self.size = size;
        Ok(())
    }

    /// Bytes from `from` to `to` for which nothing is stored.
    pub fn missing(&self, from: u64, to: u64) -> u64 {
        let held = |index: u64, chunk: &Chunk| {
            let start = index * CHUNK as u64;
            (start + chunk.bytes().len() as u64).min(to).saturating_sub(start.max(from))
        };
        let (first, end) = (from / CHUNK as u64, to.div_ceil(CHUNK as u64));
        let skipped = usize::try_from(first).unwrap_or(usize::MAX);
        let dense = (first..end).zip(self.dense.iter().skip(skipped)).map(|(n, chunk)| held(n, chunk)).sum::<u64>();
        let sparse = self.sparse.range(first.min(end)..end).map(|(&n, chunk)| held(n, chunk)).sum::<u64>();
        to.saturating_sub(from).saturating_sub(dense + sparse)
    }
}

/// The chunk that byte `at` is in, and where in it.
fn split(at: u64) -> (u64, usize) {
    (at / CHUNK as u64, usize::try_from(at % CHUNK as u64).unwrap_or(0))
}

/// The allocation for `len` bytes of a chunk.
fn class(len: usize) -> usize {
    len.next_power_of_two().clamp(SMALLEST, CHUNK)
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Hole => &[],
            Chunk::Owned(owned) => &owned.bytes,
            Chunk::Shared(bytes) => bytes,
        }
    }

    fn charged(&self) -> usize {
        match self {
            Chunk::Hole => 0,
            Chunk::Owned(owned) => owned.charged,
            Chunk::Shared(bytes) => bytes.len(),
        }
    }

    /// Writes `part` at `start`; answers how much of it the budget gave room for. `growing`: more will follow behind it.
    fn write(&mut self, start: usize, part: &[u8], growing: bool, budget: &Budget) -> usize {
        let end = start + part.len();
        match self {
            Chunk::Owned(owned) => {
                owned.reserve(start, end, false, budget);
                owned.write(start, part)
            }
            Chunk::Hole => {
                let mut owned = Owned::default();
                owned.reserve(start, end, growing, budget);
                let done = owned.write(start, part);
                if done > 0 {
                    *self = Chunk::Owned(owned);
                } else {
                    budget.release_bytes(owned.charged as u64);
                }
                done
            }
            Chunk::Shared(bytes) => {
                // The copy takes over what the shared bytes were charged with.
                let mut owned = Owned { bytes: Vec::new(), charged: bytes.len() };
                owned.reserve(start, end.max(bytes.len()), false, budget);
                if owned.bytes.capacity() < bytes.len() {
                    budget.release_bytes((owned.charged - bytes.len()) as u64);
                    return 0;
                }
                owned.bytes.extend_from_slice(bytes);
                let done = owned.write(start, part);
                *self = Chunk::Owned(owned);
                done
            }
        }
    }

    /// Keeps the first `len` bytes. Answers the bytes that need no longer be charged.
    fn cut(&mut self, len: usize) -> usize {
        let before = self.charged();
        match self {
            Chunk::Hole => {}
            Chunk::Owned(owned) => {
                owned.bytes.truncate(len);
                if owned.bytes.is_empty() {
                    *self = Chunk::Hole;
                } else if class(owned.bytes.len()) < owned.charged {
                    owned.charged = class(owned.bytes.len());
                    owned.bytes.shrink_to(owned.charged);
                }
            }
            Chunk::Shared(bytes) => bytes.truncate(len),
        }
        before - self.charged()
    }
}

impl Owned {
    /// Makes room for bytes up to `end`, if the budget gives it; else for as many past `start` as it does.
    fn reserve(&mut self, start: usize, end: usize, whole: bool, budget: &Budget) {
        if end > self.charged {
            let left = budget.bytes_max().saturating_sub(budget.bytes_used());
            let last = self.charged.saturating_add(usize::try_from(left).unwrap_or(usize::MAX)).min(end);
            for room in [if whole { CHUNK } else { class(end) }, end, last] {
                if room > self.charged && room > start && budget.charge_bytes((room - self.charged) as u64).is_ok() {
                    let before = std::mem::replace(&mut self.charged, room);
                    if self.bytes.try_reserve_exact(room - self.bytes.len()).is_err() {
                        budget.release_bytes((room - before) as u64);
                        self.charged = before;
                    }
                    return;
                }
            }
        }
        if self.bytes.capacity() < self.charged {
            // Without memory the room stays what it is, and the write comes short.
            let _ = self.bytes.try_reserve_exact(self.charged - self.bytes.len());
        }
    }

    /// Writes as much of `part` as there is room for.
    fn write(&mut self, start: usize, part: &[u8]) -> usize {
        let room = self.charged.min(self.bytes.capacity()).saturating_sub(start);
        let part = part.get(..part.len().min(room)).unwrap_or_default();
        if part.is_empty() {
            return 0;
        }
        if self.bytes.len() < start {
            self.bytes.resize(start, 0);
        }
        let over = self.bytes.get_mut(start..).unwrap_or_default();
        let (within, behind) = part.split_at(part.len().min(over.len()));
        if let Some(over) = over.get_mut(..within.len()) {
            over.copy_from_slice(within);
        }
        self.bytes.extend_from_slice(behind);
        part.len()
    }
}
