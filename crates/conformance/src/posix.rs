//! The file calls that a case makes, on host types, as values that can be sent to another process.

use serde::{Deserialize, Serialize};
pub use stratafs::{Errno, FileKind, Result};

/// A descriptor's number.
pub type Fd = u32;

/// Where a relative path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dir {
    /// In the current directory.
    Cwd,
    /// In an open directory.
    At(Fd),
}

/// Flags of `open`, under their names of `fcntl.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags(u32);

macro_rules! flags {
    ($($name:ident = $bit:expr,)*) => {
        $(#[allow(missing_docs)] pub const $name: Flags = Flags($bit);)*
    };
}

flags! {
    O_RDONLY = 0,
    O_WRONLY = 1,
    O_RDWR = 2,
    O_CREAT = 1 << 2,
    O_EXCL = 1 << 3,
    O_TRUNC = 1 << 4,
    O_APPEND = 1 << 5,
    O_NONBLOCK = 1 << 6,
    O_CLOEXEC = 1 << 7,
    O_DIRECTORY = 1 << 8,
    O_NOFOLLOW = 1 << 9,
    O_PATH = 1 << 10,
}

impl std::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        self.or(other)
    }
}

impl Flags {
    /// Both, in a constant.
    #[must_use]
    pub const fn or(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// All but `other`.
    #[must_use]
    pub const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// Whether all of `other` is set.
    #[must_use]
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where a seek starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whence {
    /// At the start.
    Set,
    /// At the offset.
    Current,
    /// At the end.
    End,
}

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time {
    /// Seconds since 1970, negative before.
    pub sec: i64,
    /// Nanoseconds in the second.
    pub nsec: u32,
}

/// A time to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// `UTIME_OMIT`.
    Omit,
    /// `UTIME_NOW`.
    Now,
    /// This time.
    At(Time),
}

impl When {
    /// A time to set.
    #[must_use]
    pub fn at(sec: i64, nsec: u32) -> When {
        When::At(Time { sec, nsec })
    }
}

/// What kind of file it is, for the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    Fifo,
    CharDevice,
    Socket,
}

impl From<FileKind> for Kind {
    fn from(kind: FileKind) -> Kind {
        match kind {
            FileKind::File => Kind::File,
            FileKind::Directory => Kind::Directory,
            FileKind::Symlink => Kind::Symlink,
            FileKind::Fifo => Kind::Fifo,
            FileKind::CharDevice => Kind::CharDevice,
            FileKind::Socket => Kind::Socket,
        }
    }
}

/// A file's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Stat {
    pub dev: u64,
    pub ino: u64,
    pub kind: Kind,
    /// Permission bits alone.
    pub mode: u32,
    pub nlink: u64,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub blocks: u64,
    pub atime: Time,
    pub mtime: Time,
    pub ctime: Time,
}

/// One entry of a listing; `.` and `..` are among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DirEntry {
    pub name: Vec<u8>,
    pub ino: u64,
    pub kind: Kind,
    /// The cookie that continues after this entry.
    pub next: u64,
}

/// Which access is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Mode {
    pub read: bool,
    pub write: bool,
    pub execute: bool,
}

/// `F_OK`.
pub const F_OK: Mode = Mode { read: false, write: false, execute: false };
/// `R_OK`.
pub const R_OK: Mode = Mode { read: true, ..F_OK };
/// `W_OK`.
pub const W_OK: Mode = Mode { write: true, ..F_OK };
/// `X_OK`.
pub const X_OK: Mode = Mode { execute: true, ..F_OK };

/// The status flags that can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Status {
    pub append: bool,
    pub nonblock: bool,
}

/// A file that a call means: by a descriptor, or by a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Target {
    Fd(Fd),
    Path { dir: Dir, path: Vec<u8>, follow: bool },
}

/// A call and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Call {
    Open { dir: Dir, path: Vec<u8>, flags: Flags, mode: u32 },
    Close(Fd),
    Dup(Fd),
    DupFrom { fd: Fd, at_least: Fd, cloexec: bool },
    Dup2 { fd: Fd, to: Fd, cloexec: bool },
    Cloexec(Fd),
    SetCloexec(Fd, bool),
    Status(Fd),
    SetStatus(Fd, Status),
    Pipe { nonblock: bool },
    PipeSize(Fd),
    SetPipeSize(Fd, u32),
    Read { fd: Fd, lens: Vec<u32> },
    Pread { fd: Fd, lens: Vec<u32>, offset: u64 },
    Write { fd: Fd, bufs: Vec<Vec<u8>> },
    Pwrite { fd: Fd, bufs: Vec<Vec<u8>>, offset: u64 },
    Seek { fd: Fd, whence: Whence, offset: i64 },
    Sync(Fd),
    Allocate { fd: Fd, offset: u64, len: u64 },
    ReadDir { fd: Fd, from: u64, max: u32 },
    Stat(Target),
    Truncate { target: Target, size: u64 },
    Chmod { target: Target, mode: u32 },
    Chown { target: Target, uid: Option<u32>, gid: Option<u32> },
    Utimens { target: Target, atime: When, mtime: When },
    Access { dir: Dir, path: Vec<u8>, mode: Mode },
    Mkdir { dir: Dir, path: Vec<u8>, mode: u32 },
    Mkfifo { dir: Dir, path: Vec<u8>, mode: u32 },
    Symlink { target: Vec<u8>, dir: Dir, path: Vec<u8> },
    Link { from_dir: Dir, from: Vec<u8>, dir: Dir, path: Vec<u8>, follow: bool },
    Unlink { dir: Dir, path: Vec<u8> },
    Rmdir { dir: Dir, path: Vec<u8> },
    Rename { from_dir: Dir, from: Vec<u8>, dir: Dir, path: Vec<u8> },
    Readlink { dir: Dir, path: Vec<u8> },
    Chdir(Vec<u8>),
    Fchdir(Fd),
    Getcwd,
    Umask(u32),
}

/// What a call gives when it succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Answer {
    Done,
    Fd(Fd),
    Fds(Fd, Fd),
    Number(u64),
    Flag(bool),
    Status(Status),
    Bytes(Vec<u8>),
    Stat(Stat),
    Entries(Vec<DirEntry>),
}

/// Something that answers POSIX's file calls for one process: the real operating system, or a `stratafs::Process`.
///
/// One method carries every call; the calls under their own names are methods of `dyn Posix`.
pub trait Posix {
    /// Does `call`.
    ///
    /// # Errors
    /// What POSIX gives; `EAGAIN` where the call would block.
    fn call(&mut self, call: Call) -> Result<Answer>;

    /// Whether this is the real operating system, for the few cases that differ on purpose.
    fn is_real(&self) -> bool {
        false
    }
}
