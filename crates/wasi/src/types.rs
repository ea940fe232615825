//! WASI's numbers, flags and layouts.

use std::fmt::Write;

use stratafs::{Errno, FileKind, Result, SetTime, Stat, Timestamp, Whence};
use stratafs_abi::{GuestMemory, Layout, Ptr, Record, Slot, View, flags};

use crate::Rights;

/// WASI's number for a kind of file. It has none for a pipe: that is "unknown".
#[must_use]
pub(crate) fn file_type(kind: FileKind) -> u8 {
    match kind {
        FileKind::Fifo => 0,
        FileKind::CharDevice => 2,
        FileKind::Directory => 3,
        FileKind::File => 4,
        FileKind::Socket => 6,
        FileKind::Symlink => 7,
    }
}

fn file_type_name(number: u8) -> &'static str {
    match number {
        1 => "block device",
        2 => "character device",
        3 => "directory",
        4 => "file",
        5 | 6 => "socket",
        7 => "symlink",
        _ => "unknown",
    }
}

flags! {
    /// How a path is resolved.
    pub struct LookupFlags(u32) { SYMLINK_FOLLOW = 1, }
}

flags! {
    /// How a file is opened.
    pub struct OFlags(u32) { CREAT = 1, DIRECTORY = 2, EXCL = 4, TRUNC = 8, }
}

flags! {
    /// Status flags of an open file.
    pub struct FdFlags(u32) { APPEND = 1, DSYNC = 2, NONBLOCK = 4, RSYNC = 8, SYNC = 16, }
}

flags! {
    /// Which times are set, and to what.
    pub struct FstFlags(u32) { ATIM = 1, ATIM_NOW = 2, MTIM = 4, MTIM_NOW = 8, }
}

impl FstFlags {
    /// The changes that these flags ask for, with the times in nanoseconds.
    ///
    /// # Errors
    /// `EINVAL` when one side is to be now and a given time at once.
    pub(crate) fn times(self, atim: u64, mtim: u64) -> Result<(SetTime, SetTime)> {
        let side = |given, now, nanos: u64| match (self.has(given), self.has(now)) {
            (true, true) => Err(Errno::EINVAL),
            (true, false) => Ok(SetTime::To(Timestamp::from_nanos(nanos.into()))),
            (false, true) => Ok(SetTime::Now),
            (false, false) => Ok(SetTime::Keep),
        };
        Ok((side(Self::ATIM, Self::ATIM_NOW, atim)?, side(Self::MTIM, Self::MTIM_NOW, mtim)?))
    }
}

/// Declares an enumeration that a guest passes as a number.
macro_rules! numbers {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $number:literal => $shown:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$item_doc])* $item,)*
        }

        impl Slot for $name {
            type Wasm = u32;

            #[inline]
            fn lift(raw: u32) -> Result<Self> {
                match raw {
                    $($number => Ok($name::$item),)*
                    _ => Err(Errno::EINVAL),
                }
            }

            fn show(self, _: View<'_>, out: &mut String) {
                out.push_str(match self { $($name::$item => $shown,)* });
            }
        }
    };
}

numbers! {
    /// What a seek counts from.
    SeekFrom {
        /// The start.
        Set = 0 => "SET",
        /// The current offset.
        Current = 1 => "CUR",
        /// The end.
        End = 2 => "END",
    }
}

impl From<SeekFrom> for Whence {
    fn from(from: SeekFrom) -> Self {
        match from {
            SeekFrom::Set => Whence::Set,
            SeekFrom::Current => Whence::Current,
            SeekFrom::End => Whence::End,
        }
    }
}

numbers! {
    /// A clock.
    ClockId {
        /// The time of day.
        Realtime = 0 => "REALTIME",
        /// Time since some fixed point.
        Monotonic = 1 => "MONOTONIC",
        /// Processor time of the process.
        ProcessCpuTime = 2 => "PROCESS_CPUTIME_ID",
        /// Processor time of the thread.
        ThreadCpuTime = 3 => "THREAD_CPUTIME_ID",
    }
}

