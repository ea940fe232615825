//! The vocabulary that backends and callers share: kinds, times, attributes.

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named or anonymous pipe.
    Fifo,
    /// A character device.
    CharDevice,
    /// A socket.
    Socket,
}

/// A point in time: seconds since 1970-01-01 UTC (negative before), and nanoseconds within the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Whole seconds, rounded towards the past.
    pub sec: i64,
    /// 0 to 999,999,999.
    pub nsec: u32,
}

impl Timestamp {
    /// A timestamp from nanoseconds since the epoch.
    #[must_use]
    pub fn from_nanos(nanos: i128) -> Self {
        let sec = nanos.div_euclid(1_000_000_000);
        let nsec = nanos.rem_euclid(1_000_000_000);
        Timestamp {
            sec: i64::try_from(sec).unwrap_or(if sec < 0 { i64::MIN } else { i64::MAX }),
            nsec: u32::try_from(nsec).unwrap_or(0),
        }
    }

    /// Nanoseconds since the epoch; negative before it.
    #[must_use]
    pub fn as_nanos(self) -> i128 {
        i128::from(self.sec) * 1_000_000_000 + i128::from(self.nsec)
    }
}

impl From<std::time::SystemTime> for Timestamp {
    fn from(time: std::time::SystemTime) -> Self {
        match time.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => Timestamp { sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX), nsec: after.subsec_nanos() },
            Err(before) => Timestamp::from_nanos(-i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX)),
        }
    }
}

/// A file's attributes, as `stat(2)` shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The mount's number. Backends leave it 0; the namespace fills it in.
    pub dev: u64,
    /// Unique in the filesystem while the file lives; stable across rename and copy-up.
    pub ino: u64,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with set-id and sticky, `0o7777` at most.
    pub mode: u32,
    /// Names that the file has.
    pub nlink: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes; for a symbolic link the length of its target.
    pub size: u64,
    /// Storage in units of 512 bytes.
    pub blocks: u64,
    /// Last access, never moved by reading.
    pub atime: Timestamp,
    /// Last change of the contents.
    pub mtime: Timestamp,
    /// Last change of contents or attributes.
    pub ctime: Timestamp,
}

impl Stat {
    /// A stat of that identity with the usual mode for its kind, one link and zero for the rest.
    #[must_use]
    pub fn new(ino: u64, kind: FileKind) -> Self {
        let (mode, nlink) = match kind {
            FileKind::Directory => (0o755, 2),
            FileKind::Symlink => (0o777, 1),
            FileKind::CharDevice => (0o666, 1),
            FileKind::File | FileKind::Fifo | FileKind::Socket => (0o644, 1),
        };
        let zero = Timestamp::default();
        Stat { dev: 0, ino, kind, mode, nlink, uid: 0, gid: 0, size: 0, blocks: 0, atime: zero, mtime: zero, ctime: zero }
    }
}

/// One side of a call that sets times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SetTime {
    /// Leave it (`UTIME_OMIT`).
    #[default]
    Keep,
    /// The filesystem's now (`UTIME_NOW`).
    Now,
    /// This time.
    To(Timestamp),
}

/// Attributes to change in one step; what is not set stays. The default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttr {
    /// New size in bytes: cuts, or grows with a hole.
    pub size: Option<u64>,
    /// New permission bits (`0o7777` at most).
    pub mode: Option<u32>,
    /// New owner.
    pub uid: Option<u32>,
    /// New group.
    pub gid: Option<u32>,
    /// Access time.
    pub atime: SetTime,
    /// Modification time.
    pub mtime: SetTime,
}

impl SetAttr {
    /// Only a new size.
    #[must_use]
    pub fn size(size: u64) -> Self {
        SetAttr { size: Some(size), ..SetAttr::default() }
    }

    /// Only new permission bits.
    #[must_use]
    pub fn mode(mode: u32) -> Self {
        SetAttr { mode: Some(mode), ..SetAttr::default() }
    }
}

/// How full a filesystem is, as `statfs(2)` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatFs {
    /// Bytes per block.
    pub block_size: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub blocks_free: u64,
    /// Inodes in all.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// The longest name in bytes.
    pub name_max: u64,
    /// Nothing can be written.
    pub read_only: bool,
}

/// What an open file may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Access {
    /// It may be read.
    pub read: bool,
    /// It may be written.
    pub write: bool,
    /// It is cut to nothing while it is opened (with or without `write`, as on Linux).
    pub truncate: bool,
}

impl Access {
    /// Reading only.
    pub const READ: Access = Access { read: true, write: false, truncate: false };
    /// Writing only.
    pub const WRITE: Access = Access { read: false, write: true, truncate: false };
    /// Both.
    pub const READ_WRITE: Access = Access { read: true, write: true, truncate: false };

    /// Whether opening like this needs a writable filesystem. The only place that says so for an existing file.
    #[must_use]
    pub fn mutates(self) -> bool {
        self.write || self.truncate
    }
}

/// A place in a directory listing: 0 is the start; [`DirEntry::next`] continues. Stable while the directory changes. A backend's stay
/// below 2^62 - 2.
pub type Cookie = u64;

/// One entry of a listing. `.` and `..` are not among a backend's entries.
#[derive(Debug, Clone, Copy)]
pub struct DirEntry<'a> {
    /// The entry's name.
    pub name: &'a [u8],
    /// Its inode number, equal to [`Stat::ino`].
    pub ino: u64,
    /// What it is.
    pub kind: FileKind,
    /// The cookie that continues after this entry; never 0.
    pub next: Cookie,
}

/// What to make in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewKind<'a> {
    /// An empty regular file.
    File,
    /// An empty directory.
    Directory,
    /// A symbolic link with this target.
    Symlink(&'a [u8]),
    /// A named pipe.
    Fifo,
}

impl NewKind<'_> {
    /// The kind of file that will be there.
    #[must_use]
    pub fn kind(self) -> FileKind {
        match self {
            NewKind::File => FileKind::File,
            NewKind::Directory => FileKind::Directory,
            NewKind::Symlink(_) => FileKind::Symlink,
            NewKind::Fifo => FileKind::Fifo,
        }
    }
}

/// Which removal is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// `unlink`: anything but a directory.
    File,
    /// `rmdir`: an empty directory.
    Directory,
}
