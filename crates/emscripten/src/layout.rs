//! Structures in guest memory, of the 32-bit musl that Emscripten has.

use std::fmt::Write;

use stratafs::{FileKind, Result, Stat, StatFs, Timestamp};
use stratafs_abi::{GuestMemory, Layout, Ptr, Record};

/// Bytes that a guest should read or write at a time.
const BLOCK: u32 = 4096;
/// What `statfs` says of every tree: `tmpfs`.
const TMPFS_MAGIC: u32 = 0x0102_1994;
const ST_RDONLY: u32 = 1;

/// Puts `N` bytes at `start` of a record under construction.
pub(crate) fn put<const N: usize>(record: &mut [u8], start: usize, bytes: [u8; N]) {
    if let Some(to) = record.get_mut(start..).and_then(|rest| rest.first_chunk_mut::<N>()) {
        *to = bytes;
    }
}

/// A number in fewer bits: what does not fit is the largest that does.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The file type bits of `st_mode`.
pub(crate) fn type_bits(kind: FileKind) -> u32 {
    match kind {
        FileKind::Fifo => 0o010_000,
        FileKind::CharDevice => 0o020_000,
        FileKind::Directory => 0o040_000,
        FileKind::File => 0o100_000,
        FileKind::Symlink => 0o120_000,
        FileKind::Socket => 0o140_000,
    }
}

/// The `d_type` of a directory entry.
pub(crate) fn entry_type(kind: FileKind) -> u8 {
    match kind {
        FileKind::Fifo => 1,
        FileKind::CharDevice => 2,
        FileKind::Directory => 4,
        FileKind::File => 8,
        FileKind::Symlink => 10,
        FileKind::Socket => 12,
    }
}

/// `struct stat` with 64-bit times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat96(pub Stat);

impl Layout for Stat96 {
    const SIZE: u32 = 96;
}

impl From<Stat> for Stat96 {
    fn from(stat: Stat) -> Self {
        Stat96(stat)
    }
}

impl Record for Stat96 {
    fn store(&self, memory: &mut GuestMemory<'_>, at: Ptr) -> Result<()> {
        let stat = &self.0;
        let mut record = [0; 96];
        put(&mut record, 0, narrow(stat.dev).to_le_bytes());
        put(&mut record, 4, (type_bits(stat.kind) | stat.mode).to_le_bytes());
        put(&mut record, 8, narrow(stat.nlink).to_le_bytes());
        put(&mut record, 12, stat.uid.to_le_bytes());
        put(&mut record, 16, stat.gid.to_le_bytes());
        put(&mut record, 24, stat.size.to_le_bytes());
        put(&mut record, 32, BLOCK.to_le_bytes());
        put(&mut record, 36, blocks(stat).to_le_bytes());
        for (start, time) in [(40, stat.atime), (56, stat.mtime), (72, stat.ctime)] {
            put(&mut record, start, time.sec.to_le_bytes());
            put(&mut record, start + 8, time.nsec.to_le_bytes());
        }
        put(&mut record, 88, stat.ino.to_le_bytes());
        memory.write(at, &record)
    }

    fn show(memory: &GuestMemory<'_>, at: Ptr, out: &mut String) -> Result<()> {
        let (mode, size) = (memory.read_u32(at.offset(4)?)?, memory.read_u64(at.offset(24)?)?);
        let _ = write!(out, "{{mode={mode:#o}, size={size}}}");
        Ok(())
    }
}

/// `struct stat` with 32-bit times, before 3.1.16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat88(pub Stat);

impl Layout for Stat88 {
    const SIZE: u32 = 88;
}

impl From<Stat> for Stat88 {
    fn from(stat: Stat) -> Self {
        Stat88(stat)
    }
}

impl Record for Stat88 {
    fn store(&self, memory: &mut GuestMemory<'_>, at: Ptr) -> Result<()> {
        let stat = &self.0;
        let [a, b, c, d, ..] = stat.ino.to_le_bytes();
        let mut record = [0; 88];
        put(&mut record, 0, narrow(stat.dev).to_le_bytes());
        put(&mut record, 8, [a, b, c, d]);
        put(&mut record, 12, (type_bits(stat.kind) | stat.mode).to_le_bytes());
        put(&mut record, 16, narrow(stat.nlink).to_le_bytes());
        put(&mut record, 20, stat.uid.to_le_bytes());
        put(&mut record, 24, stat.gid.to_le_bytes());
        put(&mut record, 40, stat.size.to_le_bytes());
        put(&mut record, 48, BLOCK.to_le_bytes());
        put(&mut record, 52, blocks(stat).to_le_bytes());
        for (start, time) in [(56, stat.atime), (64, stat.mtime), (72, stat.ctime)] {
            put(&mut record, start, seconds(time).to_le_bytes());
            put(&mut record, start + 4, time.nsec.to_le_bytes());
        }
        put(&mut record, 80, stat.ino.to_le_bytes());
        memory.write(at, &record)
    }

    fn show(memory: &GuestMemory<'_>, at: Ptr, out: &mut String) -> Result<()> {
        let (mode, size) = (memory.read_u32(at.offset(12)?)?, memory.read_u64(at.offset(40)?)?);
        let _ = write!(out, "{{mode={mode:#o}, size={size}}}");
        Ok(())
    }
}

fn blocks(stat: &Stat) -> i32 {
    i32::try_from(stat.blocks).unwrap_or(i32::MAX)
}

/// Seconds in 32 bits: a time before 1901 or after 2038 is that bound.
fn seconds(time: Timestamp) -> i32 {
    i32::try_from(time.sec).unwrap_or(if time.sec < 0 { i32::MIN } else { i32::MAX })
}

/// `struct statfs` with 64-bit counts.
pub(crate) fn statfs_88(stat: &StatFs) -> [u8; 88] {
    let mut record = [0; 88];
    put(&mut record, 0, TMPFS_MAGIC.to_le_bytes());
    put(&mut record, 4, narrow(stat.block_size).to_le_bytes());
    let counts = [stat.blocks, stat.blocks_free, stat.blocks_free, stat.files, stat.files_free];
    for (start, count) in [8, 16, 24, 32, 40].into_iter().zip(counts) {
        put(&mut record, start, count.to_le_bytes());
    }
    put(&mut record, 56, narrow(stat.name_max).to_le_bytes());
    put(&mut record, 60, narrow(stat.block_size).to_le_bytes());
    put(&mut record, 64, (if stat.read_only { ST_RDONLY } else { 0 }).to_le_bytes());
    record
}

/// `struct statfs` with 32-bit counts, before 64-bit ones came.
pub(crate) fn statfs_64(stat: &StatFs) -> [u8; 64] {
    let mut record = [0; 64];
    put(&mut record, 0, TMPFS_MAGIC.to_le_bytes());
    put(&mut record, 4, narrow(stat.block_size).to_le_bytes());
    let counts = [stat.blocks, stat.blocks_free, stat.blocks_free, stat.files, stat.files_free];
    for (start, count) in [8, 12, 16, 20, 24].into_iter().zip(counts) {
        put(&mut record, start, narrow(count).to_le_bytes());
    }
    put(&mut record, 36, narrow(stat.name_max).to_le_bytes());
    put(&mut record, 40, narrow(stat.block_size).to_le_bytes());
    put(&mut record, 44, (if stat.read_only { ST_RDONLY } else { 0 }).to_le_bytes());
    record
}