numbers! {
    /// How a file will be used.
    Advice {
        /// Nothing is known.
        Normal = 0 => "NORMAL",
        /// From lower offsets to higher.
        Sequential = 1 => "SEQUENTIAL",
        /// In random order.
        Random = 2 => "RANDOM",
        /// Soon.
        WillNeed = 3 => "WILLNEED",
        /// Not soon.
        DontNeed = 4 => "DONTNEED",
        /// Once.
        NoReuse = 5 => "NOREUSE",
    }
}

/// Puts `N` bytes at `start` of a record under construction.
pub(crate) fn put<const N: usize>(record: &mut [u8], start: usize, bytes: [u8; N]) {
    if let Some(to) = record.get_mut(start..).and_then(|rest| rest.first_chunk_mut::<N>()) {
        *to = bytes;
    }
}

/// The layout `filestat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat(pub Stat);

/// Nanoseconds since 1970, as near as 64 bits without a sign come.
fn nanos(time: Timestamp) -> u64 {
    let nanos = time.as_nanos();
    u64::try_from(nanos).unwrap_or(if nanos < 0 { 0 } else { u64::MAX })
}

impl Layout for FileStat {
    const SIZE: u32 = 64;
}

impl Record for FileStat {
    #[inline]
    fn store(&self, memory: &mut GuestMemory<'_>, at: Ptr) -> Result<()> {
        let stat = &self.0;
        let mut record = [0; 64];
        put(&mut record, 0, stat.dev.to_le_bytes());
        put(&mut record, 8, stat.ino.to_le_bytes());
        put(&mut record, 16, [file_type(stat.kind)]);
        put(&mut record, 24, stat.nlink.to_le_bytes());
        put(&mut record, 32, stat.size.to_le_bytes());
        put(&mut record, 40, nanos(stat.atime).to_le_bytes());
        put(&mut record, 48, nanos(stat.mtime).to_le_bytes());
        put(&mut record, 56, nanos(stat.ctime).to_le_bytes());
        memory.write(at, &record)
    }

    fn show(memory: &GuestMemory<'_>, at: Ptr, out: &mut String) -> Result<()> {
        let kind = file_type_name(memory.read_u8(at.offset(16)?)?);
        let (ino, size) = (memory.read_u64(at.offset(8)?)?, memory.read_u64(at.offset(32)?)?);
        let _ = write!(out, "{{{kind}, ino={ino}, size={size}}}");
        Ok(())
    }
}

/// The layout `fdstat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FdStat {
    pub(crate) file_type: u8,
    pub(crate) flags: FdFlags,
    pub(crate) base: Rights,
    pub(crate) inheriting: Rights,
}

impl Layout for FdStat {
    const SIZE: u32 = 24;
}

impl Record for FdStat {
    fn store(&self, memory: &mut GuestMemory<'_>, at: Ptr) -> Result<()> {
        let [low, high, ..] = self.flags.bits().to_le_bytes();
        let mut record = [0; 24];
        put(&mut record, 0, [self.file_type]);
        put(&mut record, 2, [low, high]);
        put(&mut record, 8, self.base.bits().to_le_bytes());
        put(&mut record, 16, self.inheriting.bits().to_le_bytes());
        memory.write(at, &record)
    }

    fn show(memory: &GuestMemory<'_>, at: Ptr, out: &mut String) -> Result<()> {
        let kind = file_type_name(memory.read_u8(at)?);
        let flags = FdFlags::from_known_bits(memory.read_u16(at.offset(2)?)?.into())?;
        let _ = write!(out, "{{{kind}, flags=");
        flags.name(out);
        let _ =
            write!(out, ", base={:#x}, inheriting={:#x}}}", memory.read_u64(at.offset(8)?)?, memory.read_u64(at.offset(16)?)?);
        Ok(())
    }
}

/// The layout `prestat`, of a directory whose name has so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prestat(pub u32);

impl Layout for Prestat {
    const SIZE: u32 = 8;
}

impl Record for Prestat {
    fn store(&self, memory: &mut GuestMemory<'_>, at: Ptr) -> Result<()> {
        let mut record = [0; 8];
        put(&mut record, 4, self.0.to_le_bytes());
        memory.write(at, &record)
    }

    fn show(memory: &GuestMemory<'_>, at: Ptr, out: &mut String) -> Result<()> {
        let _ = write!(out, "{{name of {} bytes}}", memory.read_u32(at.offset(4)?)?);
        Ok(())
    }
}
