//! Inflating: a member at once, or as a stream that goes on where the last read ended.

use std::io;

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};

use super::index::Data;
use super::source::ZipSource;

/// Compressed bytes that are read at a time where the archive is not in memory.
const INPUT: usize = 32 << 10;
/// Inflated bytes that a stream holds at a time.
const CHUNK: usize = 64 << 10;
/// At most so much of what is in memory is handed to the decompressor at once; its counters have 32 bits.
const SLICE: usize = 1 << 30;

/// Why a member's data could not be had.
#[derive(Debug)]
pub(super) enum Fault {
    /// The archive's bytes are wrong, and will be the next time.
    Damaged(&'static str),
    /// The host could not read them.
    Io(io::Error),
    /// Damaged, as was said before.
    Known,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

/// A member's compressed bytes.
struct Input {
    whole: Option<Bytes>,
    read: Vec<u8>,
    /// What has been used of `whole` or `read`.
    at: usize,
    next: u64,
    end: u64,
}

impl Input {
    fn new(source: &dyn ZipSource, start: u64, packed: u64) -> Self {
        Input { whole: source.slice(start, packed), read: Vec::new(), at: 0, next: start, end: start.saturating_add(packed) }
    }

    /// Compressed bytes that have not been used; none at the end.
    fn fill(&mut self, source: &dyn ZipSource) -> io::Result<&[u8]> {
        if self.whole.is_none() && self.at == self.read.len() && self.next < self.end {
            let n = usize::try_from(self.end - self.next).unwrap_or(INPUT).min(INPUT);
            self.at = 0;
            self.read.clear();
            self.read.resize(n, 0);
            if let Err(error) = source.read_exact_at(&mut self.read, self.next) {
                self.read.clear();
                return Err(error);
            }
            self.next += n as u64;
        }
        let rest = self.whole.as_deref().unwrap_or(&self.read).get(self.at..).unwrap_or_default();
        Ok(rest.get(..SLICE).unwrap_or(rest))
    }
}

/// A decompressor and what it reads.
struct Inflater {
    raw: Decompress,
    input: Input,
    ended: bool,
}

impl Inflater {
    fn new(source: &dyn ZipSource, start: u64, packed: u64) -> Self {
        Inflater { raw: Decompress::new(false), input: Input::new(source, start, packed), ended: false }
    }

    /// Inflates until `out` is full or the data has come to its end. Answers how many bytes came.
    fn pull(&mut self, source: &dyn ZipSource, out: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = 0;
        while filled < out.len() && !self.ended {
            let input = self.input.fill(source)?;
            let (used, made) = (self.raw.total_in(), self.raw.total_out());
            let to = out.get_mut(filled..).unwrap_or_default();
            let to_len = to.len().min(SLICE);
            let to = to.get_mut(..to_len).unwrap_or_default();
            let status = self.raw.decompress(input, to, FlushDecompress::None);
            let status = status.map_err(|_| Fault::Damaged("its compressed data is damaged"))?;
            let used = usize::try_from(self.raw.total_in() - used).unwrap_or(usize::MAX);
            let made = usize::try_from(self.raw.total_out() - made).unwrap_or(usize::MAX);
            self.ended = status == Status::StreamEnd;
            if used == 0 && made == 0 && !self.ended {
                return Err(Fault::Damaged("its compressed data ends too early"));
            }
            self.input.at = self.input.at.saturating_add(used);
            filled = filled.saturating_add(made);
        }
        Ok(filled)
    }
}

fn wrong_size(made: u64, size: u64) -> Fault {
    Fault::Damaged(if made > size { "it inflates to more than it claims" } else { "it inflates to less than it claims" })
}

/// A member's whole contents, checked. Never more than `size` and one bytes are allocated.
pub(super) fn inflate(source: &dyn ZipSource, start: u64, data: &Data, size: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    if data.packed == 0 && size == 0 {
        return Ok(out);
    }
    // One byte more than there should be room for shows what would come after the end.
    let room = size.saturating_add(1);
    out.try_reserve_exact(room).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    out.resize(room, 0);
    let made = Inflater::new(source, start, data.packed).pull(source, &mut out)?;
    if made != size {
        return Err(wrong_size(made as u64, data.size));
    }
    out.truncate(size);
    if crc32fast::hash(&out) != data.crc {
        return Err(Fault::Damaged("its CRC-32 does not match"));
    }
    Ok(out)
}

/// A member that is inflated while it is read, one chunk at a time. A seek back behind the chunk starts it again.
pub(super) struct Stream {
    inflater: Inflater,
    start: u64,
    chunk: Vec<u8>,
    chunk_at: u64,
    crc: crc32fast::Hasher,
    damaged: bool,
}

impl Stream {
    pub fn new(source: &dyn ZipSource, start: u64, data: &Data) -> Self {
        let inflater = Inflater::new(source, start, data.packed);
        Stream { inflater, start, chunk: Vec::new(), chunk_at: 0, crc: crc32fast::Hasher::new(), damaged: false }
    }

    /// Reads at `offset`, which lies before the end. The last chunk is given out when size and CRC have been found right.
    pub fn read_at(&mut self, source: &dyn ZipSource, data: &Data, buf: &mut [u8], offset: u64) -> Result<usize, Fault> {
        if self.damaged {
            return Err(Fault::Known);
        }
        let mut done = 0;
        while let Some(left) = data.size.checked_sub(offset.saturating_add(done as u64)).filter(|&left| left > 0) {
            let to = buf.get_mut(done..).unwrap_or_default();
            if to.is_empty() {
                break;
            }
            let at = data.size - left;
            if at < self.chunk_at {
                self.restart(source, data);
            }
            let from = usize::try_from(at - self.chunk_at).ok().and_then(|skip| self.chunk.get(skip..)).unwrap_or_default();
            if from.is_empty() {
                if let Err(fault) = self.advance(source, data) {
                    self.damaged = matches!(fault, Fault::Damaged(_));
                    self.restart(source, data);
                    return Err(fault);
                }
                continue;
            }
            let n = from.len().min(to.len());
            if let (Some(to), Some(from)) = (to.get_mut(..n), from.get(..n)) {
                to.copy_from_slice(from);
            }
            done += n;
        }
        Ok(done)
    }

    fn restart(&mut self, source: &dyn ZipSource, data: &Data) {
        self.inflater.raw.reset(false);
        self.inflater.input = Input::new(source, self.start, data.packed);
        self.inflater.ended = false;
        self.chunk.clear();
        self.chunk_at = 0;
        self.crc.reset();
    }

    /// The next chunk.
    fn advance(&mut self, source: &dyn ZipSource, data: &Data) -> Result<(), Fault> {
        self.chunk_at = self.chunk_at.saturating_add(self.chunk.len() as u64);
        let left = data.size.saturating_sub(self.chunk_at);
        let expected = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let last = expected as u64 == left;
        self.chunk.clear();
        self.chunk.resize(expected + usize::from(last), 0);
        let made = self.inflater.pull(source, &mut self.chunk)?;
        if made != expected {
            return Err(wrong_size(made as u64, expected as u64));
        }
        self.chunk.truncate(expected);
        self.crc.update(&self.chunk);
        if last && self.crc.clone().finalize() != data.crc {
            return Err(Fault::Damaged("its CRC-32 does not match"));
        }
        Ok(())
    }
}
